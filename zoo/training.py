"""The one training path: any recipe, on Lightning, repeatable to the bit on one machine.

Every random choice follows from the seed, the epoch and the step, not from what was drawn before, so a run that
was killed and resumed gives the weights of one that was not.
"""

from __future__ import annotations

import logging
import math
import signal
import threading
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import lightning
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback, EarlyStopping, EMAWeightAveraging, ModelCheckpoint
from PIL import Image
from torch.utils.data import DataLoader, Dataset, DistributedSampler
from torchvision.transforms import v2

from runtime.errors import DeviceError, OptionError, TrainingError, ZooError, one_line, unknown
from runtime.figures import figure
from runtime.progress import Progress, silent
from zoo.augment import augmentation
from zoo.checkpoint import SafeCheckpoints
from zoo.preflight import check_logger
from zoo.recipes import Group, Training
from zoo.run import CHECKPOINTS
from zoo.tasks import selection, task

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray
    from torch import nn

    from runtime.tasks import Output
    from zoo.prepare import Prepared

LAST = "last"
BEST = "best"
AUXILIARY = 0.3


@dataclass(frozen=True)
class Hardware:
    """What to train on, by Lightning's names; it decides the speed, not the result."""

    device: str = "auto"
    devices: int = 1
    nodes: int = 1


class EpochSampler(DistributedSampler[Any]):
    """Gives (epoch, index) pairs, so that augmentation can follow from them; the order follows from the seed."""

    def __iter__(self) -> Iterator[tuple[int, int]]:
        """Return this process's share of the epoch."""
        return ((self.epoch, index) for index in super().__iter__())


