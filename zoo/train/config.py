"""The configuration of a training: what is asked for, and the same with every name looked up and every option checked.

Commands and `zoo.train.pipeline.train` build a `TrainConfig`; `resolve` looks its names up once, and the result is
passed on. Nothing here needs PyTorch.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypedDict

from runtime.errors import OptionError
from zoo.data import DataSource, find_source
from zoo.options import apply, divide
from zoo.recipes import Recipe, Training, recipe
from zoo.train.folders import run_folder

MAX_SEED = 2**32 - 1


@dataclass(frozen=True)
class Hardware:
    """The device to train on, by Lightning's names; it decides the speed, not the result."""

    device: str = "auto"
    devices: int = 1
    nodes: int = 1


class TrainOptions(TypedDict, total=False):
    """The keyword arguments of `zoo.train.pipeline.train`: the fields of `TrainConfig` but the recipe."""

    data: str | None
    target: str | None
    drop: Sequence[str]
    settings: Mapping[str, Any] | None
    seed: int
    skip_bad: bool
    fold: tuple[int, int] | None
    out: str | os.PathLike[str] | None
    resume: bool
    overwrite: bool
    hardware: Hardware | None
    logger: str


@dataclass(frozen=True)
class TrainConfig:
    """A training as it is asked for, by names.

    Args:
        recipe: The recipe's name.
        data: ``name`` or ``name:path``; the recipe's own by default.
        target: The column, or columns with commas between them, to tell from the others, of data with columns.
        drop: Columns to leave out, of data with columns; each text names one, or several with commas between them.
        settings: Options of the recipe and of `zoo.recipes.Training`, by name.
        seed: Decides split, weights, order and augmentation.
        skip_bad: Leave out unreadable files instead of refusing the data.
        fold: ``(i, k)``: validate with the i-th of k parts, counted from 0, and train with the others.
        out: The run folder; `run_folder` by default.
        resume: Continue the run in `out` from its last complete checkpoint; a finished one stays as it is.
        overwrite: Replace a run that is in `out`.
        hardware: Where to train; None for the defaults of `Hardware`.
        logger: One of `zoo.train.preflight.LOGGERS`, which also gets the figures of each step.
    """

    recipe: str
    data: str | None = None
    target: str | None = None
    drop: Sequence[str] = ()
    settings: Mapping[str, Any] | None = None
    seed: int = 0
    skip_bad: bool = False
    fold: tuple[int, int] | None = None
    out: str | os.PathLike[str] | None = None
    resume: bool = False
    overwrite: bool = False
    hardware: Hardware | None = None
    logger: str = "none"


@dataclass(frozen=True)
class ResolvedConfig:
    """A training whose names have been looked up and whose options have been checked.

    Args:
        asked: The configuration as it was asked for.
        recipe: The recipe.
        options: The recipe's options, as its own dataclass.
        training: How the recipe is trained.
        data: The data set, ``name`` or ``name:path``.
        source: The data set's source, which loads it once.
    """

    asked: TrainConfig
    recipe: Recipe
    options: Any
    training: Training
    data: str
    source: DataSource

    @property
    def folder(self) -> Path:
        """The run folder."""
        return Path(self.asked.out) if self.asked.out else run_folder(self.asked.recipe, self.data)

    @property
    def hardware(self) -> Hardware:
        """The device to train on."""
        return self.asked.hardware or Hardware()

    def vary(self, **changes: Any) -> ResolvedConfig:
        """Return the training with other settings, or another fold or folder; its recipe and data stay.

        Raises:
            OptionError: If a setting is unknown or out of range.
        """
        asked = replace(self.asked, **changes)
        options, training = _options(self.recipe, asked)
        return replace(self, asked=asked, options=options, training=training)


def resolve(asked: TrainConfig) -> ResolvedConfig:
    """Look up the names of a training, and check its options; no data is read.

    Raises:
        OptionError: If a name is unknown, a value is out of range, or there is no data.
    """
    declared = recipe(asked.recipe)
    data = asked.data or declared.data
    if data is None:
        raise OptionError(f"{asked.recipe} needs data: --data folder:PATH, one folder per class")
    if not 0 <= asked.seed <= MAX_SEED:
        raise OptionError(f"seed must be 0 to {MAX_SEED}, got {asked.seed}")
    source = find_source(data, asked.seed, asked.target, asked.drop)
    options, training = _options(declared, asked)
    return ResolvedConfig(asked, declared, options, training, data, source)


def _options(declared: Recipe, asked: TrainConfig) -> tuple[Any, Training]:
    own, training = divide(asked.settings or {}, declared.options, Training)
    return (
        apply(declared.options(), own, f"options of {asked.recipe}"),
        apply(declared.training, training, "training options"),
    )
