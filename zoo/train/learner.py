"""The work of training in each batch and epoch, whatever the task.

Every random choice follows from the seed, the epoch and the step, not from what was drawn before, so a run that
was killed and resumed gives the weights of one that was not.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import lightning
import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, DistributedSampler
from torchvision.transforms import v2

from runtime.errors import TrainingError, one_line
from runtime.tensors import combine, concatenate, map_tensors, select
from zoo.measure.scores import batch_size, raw_outputs
from zoo.recipes import Group, Training
from zoo.tasks import Task, selection
from zoo.tasks._classes import UNSURE
from zoo.train.augment import augmenter
from zoo.train.config import Hardware
from zoo.train.distributed import gathered
from zoo.train.optimizers import make_optimizer, parameter_groups, rescaled, schedule, set_active
from zoo.train.run import CHECKPOINTS, LAST

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray
    from torch import nn

    from runtime.tasks import Output
    from runtime.tensors import Tensors
    from zoo.train.augment import Augment
    from zoo.train.prepare import Prepared

AUXILIARY = 0.3


@dataclass(frozen=True)
class FitConfig:
    """How a network is trained, where, and in which folder.

    Args:
        task: The task.
        output: The task's output.
        training: How the network is trained.
        folder: The run folder; checkpoints go below it.
        seed: Decides order, augmentation and dropout.
        hardware: Where to train.
        resume: Continue from the last complete checkpoint, if there is one.
        logger: One of `zoo.train.preflight.LOGGERS`, which also gets the figures of each step.
    """

    task: Task
    output: Output
    training: Training
    folder: Path
    seed: int = 0
    hardware: Hardware = field(default_factory=Hardware)
    resume: bool = False
    logger: str = "none"


class EpochSampler(DistributedSampler[Any]):
    """Gives (epoch, index) pairs, so that augmentation can follow from them; the order follows from the seed."""

    def __iter__(self) -> Iterator[tuple[int, int]]:
        """Return this process's share of the epoch."""
        return ((self.epoch, index) for index in super().__iter__())


