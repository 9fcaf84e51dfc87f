"""The one training path: any recipe, on Lightning, repeatable to the bit on one machine.

Every random choice follows from the seed, the epoch and the step, not from what was drawn before, so a run that
was killed and resumed gives the weights of one that was not.
"""

from __future__ import annotations

import logging
import signal
import threading
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import lightning
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback, EarlyStopping, ModelCheckpoint
from PIL import Image
from torch.utils.data import DataLoader, Dataset, DistributedSampler
from torchvision.transforms import v2

from export.parity import Progress, silent
from runtime.errors import DeviceError, OptionError, TrainingError, one_line, unknown
from zoo.checkpoint import SafeCheckpoints
from zoo.recipe import Group, Training
from zoo.run import CHECKPOINTS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray
    from torch import nn

    from zoo.prepare import Prepared

LAST = "last"
BEST = "best"
IMBALANCE = 1.5


@dataclass(frozen=True)
class Hardware:
    """What to train on, by Lightning's names; it decides the speed, not the result."""

    device: str = "auto"
    devices: int = 1
    nodes: int = 1


class EpochSampler(DistributedSampler[Any]):
    """Gives (epoch, index) pairs, so that augmentation can follow from them; the order follows from the seed."""

    def __iter__(self) -> Iterator[tuple[int, int]]:  # type: ignore[override]
        """Return this process's share of the epoch."""
        return ((self.epoch, index) for index in super().__iter__())


class TrainingExamples(Dataset[tuple[torch.Tensor, int]]):
    """Preprocessed pixels ``uint8 [height, width, channels]``, augmented, with targets."""

    def __init__(self, pixels: NDArray[np.uint8], targets: NDArray[np.int64], augment: v2.Transform | None, seed: int):
        self.pixels, self.targets, self.augment, self.seed = pixels, targets, augment, seed

    def __len__(self) -> int:
        """Return the number of examples."""
        return len(self.targets)

    def __getitem__(self, key: tuple[int, int]) -> tuple[torch.Tensor, int]:
        """Return the example of an (epoch, index) pair."""
        epoch, index = key
        pixels = np.array(self.pixels[index])
        if self.augment is not None:
            torch.default_generator.manual_seed(_mixed(self.seed, epoch, index))
            grey = pixels.shape[2] == 1
            image = self.augment(Image.fromarray(pixels[:, :, 0] if grey else pixels))
            pixels = np.array(image).reshape(pixels.shape)
        return torch.from_numpy(pixels), int(self.targets[index])


def augmentation(names: tuple[str, ...], size: tuple[int, int], fill: int) -> v2.Transform | None:
    """Return torchvision transforms of Pillow images for the options' names, in a fixed order.

    On small images they take a quarter of the time that they take on tensors.

    Args:
        names: Of `zoo.recipe.Augmentation`.
        size: Height and width.
        fill: The value of pixels that move in from outside.
    """
    known = {
        "crop": v2.RandomResizedCrop(size, scale=(0.6, 1.0), ratio=(0.8, 1.25), antialias=True),
        "shift": v2.RandomAffine(
            10, translate=(0.1, 0.1), scale=(0.9, 1.1), interpolation=v2.InterpolationMode.BILINEAR, fill=fill
        ),
        "flip": v2.RandomHorizontalFlip(),
        "colour": v2.ColorJitter(brightness=0.2, contrast=0.2, saturation=0.2),
    }
    chosen = [transform for name, transform in known.items() if name in names]
    return v2.Compose(chosen) if chosen else None


