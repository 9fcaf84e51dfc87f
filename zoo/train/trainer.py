"""The one training path: any recipe, on Lightning, repeatable to the bit on one machine."""

from __future__ import annotations

import logging
import math
import signal
import threading
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import lightning
import torch
from lightning.pytorch.callbacks import Callback, ModelCheckpoint, WeightAveraging
from lightning.pytorch.callbacks import EarlyStopping as LightningEarlyStopping
from torch.optim.swa_utils import get_ema_multi_avg_fn

from runtime.errors import DeviceError, OptionError, TrainingError, ZooError, one_line, unknown
from runtime.humanize import figure
from runtime.progress import Progress, silent
from zoo.recipes import Group
from zoo.train.checkpoint import SafeCheckpoints, read_digest
from zoo.train.distributed import gathered, is_first_process, is_lost, lost
from zoo.train.learner import FitConfig, Learner
from zoo.train.preflight import check_logger
from zoo.train.run import CHECKPOINTS, LAST

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import nn

    from zoo.train.prepare import Prepared

BEST = "best"


class EarlyStopping(LightningEarlyStopping):
    """Lightning's early stopping, which also stops a resumed run that had stopped already."""

    @property
    def state_key(self) -> str:
        """The key of its state in checkpoints, in which earlier releases called it by another name."""
        return super().state_key.replace(type(self).__qualname__, "Patience", 1)

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


class SameStart(Callback):
    """Refuses to begin where processes would begin from different checkpoints, since each reads it for itself."""

    def __init__(self, checkpoint: Path | None) -> None:
        self.checkpoint = checkpoint

    def setup(self, trainer: lightning.Trainer, learner: lightning.LightningModule, stage: str) -> None:
        """Compare the checksums at the ends of the checkpoints of all processes."""
        if trainer.world_size > 1:
            digests = gathered(self.checkpoint and read_digest(self.checkpoint))
            if len(set(digests)) > 1:
                folder = trainer.default_root_dir
                raise TrainingError(f"{folder}: not every machine sees its checkpoint: put it on a disk that all share")


def fit(
    module: nn.Module,
    groups: list[Group],
    data: Prepared,
    config: FitConfig,
    callbacks: Sequence[Callback] = (),
    on_progress: Progress = silent,
) -> list[dict[str, float]]:
    """Train a network in place; it ends with the weights of the best epoch.

    Args:
        module: Takes ``[batch, *input.shape]`` as a device gives it, gives the output's tensors; in training
            perhaps a longer tuple of these and the tensors of auxiliary heads.
        groups: What trains when.
        data: The training and validation samples.
        config: How the network is trained, where, and in which folder.
        callbacks: Callbacks of Lightning, called besides ours.
        on_progress: Called with what is being done, how much is done, and how much there is.

    Returns:
        The figures of each epoch.

    Raises:
        TrainingError: If the loss stops being finite, or training was interrupted.
        OptionError: If the optimizer is unknown or refuses its settings.
        DeviceError: If the device is not there.
        MissingExtraError: If the logger's library is not installed.
    """
    _quieten()
    training, folder = config.training, config.folder
    checkpoints = folder / CHECKPOINTS
    best = BestCheckpoint(
        checkpoints, BEST, monitor="selection", mode="max", save_top_k=1, save_on_train_epoch_end=True,
        enable_version_counter=False, auto_insert_metric_name=False,
    )  # fmt: skip
    last = LastCheckpoint(checkpoints, LAST, save_on_train_epoch_end=True, enable_version_counter=False)
    early = EarlyStopping("selection", mode="max", patience=training.patience, check_on_train_epoch_end=True)
    # Lightning's own EMAWeightAveraging averages tensor by tensor, in three times the time
    averaged = get_ema_multi_avg_fn(training.ema)  # type: ignore[no-untyped-call]
    average = [WeightAveraging(multi_avg_fn=averaged)] if training.ema else []
    learner = Learner(module, groups, data, config)
    checkpoint = checkpoints / f"{LAST}.ckpt"
    start = checkpoint if config.resume and checkpoint.exists() else None
    ours = [Report(on_progress), SameStart(start), *average, *callbacks, early, best, last]
    trainer = _trainer(config, ours, partial=len(groups) > 1)
    interrupt = signal.getsignal(signal.SIGINT)
    try:
        trainer.fit(learner, ckpt_path=start, weights_only=True)
    except (KeyboardInterrupt, SystemExit):  # Lightning makes the one from the other
        raise TrainingError(f"interrupted; continue with --resume --out {folder}") from None
    except (
        Exception
    ) as problem:  # of another process that is gone, or of a checkpoint that is whole but of another network, or forged
        if trainer.world_size > 1 and is_lost(problem):
            raise lost(folder) from None
        if not config.resume or learner.epochs_here > 1 or isinstance(problem, ZooError):
            raise
        raise TrainingError(f"{checkpoint}: the run can't be continued from it ({one_line(problem)})") from None
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, interrupt)  # Lightning ignores it after the first
    if is_first_process():  # the others may be on machines that don't see the folder
        _load_network(checkpoints / f"{BEST}.ckpt", module)
    module.cpu().eval()
    return learner.history


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


def _trainer(config: FitConfig, callbacks: list[Callback], partial: bool) -> lightning.Trainer:
    training, hardware, folder = config.training, config.hardware, config.folder
    logger = open_logger(config.logger, folder)
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


def _quieten() -> None:
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="lightning")