class TrainingExamples(Dataset[tuple[torch.Tensor, torch.Tensor]]):
    """Inputs ``[*input.shape]``, augmented, with their targets."""

    def __init__(self, inputs: NDArray[Any], targets: NDArray[Any], augment: Augment | None, seed: int):
        self.inputs, self.targets, self.augment, self.seed = inputs, targets, augment, seed

    def __len__(self) -> int:
        """Return the number of examples."""
        return len(self.targets)

    def __getitem__(self, key: tuple[int, int]) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the example of an (epoch, index) pair."""
        epoch, index = key
        if self.augment is None:
            return torch.from_numpy(np.array(self.inputs[index])), torch.as_tensor(self.targets[index])
        torch.default_generator.manual_seed(_mixed(self.seed, epoch, index))
        values, target = self.augment(self.inputs, self.targets, index, epoch)
        return torch.from_numpy(values), torch.as_tensor(target)


def mixing(training: Training, labels: int) -> v2.Transform | None:
    """Return mixup, cutmix, or one of the two at random for each batch; None where the options ask for neither."""
    kinds = {v2.MixUp: training.mixup, v2.CutMix: training.cutmix}
    chosen = [kind(alpha=alpha, num_classes=labels) for kind, alpha in kinds.items() if alpha]
    return v2.RandomChoice(chosen) if len(chosen) > 1 else chosen[0] if chosen else None


class Learner(lightning.LightningModule):
    """Loss, optimizer, schedule and validation metric of any task."""

    def __init__(self, module: nn.Module, groups: list[Group], data: Prepared, config: FitConfig) -> None:
        super().__init__()
        self.network, self.groups, self.data = module, groups, data
        self.output, self.options, self.seed = config.output, config.training, config.seed
        targets = data.targets("train")
        self.loss = config.task.loss(config.output, config.training, targets)
        self.metric, self.measure = selection(config.task, config.output, config.training, targets)
        self.by_metric = config.task.BY_METRIC
        self.measures_training = self.by_metric and not hasattr(config.task, "COSTLY_METRIC")
        self.mix = mixing(config.training, config.output.tensors[-1].sizes[-1] or 1)
        self.history: list[dict[str, float]] = []
        self.epochs_here = 0
        """Epochs that have begun in this process."""
        self.train_sums = np.zeros(3)
        self.answers: list[tuple[Tensors, NDArray[Any]]] = []

    # data

    def train_dataloader(self) -> DataLoader[Any]:
        """Return the training batches of this process."""
        options, inputs = self.options, self.data.inputs["train"]
        augment = augmenter(options, inputs, self.data.dataset.target, self.data.rate)
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
            examples, max(batch_size(inputs), self.options.batch_size), sampler=sampler,
            collate_fn=lambda rows: (
                torch.from_numpy(np.array(inputs[[i for i, _ in rows]])),
                torch.from_numpy(targets[[i for i, _ in rows]]),
            ),
        )  # fmt: skip

    # optimization

    def configure_optimizers(self) -> Any:
        """Return the optimizer over the groups, and the schedule."""
        optimizer = make_optimizer(parameter_groups(self.groups, self.options), self.options)
        lr_scheduler = schedule(self.options, optimizer, int(self.trainer.estimated_stepping_batches))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": lr_scheduler, "interval": "step"}}

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
        main, *auxiliary = raw_outputs(self.output, self._forward(inputs))
        loss: torch.Tensor = self.loss(main, wanted)
        for head in auxiliary:
            loss = loss + AUXILIARY * self.loss(head, wanted)
        value = float(loss.detach())
        if not math.isfinite(value):
            self._stop_on(value, f"step {self.global_step} (epoch {self.current_epoch + 1})")
        if self.options.outliers:
            main, targets = main[targets != UNSURE], targets[targets != UNSURE]
        measured = self.measures_training and len(targets)
        metric = self.measure(map_tensors(_plain, main), _plain(targets)) if measured else 0.0
        self.train_sums += np.array([value, metric, 1]) * len(targets)
        self.log("loss", value, prog_bar=True)
        return loss

    def validation_step(self, batch: Any, index: int) -> None:
        """Keep the answers."""
        inputs, targets = batch
        own, *_ = raw_outputs(self.output, self.network(inputs))
        self.answers.append((map_tensors(_plain, own), _plain(targets)))

    def on_validation_epoch_end(self) -> None:
        """Measure the answers of all processes, and keep the epoch's figures for the curves.

        Raises:
            TrainingError: If the validation loss is not finite: the last step broke the weights.
        """
        raw, targets = self._gathered()
        on_device = map_tensors(lambda array: torch.from_numpy(array).to(self.device), raw)
        loss = float(self.loss(on_device, torch.from_numpy(targets).to(self.device)))
        if not math.isfinite(loss):
            self._stop_on(loss, f"the validation after epoch {self.current_epoch + 1}")
        name, metric = self.metric, self.measure(raw, targets)
        train_loss, train_metric, count = self.train_sums
        self.train_sums[:] = 0
        row = {"epoch": self.current_epoch + 1, "train_loss": train_loss / count, "val_loss": loss}
        chosen = -loss
        if self.by_metric:
            row |= {f"train_{name}": train_metric / count} if self.measures_training else {}
            row[f"val_{name}"] = metric
            # a share comes in steps of 1 / count, a mean of shares in finer ones; less than half a step of loss decides
            # between equals
            step = 1 / (len(targets) * max(2, self.output.tensors[-1].sizes[-1] or 1))
            chosen = (metric if self.output.better == "max" else -metric) - math.tanh(loss) * step / 2
        row["lr"] = self.trainer.optimizers[0].param_groups[0]["lr"]
        self.log("selection", chosen, logger=False)
        self.log_dict({key: float(value) for key, value in row.items() if key != "epoch"})
        self.history.append({key: float(value) if key != "epoch" else value for key, value in row.items()})

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Put the history into the checkpoint, and how many steps the whole training has."""
        checkpoint["history"] = self.history
        checkpoint["steps"] = int(self.trainer.estimated_stepping_batches)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take the history from the checkpoint.

        On another number of processes the training has other steps: the schedule of the learning rate goes on at the
        same share of them.

        Raises:
            TrainingError: If it is none.
        """
        history = checkpoint.get("history")
        if not isinstance(history, list) or not all(map(_is_row, history)):
            raise TrainingError("the checkpoint holds no history of epochs")
        self.history = history
        before, now = checkpoint.get("steps"), int(self.trainer.estimated_stepping_batches)
        if before not in (None, now):
            try:
                checkpoint["lr_schedulers"] = [rescaled(each, now / before) for each in checkpoint["lr_schedulers"]]
            except (TypeError, ValueError, LookupError, ArithmeticError, AttributeError) as problem:
                raise TrainingError(f"the checkpoint holds no schedule of steps ({one_line(problem)})") from None

    def _gathered(self) -> tuple[Tensors, NDArray[Any]]:
        """Return the validation's outputs and targets, of all processes in the order of the samples."""
        outputs, wanted = zip(*self.answers, strict=True)
        raw, targets = concatenate(outputs), np.concatenate(wanted)
        self.answers.clear()
        if self.trainer.world_size == 1:
            return raw, targets
        shares = gathered((raw, targets))
        count = len(self.data.targets("validation"))  # the sampler repeats some samples to give all the same number
        raws, wants = zip(*shares, strict=True)
        return select(combine(_interleaved, raws), slice(count)), _interleaved(wants)[:count]

    def _forward(self, inputs: torch.Tensor) -> Any:
        """Run the network on a batch.

        Raises:
            TrainingError: If it normalizes batches, and this one has a single value for each channel.
        """
        try:
            return self.network(inputs)
        except ValueError as problem:
            if "more than 1 value per channel" not in str(problem):
                raise
            raise TrainingError(
                f"batches of {len(inputs)} are too small for this network's batch normalization, which needs more than "
                "one value for each channel: --set batch_size=2 or more, and at least 2 training samples a process"
            ) from None

    def _stop_on(self, loss: float, where: str) -> None:
        kept = Path(self.trainer.default_root_dir) / CHECKPOINTS / f"{LAST}.ckpt"
        state = f"the last finite checkpoint is {kept}" if kept.exists() else "there is no checkpoint yet"
        raise TrainingError(
            f"the loss is {loss} at {where}; {state}; check the data, or start anew with a lower learning rate "
            f"(--overwrite --set lr={self.options.lr / 10:g})"
        )


def _interleaved(shares: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """Return the samples that a distributed sampler has dealt out, in their order."""
    return np.stack(shares, 1).reshape(-1, *shares[0].shape[1:])


def _plain(tensor: Any) -> NDArray[Any]:
    values = tensor.detach().cpu()
    return np.asarray((values.float() if values.is_floating_point() else values).numpy())


def _is_row(row: Any) -> bool:
    return isinstance(row, dict) and all(isinstance(k, str) and isinstance(v, int | float) for k, v in row.items())


def _mixed(*numbers: int) -> int:
    return hash(numbers) & (2**63 - 1)
