"""Checks of a training before PyTorch is loaded and any work is done: names, values, folders, libraries."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path

from runtime.errors import MissingExtraError, OptionError, unknown
from zoo.tasks import task
from zoo.train import folders
from zoo.train.config import ResolvedConfig, TrainConfig, resolve
from zoo.train.distributed import check_processes, is_first_process

DEVICES = ("auto", "cpu", "cuda", "mps")
LOGGERS = {"none": "", "csv": "", "tensorboard": "tensorboard", "wandb": "wandb"}
"""Each logger, and the library that it needs besides Lightning."""
AUTO = "auto"
MOST_FOLDS = 100
TRAINING = ("torch", "lightning", "timm", "torchmetrics", "safetensors", "matplotlib")
"""The libraries that every training needs."""


def check_training(asked: TrainConfig, folds: int | None = None, trials: int | None = None) -> ResolvedConfig:
    """Refuse a training that can't begin, or whose results would have no place.

    Args:
        asked: The training.
        folds: How many folds; None for a single run.
        trials: How many trials go before; None for no search.

    Returns:
        The training with its names looked up.

    Raises:
        OptionError: If a name is unknown or a value out of range, or options don't go together.
        DataError: If there is no data.
        OutputError: If a folder is taken or can't be written.
        MissingExtraError: If a library is not installed.
    """
    check_libraries(TRAINING)
    config = resolve(asked)
    config.source.check()
    if config.training.task != AUTO:
        task(config.training.task)
    if config.hardware.device not in DEVICES:
        raise OptionError(unknown("device", config.hardware.device, DEVICES))
    check_processes(config.hardware)
    check_logger(asked.logger)
    if trials is not None:
        if asked.resume:
            raise OptionError("--tune starts a new run, so --resume has nothing to go on with: leave one of them out")
        check_search_library()
    check_folders(config, folds, trials)
    return config


def check_folders(config: ResolvedConfig, folds: int | None, trials: int | None) -> None:
    """Refuse folders of a training that are taken or can't be written; see `check_training`."""
    asked = config.asked
    if folds is not None:
        check_folds(folds)
        folder = Path(asked.out) if asked.out else folders.folds_folder(asked.recipe, config.data)
        for number in range(1, folds + 1):
            folders.check_run(folders.fold_folder(folder, number), asked.resume, asked.overwrite)
        return
    if is_first_process():  # the others would meet what it has begun to write
        folders.check_run(config.folder, asked.resume, asked.overwrite)
    if trials is not None:
        folders.check_search(folders.tuning_folder(config.folder), asked.overwrite)


def check_logger(name: str) -> None:
    """Refuse a logger that there is not.

    Raises:
        OptionError: If there is none of that name.
        MissingExtraError: If its library is not installed.
    """
    if name not in LOGGERS:
        raise OptionError(unknown("logger", name, LOGGERS))
    if LOGGERS[name] and find_spec(LOGGERS[name]) is None:
        raise MissingExtraError(f"logger {name!r}", name)


def check_libraries(names: Iterable[str]) -> None:
    """Refuse to begin without libraries.

    Raises:
        MissingExtraError: If one is not installed.
    """
    for name in names:
        if find_spec(name) is None:
            raise MissingExtraError(name, "train,export")


def check_search_library() -> None:
    """Refuse a search without the library that does it.

    Raises:
        MissingExtraError: If it is not installed.
    """
    if find_spec("optuna") is None:
        raise MissingExtraError("Optuna", "tune")


def check_folds(folds: int) -> None:
    """Refuse a number of folds that makes no sense.

    Raises:
        OptionError: If it is one.
    """
    if not 2 <= folds <= MOST_FOLDS:
        raise OptionError(f"folds must be 2 to {MOST_FOLDS}, got {folds}")