class TrainingExamples(Dataset[tuple[torch.Tensor, torch.Tensor]]):
    """Inputs ``[*input.shape]``, augmented, with their targets."""

    def __init__(self, inputs: NDArray[Any], targets: NDArray[Any], augment: v2.Transform | None, seed: int):
        self.inputs, self.targets, self.augment, self.seed = inputs, torch.from_numpy(targets), augment, seed

    def __len__(self) -> int:
        """Return the number of examples."""
        return len(self.targets)

    def __getitem__(self, key: tuple[int, int]) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the example of an (epoch, index) pair."""
        epoch, index = key
        values = np.array(self.inputs[index])
        if self.augment is not None:
            torch.default_generator.manual_seed(_mixed(self.seed, epoch, index))
            pixels = values.astype(np.uint8)  # rows of an image, read as a sequence, hold them as float32
            image = self.augment(Image.fromarray(pixels if pixels.shape[-1] == 3 else pixels.reshape(pixels.shape[:2])))
            picture = image.permute(1, 2, 0).numpy() if isinstance(image, torch.Tensor) else image
            values = np.array(picture, values.dtype).reshape(values.shape)
        return torch.from_numpy(values), self.targets[index]


def mixing(training: Training, labels: int) -> v2.Transform | None:
    """Return mixup, cutmix, or one of the two at random for each batch; None where the options ask for neither."""
    kinds = {v2.MixUp: training.mixup, v2.CutMix: training.cutmix}
    chosen = [kind(alpha=alpha, num_classes=labels) for kind, alpha in kinds.items() if alpha]
    return v2.RandomChoice(chosen) if len(chosen) > 1 else chosen[0] if chosen else None


def schedule(training: Training, optimizer: torch.optim.Optimizer, steps: int) -> Any:
    """Return the course of the learning rate over all steps, as the options name it."""
    if training.schedule == "one-cycle":
        peaks, steps = [part["lr"] for part in optimizer.param_groups], max(2, steps)
        rising = max(0.25, training.warmup, 1.01 / steps)  # PyTorch divides by the rise less its first step
        return torch.optim.lr_scheduler.OneCycleLR(
            optimizer, peaks, total_steps=steps, pct_start=rising, cycle_momentum=False
        )
    rise = training.warmup * steps

    def factor(step: int) -> float:
        if step < rise:
            return (step + 1) / (rise + 1)
        done = (step - rise) / max(1.0, steps - rise)
        return {"constant": 1.0, "step": 0.1 ** int(3 * done), "cosine": (1 + math.cos(math.pi * done)) / 2}[
            training.schedule
        ]

    return torch.optim.lr_scheduler.LambdaLR(optimizer, factor)


class Learner(lightning.LightningModule):
    """Loss, optimiser, schedule and validation metric of any task."""

    def __init__(
        self, module: nn.Module, groups: list[Group], training: Training, output: Output, data: Prepared, seed: int
    ) -> None:
        super().__init__()
        self.network, self.groups, self.options, self.output = module, groups, training, output
        self.data, self.seed = data, seed
        self.loss = task(output.task).loss(output, training, data.targets("train"))
        self.metric, self.measure = selection(output, training, data.targets("train"))
        self.mix = mixing(training, output.shape[-1])
        self.history: list[dict[str, float]] = []
        self.epochs_here = 0
        """Epochs that have begun in this process."""
        self.train_sums = np.zeros(3)
        self.answers: list[tuple[NDArray[Any], NDArray[Any]]] = []

    # data

    def train_dataloader(self) -> DataLoader[Any]:
        """Return the training batches of this process."""
        options, inputs = self.options, self.data.inputs["train"]
        augment = None
        if options.augment:
            fill = int(np.median(inputs[:256, 0, 0]))
            augment = augmentation(options.augment, cast("tuple[int, int]", inputs.shape[1:3]), fill)
        examples = TrainingExamples(inputs, self.data.targets("train"), augment, self.seed)
        sampler = EpochSampler(examples, self.trainer.world_size, self.trainer.global_rank, seed=self.seed)
        sampler.set_epoch(self.trainer.current_epoch)
        size = min(options.batch_size, len(sampler))
        return DataLoader(
            examples, size, sampler=sampler, drop_last=True, num_workers=options.workers,
            persistent_workers=options.workers > 0, pin_memory=self.device.type == "cuda",
        )  # fmt: skip

    def val_dataloader(self) -> DataLoader[Any]:
        """Return the validation batches of this process."""
        inputs, targets = self.data.inputs["validation"], self.data.targets("validation")
        examples: Any = [(i, i) for i in range(len(targets))]  # a sequence does for a data set
        sampler: DistributedSampler[Any] = DistributedSampler(
            examples, self.trainer.world_size, self.trainer.global_rank, shuffle=False
        )
        return DataLoader(
            examples, max(64, self.options.batch_size), sampler=sampler,
            collate_fn=lambda rows: (
                torch.from_numpy(np.array(inputs[[i for i, _ in rows]])),
                torch.from_numpy(targets[[i for i, _ in rows]]),
            ),
        )  # fmt: skip

    # optimisation

    def configure_optimizers(self) -> Any:
        """Return the optimiser over the groups, and the schedule."""
        optimizer = make_optimizer(parameter_groups(self.groups, self.options), self.options)
        course = schedule(self.options, optimizer, int(self.trainer.estimated_stepping_batches))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": course, "interval": "step"}}

    def on_train_epoch_start(self) -> None:
        """Freeze and unfreeze the groups as the epoch says."""
        self.epochs_here += 1
        set_active(self.groups, self.current_epoch / self.options.epochs)

    def training_step(self, batch: Any, index: int) -> torch.Tensor:
        """Return the loss of a batch; each auxiliary head adds 0.3 of its own (Szegedy et al., 2015).

        Raises:
            TrainingError: If it is not finite.
        """
        torch.manual_seed(_mixed(self.seed, self.global_step, index, self.global_rank + 1_000_003))
        inputs, targets = batch
        wanted = targets
        if self.mix is not None:
            mixed, wanted = self.mix(inputs.float().permute(0, 3, 1, 2), targets)
            inputs = mixed.permute(0, 2, 3, 1)
        found = self._forward(inputs)
        main, *auxiliary = found if isinstance(found, tuple) else (found,)
        loss: torch.Tensor = self.loss(main, wanted)
        for head in auxiliary:
            loss = loss + AUXILIARY * self.loss(head, wanted)
        value = float(loss.detach())
        if not math.isfinite(value):
            self._stop_on(value, f"step {self.global_step} (epoch {self.current_epoch + 1})")
        metric = self.measure(_plain(main), _plain(targets)) if task(self.output.task).BY_METRIC else 0.0
        self.train_sums += np.array([value, metric, 1]) * len(targets)
        self.log("loss", value, prog_bar=True)
        return loss

    def validation_step(self, batch: Any, index: int) -> None:
        """Keep the answers."""
        inputs, targets = batch
        self.answers.append((_plain(self.network(inputs)), _plain(targets)))

    def on_validation_epoch_end(self) -> None:
        """Measure the answers of all processes, and keep the epoch's figures for the curves.

        Raises:
            TrainingError: If the validation loss is not finite: the last step broke the weights.
        """
        raw, targets = self._gathered()
        loss = float(self.loss(torch.from_numpy(raw).to(self.device), torch.from_numpy(targets).to(self.device)))
        if not math.isfinite(loss):
            self._stop_on(loss, f"the validation after epoch {self.current_epoch + 1}")
        name, metric = self.metric, self.measure(raw, targets)
        train_loss, train_metric, count = self.train_sums
        self.train_sums[:] = 0
        row = {"epoch": self.current_epoch + 1, "train_loss": train_loss / count, "val_loss": loss}
        chosen = -loss
        if task(self.output.task).BY_METRIC:
            row |= {f"train_{name}": train_metric / count, f"val_{name}": metric}
            # a share comes in steps of 1 / count, a mean of shares in finer ones; less than half a step of loss decides
            # between equals
            step = 1 / (len(targets) * max(2, self.output.shape[-1]))
            chosen = (metric if self.output.better == "max" else -metric) - math.tanh(loss) * step / 2
        row["lr"] = self.trainer.optimizers[0].param_groups[0]["lr"]
        self.log("selection", chosen, logger=False)
        self.log_dict({key: float(value) for key, value in row.items() if key != "epoch"})
        self.history.append({key: float(value) if key != "epoch" else value for key, value in row.items()})

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Put the history into the checkpoint."""
        checkpoint["history"] = self.history

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take the history from the checkpoint.

        Raises:
            TrainingError: If it is none.
        """
        history = checkpoint.get("history")
        if not isinstance(history, list) or not all(map(_is_row, history)):
            raise TrainingError("the checkpoint holds no history of epochs")
        self.history = history

    def _gathered(self) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return the validation's outputs and targets, of all processes in the order of the samples."""
        raw, targets = (np.concatenate(parts) for parts in zip(*self.answers, strict=True))
        self.answers.clear()
        if self.trainer.world_size == 1:
            return raw, targets
        shares: list[Any] = [None] * self.trainer.world_size
        torch.distributed.all_gather_object(shares, (raw, targets))
        count = len(self.data.targets("validation"))  # the sampler repeats some samples to give all the same number
        raws, wants = (np.stack(parts, 1) for parts in zip(*shares, strict=True))
        return raws.reshape(-1, *raw.shape[1:])[:count], wants.reshape(-1, *targets.shape[1:])[:count]

    def _forward(self, inputs: torch.Tensor) -> Any:
        """Run the network on a batch.

        Raises:
            TrainingError: If it normalises batches, and this one has a single value for each channel.
        """
        try:
            return self.network(inputs)
        except ValueError as problem:
            if "more than 1 value per channel" not in str(problem):
                raise
            raise TrainingError(
                f"batches of {len(inputs)} are too small for this network's batch normalisation, which needs more than "
                "one value for each channel: --set batch_size=2 or more, and at least 2 training samples a process"
            ) from None

    def _stop_on(self, loss: float, where: str) -> None:
        kept = Path(self.trainer.default_root_dir) / CHECKPOINTS / f"{LAST}.ckpt"
        state = f"the last finite checkpoint is {kept}" if kept.exists() else "there is no checkpoint yet"
        raise TrainingError(
            f"the loss is {loss} at {where}; {state}; check the data, or start anew with a lower learning rate "
            f"(--overwrite --set lr={self.options.lr / 10:g})"
        )


