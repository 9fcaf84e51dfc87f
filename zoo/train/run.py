"""A run folder: the resolved configuration, checkpoints, weights, metrics and pictures of one training run."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runtime.atomic import write_file
from runtime.bundle import DataOrigin, Origin, check_pictures, read_file
from runtime.errors import IntegrityError, TrainingError
from runtime.schema import build, parse_json, to_json
from runtime.spec import ModelSpec
from zoo.options import apply
from zoo.recipes import Recipe, Training, recipe

if TYPE_CHECKING:
    from torch import nn

RUN = "run.json"
WEIGHTS = "model.safetensors"
METRICS = "metrics.json"
CHECKPOINTS = "checkpoints"
LAST = "last"
LOGS = "logs"
CURVES = "curves.png"
RUN_FORMAT = 2
MAX_TEXT = 64 * 2**20
MAX_PICTURE = 64 * 2**20
MAX_CHECKPOINT = 16 * 2**30
"""Limits of files in a run folder, in bytes."""
VERSIONS = ("edgezoo", "torch", "torchvision", "timm", "lightning", "numpy", "pillow")


@dataclass(frozen=True)
class ClassMetrics:
    """Of one class in a split: shares of 0 to 1, None where no sample decides them; boxes have average precision."""

    precision: float | None
    recall: float | None
    f1: float | None
    samples: int
    ap50: float | None = None
    ap: float | None = None


@dataclass(frozen=True)
class SplitMetrics:
    """Of one split: what `zoo.measure.scores.score` returns, with the loss among the metrics."""

    samples: int
    baseline: float
    metrics: dict[str, float]
    classes: dict[str, ClassMetrics] = field(default_factory=dict)
    confusion: tuple[tuple[int, ...], ...] = ()


@dataclass(frozen=True)
class ListeningMetrics:
    """What is heard in recordings composed of the validation split; see `zoo.measure.listening.ListeningScore`."""

    seconds: float
    words: int
    found: int
    missed: int
    recall: float | None
    false_alarms: int
    false_alarms_per_hour: float


@dataclass(frozen=True)
class Metrics:
    """The layout of metrics.json."""

    validation: SplitMetrics
    history: tuple[dict[str, float], ...]
    skipped: tuple[str, ...]
    pictures: tuple[str, ...]
    over_fitting: str | None
    test: SplitMetrics | None = None
    listening: ListeningMetrics | None = None

    def __post_init__(self) -> None:
        """Check the names of the pictures, which become paths."""
        check_pictures(self.pictures)


@dataclass(frozen=True)
class Run:
    """Everything that decides what a training run gives; run.json.

    Args:
        format: The version of this file's layout.
        recipe: The recipe's name.
        data: The data set, ``name`` or ``name:path``.
        target: The column that is told from the others, of data with columns.
        seed: Decides the split, the weights to start from, the order and the augmentation.
        skip_bad: Whether unreadable files were left out.
        fold: Which part of how many was the validation split, or None for the data's own split.
        options: The recipe's options, resolved.
        training: How it was trained, resolved.
        model: What the network takes and gives.
        origin: The data set's identity.
        weights: Where pretrained weights came from.
        versions: Of the libraries that decide the result.
        drop: The columns that were left out, of data with columns, as the option named them.
    """

    format: int
    recipe: str
    data: str
    target: str | None
    seed: int
    skip_bad: bool
    fold: tuple[int, int] | None
    options: dict[str, Any]
    training: Training
    model: ModelSpec
    origin: DataOrigin
    weights: Origin | None
    versions: dict[str, str]
    drop: tuple[str, ...] = ()

    def resolve(self) -> tuple[Recipe, Any]:
        """Return the recipe, and its options as its own dataclass."""
        declared = recipe(self.recipe)
        return declared, apply(declared.options(), self.options, f"options of {self.recipe}")

    def network(self) -> tuple[nn.Module, nn.Module]:
        """Build the network with random weights; see `zoo.train.network.build`."""
        from zoo.train.network import build

        return build(*self.resolve(), self.model)

    def write(self, folder: Path) -> None:
        """Write run.json."""
        write_file(folder / RUN, (to_json(self, indent=2) + "\n").encode())

    @classmethod
    def read(cls, folder: Path) -> Run:
        """Read run.json.

        Raises:
            TrainingError: If the folder holds no run, or a damaged one.
        """
        file = folder / RUN
        if not os.path.lexists(file):
            reason = f"it has no {RUN}" if folder.exists() else "no such folder"
            raise TrainingError(f"{folder}: not a training run ({reason}); zoo train makes one")
        text = read_part(file, MAX_TEXT)
        return build(cls, parse_json(text, str(file), TrainingError), str(file), TrainingError)


def read_part(path: Path, limit: int) -> bytes:
    """Return the content of a file in a run folder: a regular file of at most `limit` bytes, never a link.

    Raises:
        TrainingError: If it is anything else, or can't be read.
    """
    try:
        return read_file(path, limit)
    except IntegrityError as problem:
        raise TrainingError(str(problem)) from None


def versions() -> dict[str, str]:
    """Return the versions of the libraries that decide a result."""
    return {name: version(name) for name in VERSIONS}