class Learner(lightning.LightningModule):
    """Loss, optimiser, schedule and validation metric of a classifier."""

    def __init__(self, network: nn.Module, groups: list[Group], training: Training, data: Prepared, seed: int) -> None:
        super().__init__()
        self.network, self.groups, self.training_options, self.data, self.seed = (
            network,
            groups,
            training,
            data,
            seed,
        )
        self.loss = torch.nn.CrossEntropyLoss(class_weights(training, data), label_smoothing=training.label_smoothing)
        self.history: list[dict[str, float]] = []
        self.sums = {"train": torch.zeros(3, dtype=torch.float64), "val": torch.zeros(3, dtype=torch.float64)}

    # data

    def train_dataloader(self) -> DataLoader[Any]:
        """Return the training batches of this process."""
        options, pixels = self.training_options, self.data.pixels["train"]
        fill = int(np.median(pixels[:256, 0, 0]))
        augment = augmentation(options.augment, cast("tuple[int, int]", pixels.shape[1:3]), fill)
        examples = TrainingExamples(pixels, self.data.targets("train"), augment, self.seed)
        sampler = EpochSampler(examples, self.trainer.world_size, self.trainer.global_rank, seed=self.seed)
        sampler.set_epoch(self.trainer.current_epoch)
        size = min(options.batch_size, len(examples))
        return DataLoader(
            examples, size, sampler=sampler, drop_last=True, num_workers=options.workers,
            persistent_workers=options.workers > 0, pin_memory=self.device.type == "cuda",
        )  # fmt: skip

    def val_dataloader(self) -> DataLoader[Any]:
        """Return the validation batches of this process."""
        pixels, targets = self.data.pixels["validation"], self.data.targets("validation")
        examples = [(i, i) for i in range(len(targets))]
        sampler = DistributedSampler(examples, self.trainer.world_size, self.trainer.global_rank, shuffle=False)
        return DataLoader(
            examples, max(64, self.training_options.batch_size), sampler=sampler,
            collate_fn=lambda rows: (
                torch.from_numpy(np.array(pixels[[i for i, _ in rows]])),
                torch.from_numpy(targets[[i for i, _ in rows]]),
            ),
        )  # fmt: skip

    # optimisation

    def configure_optimizers(self) -> Any:
        """Return timm's optimiser over the groups, and a one-cycle schedule."""
        from timm.optim import create_optimizer_v2

        options = self.training_options
        parts = parameter_groups(self.groups, options)
        optimizer = create_optimizer_v2(parts, options.optimizer, lr=options.lr, weight_decay=options.weight_decay)
        steps = int(self.trainer.estimated_stepping_batches)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, [part["lr"] for part in parts], total_steps=max(2, steps), pct_start=0.25,
            cycle_momentum=False,
        )  # fmt: skip
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def on_train_epoch_start(self) -> None:
        """Freeze and unfreeze the groups as the epoch says."""
        set_active(self.groups, self.current_epoch / self.training_options.epochs)

    def training_step(self, batch: Any, index: int) -> torch.Tensor:
        """Return the loss of a batch.

        Raises:
            TrainingError: If it is not finite.
        """
        torch.manual_seed(_mixed(self.seed, self.global_step, self.global_rank + 1_000_003))
        pixels, targets = batch
        logits = self.network(pixels)
        loss: torch.Tensor = self.loss(logits, targets)
        if not torch.isfinite(loss):
            self._stop_on(loss.detach(), f"step {self.global_step} (epoch {self.current_epoch + 1})")
        self._count("train", loss, logits, targets)
        self.log("loss", loss, prog_bar=True, logger=False)
        return loss

    def on_validation_epoch_start(self) -> None:
        """Forget the sums of the last validation."""
        self.sums["val"].zero_()

    def validation_step(self, batch: Any, index: int) -> None:
        """Count right answers and loss."""
        pixels, targets = batch
        logits = self.network(pixels)
        self._count("val", self.loss(logits, targets), logits, targets)

    def on_validation_epoch_end(self) -> None:
        """Log the validation metric and keep the epoch's figures for the curves.

        Raises:
            TrainingError: If the validation loss is not finite: the last step broke the weights.
        """
        loss, right, count = self.all_gather(self.sums["val"].float()).reshape(-1, 3).sum(0).tolist()
        if not np.isfinite(loss):
            self._stop_on(loss, f"the validation after epoch {self.current_epoch + 1}")
        accuracy, loss = right / count, loss / count
        self.log("val_loss", loss, prog_bar=True, logger=False)
        self.log("val_accuracy", accuracy, prog_bar=True, logger=False)
        # accuracy comes in steps of 1 / count; less than half a step of loss decides between equals
        self.log("selection", accuracy - float(np.tanh(loss)) / (2 * count), logger=False)
        train_loss, train_right, train_count = self.sums["train"].tolist()
        self.sums["train"].zero_()
        self.history.append(
            {
                "epoch": self.current_epoch + 1,
                "train_loss": train_loss / train_count,
                "train_accuracy": train_right / train_count,
                "val_loss": loss,
                "val_accuracy": accuracy,
                "lr": self.trainer.optimizers[0].param_groups[0]["lr"],
            }
        )

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Put the history into the checkpoint."""
        checkpoint["history"] = self.history

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take the history from the checkpoint."""
        self.history = list(checkpoint["history"])

    def _count(self, stage: str, loss: torch.Tensor, logits: torch.Tensor, targets: torch.Tensor) -> None:
        right = (logits.argmax(1) == targets).sum()
        self.sums[stage] += (
            torch.stack([loss * len(targets), right, torch.tensor(len(targets))]).detach().cpu().double()
        )

    def _stop_on(self, loss: Any, where: str) -> None:
        kept = Path(cast(str, self.trainer.default_root_dir)) / CHECKPOINTS / f"{LAST}.safetensors"
        state = f"the last finite checkpoint is {kept}" if kept.exists() else "there is no checkpoint yet"
        raise TrainingError(
            f"the loss is {float(loss)} at {where}; {state}; check the data, or start anew with a lower learning rate "
            f"(--overwrite --set lr={self.training_options.lr / 10:g})"
        )