def _plain(tensor: torch.Tensor) -> NDArray[Any]:
    found = tensor.detach().cpu()
    return np.asarray((found.float() if found.is_floating_point() else found).numpy())


def parameter_groups(groups: list[Group], options: Training) -> list[dict[str, Any]]:
    """Return the optimiser's parameter groups: each part by itself, and in it those without weight decay apart."""
    seen: set[int] = set()
    parts = []
    for group in groups:
        own = [p for module in group.modules for p in module.parameters() if id(p) not in seen]
        own = list({id(p): p for p in own}.values())
        seen |= {id(p) for p in own}
        for decayed in (True, False):
            chosen = [p for p in own if (p.ndim > 1) == decayed]
            if chosen and group.start < 1:
                decay = options.weight_decay if decayed else 0.0
                parts.append({"params": chosen, "lr": options.lr * group.lr_scale, "weight_decay": decay})
    return parts


def set_active(groups: list[Group], progress: float) -> None:
    """Freeze the groups that start after `progress` (0 to 1) and set the others to train."""
    for group in reversed(groups):  # what several name belongs to the first, which has the last word
        active = progress >= group.start
        for module in group.modules:
            module.train(active).requires_grad_(active)
            for part in module.modules() if group.keep_statistics else ():
                if isinstance(part, torch.nn.modules.batchnorm._BatchNorm):
                    part.eval()


