"""What can be refused of a training before PyTorch is loaded and any work is done: names, values, places, libraries."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from runtime.errors import MissingExtraError, OptionError, unknown
from zoo import folders
from zoo.data import check_source
from zoo.options import apply, divide
from zoo.recipes import Training, recipe
from zoo.tasks import task

DEVICES = ("auto", "cpu", "cuda", "mps")
LOGGERS = {"none": "", "csv": "", "tensorboard": "tensorboard", "wandb": "wandb"}
"""Each logger, and the library that it needs besides Lightning."""
AUTO = "auto"
MOST_FOLDS = 100
TRAINING = ("torch", "lightning", "timm", "torchmetrics", "safetensors", "matplotlib")
"""The libraries that every training needs."""


@dataclass(frozen=True)
class Place:
    """Where a training writes, and what it may do to what is there."""

    out: Path | None = None
    resume: bool = False
    overwrite: bool = False


@dataclass(frozen=True)
class Wish:
    """What `zoo train` is asked for.

    Args:
        recipe: The recipe's name.
        data: ``name`` or ``name:path``; None for the recipe's own.
        target: The column to tell from the others.
        settings: Options by name.
        device: Where to train.
        logger: Where figures go besides.
        folds: How many folds; None for a single run.
        trials: How many trials go before; None for no search.
    """

    recipe: str
    data: str | None = None
    target: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    device: str = AUTO
    logger: str = "none"
    folds: int | None = None
    trials: int | None = None


def check_training(wish: Wish, place: Place) -> None:
    """Refuse a training that can't begin, or whose results would have no place.

    Raises:
        OptionError: If a name is unknown or a value out of range, or options don't go together.
        DataError: If there is no data.
        OutputError: If a folder is taken or can't be written.
        MissingExtraError: If a library is not installed.
    """
    check_libraries(TRAINING)
    declared = recipe(wish.recipe)
    data = wish.data or declared.data
    if data is None:
        raise OptionError(f"{wish.recipe} needs data: --data folder:PATH, one folder per class")
    check_source(data, wish.target)
    own, training = divide(wish.settings, declared.options, Training)
    apply(declared.options(), own, f"options of {wish.recipe}")
    if (name := apply(declared.training, training, "training options").task) != AUTO:
        task(name)
    if wish.device not in DEVICES:
        raise OptionError(unknown("device", wish.device, DEVICES))
    check_logger(wish.logger)
    if wish.trials is not None:
        if place.resume:
            raise OptionError("--tune starts a new run, so --resume has nothing to go on with: leave one of them out")
        check_search_library()
    check_places(wish, data, place)


def check_places(wish: Wish, data: str, place: Place) -> None:
    """Refuse folders of a training that are taken or can't be written; see `check_training`."""
    if wish.folds is not None:
        check_folds(wish.folds)
        folder = place.out or folders.folds_folder(wish.recipe, data)
        for number in range(1, wish.folds + 1):
            folders.check_run(folders.fold_folder(folder, number), place.resume, place.overwrite)
        return
    folder = place.out or folders.run_folder(wish.recipe, data)
    if folders.is_first_process():  # the others would meet what it has begun to write
        folders.check_run(folder, place.resume, place.overwrite)
    if wish.trials is not None:
        folders.check_search(folders.tuning_folder(folder), place.overwrite)


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