def class_weights(training: Training, data: Prepared) -> torch.Tensor | None:
    """Return loss weights ``float32 [labels]`` whose mean over the training samples is 1, or None for equal ones."""
    counts = np.bincount(data.targets("train"), minlength=len(data.dataset.labels))
    unbalanced = counts.max() > IMBALANCE * counts.min()
    if training.class_weights == "none" or (training.class_weights == "auto" and not unbalanced):
        return None
    return torch.from_numpy((counts.sum() / (len(counts) * counts)).astype(np.float32))


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


class Patience(EarlyStopping):
    """Lightning's early stopping, which also stops a resumed run that had stopped already."""

    def on_train_start(self, trainer: lightning.Trainer, learner: lightning.LightningModule) -> None:
        """Stop before the first epoch if the patience was exhausted before."""
        trainer.should_stop = trainer.should_stop or self.wait_count >= self.patience


class SafeModelCheckpoint(ModelCheckpoint):
    """Lightning's choice of when to save, under the name that fits what `SafeCheckpoints` writes."""

    FILE_EXTENSION = ".safetensors"


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
                last = learner.history[-1]
                what += f", validation accuracy {last['val_accuracy']:.2%}, loss {last['val_loss']:.3f}"
            self.on_progress(what, trainer.global_step, int(trainer.estimated_stepping_batches))


def fit(
    network: nn.Module,
    groups: list[Group],
    training: Training,
    data: Prepared,
    seed: int,
    folder: Path,
    hardware: Hardware,
    resume: bool = False,
    on_progress: Progress = silent,
) -> list[dict[str, float]]:
    """Train a network in place; it ends with the weights of the best epoch.

    Args:
        network: Takes ``uint8 [batch, height, width, channels]``, gives logits ``[batch, labels]``.
        groups: What trains when.
        training: How.
        data: On what.
        seed: Decides order, augmentation and dropout.
        folder: The run folder; checkpoints go below it.
        hardware: Where.
        resume: Continue from the last complete checkpoint, if there is one.
        on_progress: Called with what is being done, how much is done, and how much there is.

    Returns:
        The figures of each epoch.

    Raises:
        TrainingError: If the loss stops being finite, or training was interrupted.
        OptionError: If the optimiser is unknown.
        DeviceError: If the device is not there.
    """
    _quieten()
    places = folder / CHECKPOINTS
    best = SafeModelCheckpoint(
        places, BEST, monitor="selection", mode="max", save_top_k=1, save_on_train_epoch_end=True,
        enable_version_counter=False, auto_insert_metric_name=False,
    )  # fmt: skip
    last = SafeModelCheckpoint(places, LAST, save_on_train_epoch_end=True, enable_version_counter=False)
    early = Patience("selection", mode="max", patience=training.patience, check_on_train_epoch_end=True)
    learner = Learner(network, groups, training, data, seed)
    checkpoint = places / f"{LAST}.safetensors"
    trainer = _trainer(training, hardware, folder, [Report(on_progress), early, best, last], partial=len(groups) > 1)
    interrupt = signal.getsignal(signal.SIGINT)
    try:
        trainer.fit(learner, ckpt_path=checkpoint if resume and checkpoint.exists() else None, weights_only=True)
    except (KeyboardInterrupt, SystemExit):  # Lightning makes the one from the other
        raise TrainingError(f"interrupted; continue with --resume --out {folder}") from None
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, interrupt)  # Lightning ignores it after the first
    state = SafeCheckpoints().load_checkpoint(places / f"{BEST}.safetensors")["state_dict"]
    prefix = "network."
    network.load_state_dict({k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)})
    network.cpu().eval()
    return learner.history


def _trainer(
    training: Training, hardware: Hardware, folder: Path, callbacks: list[Callback], partial: bool
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
            default_root_dir=folder, logger=False, enable_model_summary=False, num_sanity_val_steps=0,
            use_distributed_sampler=False, plugins=[SafeCheckpoints()],
            enable_progress_bar=False,
        )  # fmt: skip
    except Exception as problem:  # Lightning raises its own, torch's and built-in classes here
        raise DeviceError(f"can't train on {hardware.devices} x {accelerator}: {one_line(problem)}") from None


def check_optimizer(name: str) -> None:
    """Check that timm has an optimiser.

    Raises:
        OptionError: If it hasn't.
    """
    from timm.optim import list_optimizers

    if name.lower() not in list_optimizers():
        raise OptionError(unknown("optimizer", name, list_optimizers()))


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