class Patience(EarlyStopping):
    """Lightning's early stopping, which also stops a resumed run that had stopped already."""

    def on_train_start(self, trainer: lightning.Trainer, learner: lightning.LightningModule) -> None:
        """Stop before the first epoch if the patience was exhausted before."""
        trainer.should_stop = trainer.should_stop or self.wait_count >= self.patience


class BestCheckpoint(ModelCheckpoint):
    """Lightning's choice of the best epoch; its state is the score alone, and the path follows from the run folder.

    Lightning would store paths, delete the file that a stored path names, and forget the score in a moved folder.
    """

    def state_dict(self) -> dict[str, Any]:
        """Return the best score so far."""
        return {"score": None if self.best_model_score is None else float(self.best_model_score)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take the best score over.

        Raises:
            TrainingError: If it is no finite number.
        """
        score = state_dict.get("score")
        if score is None:
            return
        if not isinstance(score, float) or not math.isfinite(score):
            raise TrainingError(f"{self.dirpath}: the checkpoint's best score is {score!r}, no finite number")
        path = self.format_checkpoint_name({})
        self.best_model_path = self.kth_best_model_path = path
        self.best_model_score = self.kth_value = torch.tensor(score)
        self.best_k_models = {path: self.best_model_score}


class LastCheckpoint(ModelCheckpoint):
    """Lightning's save after each epoch, which needs no state."""

    def state_dict(self) -> dict[str, Any]:
        """Return nothing."""
        return {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take nothing over."""


class Report(Callback):
    """Reports every step of the whole training as one stretch, with the last validation's figures."""

    def __init__(self, on_progress: Progress) -> None:
        self.on_progress = on_progress

    def on_train_batch_end(
        self, trainer: lightning.Trainer, learner: Any, outputs: Any, batch: Any, index: int
    ) -> None:
        """Report a step."""
        if trainer.is_global_zero:
            what = f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}"
            if learner.history:
                last, name = learner.history[-1], learner.metric
                measured = (
                    f"{name.replace('_', ' ')} {figure(name, last[f'val_{name}'])}, " if f"val_{name}" in last else ""
                )
                what += f", validation {measured}loss {last['val_loss']:.3f}"
            self.on_progress(what, trainer.global_step, int(trainer.estimated_stepping_batches))


def fit(
    module: nn.Module,
    groups: list[Group],
    training: Training,
    output: Output,
    data: Prepared,
    seed: int,
    folder: Path,
    hardware: Hardware,
    resume: bool = False,
    logger: str = "none",
    watchers: Sequence[Callback] = (),
    on_progress: Progress = silent,
) -> list[dict[str, float]]:
    """Train a network in place; it ends with the weights of the best epoch.

    Args:
        module: Takes ``[batch, *input.shape]`` as a device gives it, gives ``[batch, *output.shape]``; in training
            perhaps a tuple of that and the outputs of auxiliary heads.
        groups: What trains when.
        training: How.
        output: The task.
        data: On what.
        seed: Decides order, augmentation and dropout.
        folder: The run folder; checkpoints go below it.
        hardware: Where.
        resume: Continue from the last complete checkpoint, if there is one.
        logger: Of `zoo.preflight.LOGGERS`, where the figures of each step go to besides.
        watchers: Lightning callbacks, called besides ours.
        on_progress: Called with what is being done, how much is done, and how much there is.

    Returns:
        The figures of each epoch.

    Raises:
        TrainingError: If the loss stops being finite, or training was interrupted.
        OptionError: If the optimiser is unknown or refuses its settings.
        DeviceError: If the device is not there.
        MissingExtraError: If the logger's library is not installed.
    """
    _quieten()
    places = folder / CHECKPOINTS
    best = BestCheckpoint(
        places, BEST, monitor="selection", mode="max", save_top_k=1, save_on_train_epoch_end=True,
        enable_version_counter=False, auto_insert_metric_name=False,
    )  # fmt: skip
    last = LastCheckpoint(places, LAST, save_on_train_epoch_end=True, enable_version_counter=False)
    early = Patience("selection", mode="max", patience=training.patience, check_on_train_epoch_end=True)
    average = [EMAWeightAveraging(decay=training.ema)] if training.ema else []
    callbacks = [Report(on_progress), *average, *watchers, early, best, last]
    learner = Learner(module, groups, training, output, data, seed)
    checkpoint = places / f"{LAST}.ckpt"
    trainer = _trainer(training, hardware, folder, callbacks, open_logger(logger, folder), partial=len(groups) > 1)
    interrupt = signal.getsignal(signal.SIGINT)
    try:
        trainer.fit(learner, ckpt_path=checkpoint if resume and checkpoint.exists() else None, weights_only=True)
    except (KeyboardInterrupt, SystemExit):  # Lightning makes the one from the other
        raise TrainingError(f"interrupted; continue with --resume --out {folder}") from None
    except Exception as problem:  # of a checkpoint that is whole but of another network, or forged
        if not resume or learner.epochs_here > 1 or isinstance(problem, ZooError):
            raise
        raise TrainingError(f"{checkpoint}: the run can't be continued from it ({one_line(problem)})") from None
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, interrupt)  # Lightning ignores it after the first
    _load_network(places / f"{BEST}.ckpt", module)
    module.cpu().eval()
    return learner.history


def _is_row(row: Any) -> bool:
    return isinstance(row, dict) and all(isinstance(k, str) and isinstance(v, int | float) for k, v in row.items())


def _load_network(checkpoint: Path, module: nn.Module) -> None:
    """Read a checkpoint's weights into the network.

    Raises:
        TrainingError: If they are of another network.
    """
    prefix = "network."
    try:
        state = SafeCheckpoints().load_checkpoint(checkpoint)["state_dict"]
        module.load_state_dict({k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)})
    except (RuntimeError, LookupError, TypeError, AttributeError) as problem:
        raise TrainingError(f"{checkpoint}: its weights can't be loaded ({one_line(problem)})") from None


def _trainer(
    training: Training, hardware: Hardware, folder: Path, callbacks: list[Callback], logger: Any, partial: bool
) -> lightning.Trainer:
    accelerator = choose_device(hardware.device)
    several = hardware.devices * hardware.nodes > 1
    strategy = ("ddp_find_unused_parameters_true" if partial else "ddp") if several else "auto"
    precision = {"32": "32-true", "16": "16-mixed", "bf16": "bf16-mixed"}.get(training.precision, "32-true")
    if training.precision == "auto" and accelerator == "cuda":
        precision = "bf16-mixed" if torch.cuda.is_bf16_supported() else "16-mixed"
    try:
        return lightning.Trainer(
            accelerator=accelerator, devices=hardware.devices, num_nodes=hardware.nodes, strategy=strategy,
            precision=cast(Any, precision), max_epochs=training.epochs, callbacks=callbacks,
            default_root_dir=folder, logger=logger, enable_model_summary=False, num_sanity_val_steps=0,
            use_distributed_sampler=False, plugins=[SafeCheckpoints()], enable_progress_bar=False,
            accumulate_grad_batches=training.accumulate, gradient_clip_val=training.clip or None,
        )  # fmt: skip
    except Exception as problem:  # Lightning raises its own, torch's and built-in classes here
        raise DeviceError(f"can't train on {hardware.devices} x {accelerator}: {one_line(problem)}") from None


def open_logger(name: str, folder: Path) -> Any:
    """Return Lightning's logger, which writes below ``logs`` in the run folder; False for ``none``.

    Raises:
        OptionError: If there is none of that name.
        MissingExtraError: If its library is not installed.
    """
    from lightning.pytorch import loggers

    check_logger(name)
    makers: dict[str, Any] = {
        "none": lambda: False,
        "csv": lambda: loggers.CSVLogger(folder, "logs", "", flush_logs_every_n_steps=10),
        "tensorboard": lambda: loggers.TensorBoardLogger(folder, "logs", ""),
        "wandb": lambda: loggers.WandbLogger(project="edgezoo", name=folder.name, save_dir=folder),
    }
    return makers[name]()


def make_optimizer(parameters: list[dict[str, Any]], options: Training) -> torch.optim.Optimizer:
    """Return timm's optimiser over parameter groups.

    Raises:
        OptionError: If timm has none of that name, or it refuses its settings.
    """
    from timm.optim import create_optimizer_v2, list_optimizers

    name = options.optimizer.lower()
    if name not in list_optimizers():
        raise OptionError(unknown("optimizer", options.optimizer, list_optimizers()))
    if name == "sgd" and not options.momentum:
        name = "momentum"  # Nesterov's needs some
    try:
        optimizer: torch.optim.Optimizer = create_optimizer_v2(
            parameters, name, lr=options.lr, weight_decay=options.weight_decay, momentum=options.momentum
        )
        return optimizer
    except (ValueError, TypeError, AssertionError) as problem:
        raise OptionError(f"optimizer {options.optimizer!r} can't be used so: {one_line(problem)}") from None


def check_optimizer(options: Training) -> None:
    """Make the optimiser for a weight that nobody needs, and take a step.

    Raises:
        OptionError: If it can't be made or can't step.
    """
    weight = torch.nn.Parameter(torch.ones(2, 2))
    optimizer = make_optimizer([{"params": [weight]}], options)
    weight.grad = torch.ones(2, 2)
    try:
        optimizer.step()
    except (RuntimeError, TypeError) as problem:  # Hessians and closures are not ours to give
        raise OptionError(f"optimizer {options.optimizer!r} can't be used here: {one_line(problem)}") from None


def choose_device(name: str) -> str:
    """Return the device to train on: the best for ``auto``, else exactly the one named.

    Raises:
        DeviceError: If it is not there; names those that are.
        OptionError: If the name is unknown.
    """
    present = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    usable = [device for device, there in present.items() if there]
    if name == "auto":
        return usable[0]
    if name not in present:
        raise OptionError(unknown("device", name, ["auto", *present]))
    if name not in usable:
        raise DeviceError(f"no device {name!r} to train on here; there is: {', '.join(usable)}")
    return name


def _mixed(*numbers: int) -> int:
    return hash(numbers) & (2**63 - 1)


def _quieten() -> None:
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="lightning")
