"""What a recipe declares. A recipe is one module in `recipes/`; its file's name is its name.

The module's docstring says in its first line what the recipe is for, and it assigns a `Recipe` to ``RECIPE``.
One training path runs them all.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import pkgutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from runtime.bundle import Origin
from runtime.errors import OptionError, unknown
from runtime.preprocess import Step, image_steps

if TYPE_CHECKING:
    from torch import nn

    from zoo.dataset import Dataset

Augmentation = Literal["shift", "flip", "crop", "colour"]


@dataclass(frozen=True)
class Training:
    """How any recipe is trained."""

    epochs: int = 20
    """How many times the training samples are gone through, at most."""
    batch_size: int = 64
    """Samples in one step."""
    lr: float = 2e-3
    """Highest learning rate of the one-cycle schedule."""
    optimizer: str = "adamw"
    """An optimiser by timm's name: sgd, adam, adamw, nadam, lamb and others."""
    weight_decay: float = 0.01
    """Decoupled weight decay; biases and normalisation layers are left out."""
    label_smoothing: float = 0.0
    """Share of each target spread over all labels."""
    class_weights: Literal["auto", "none", "balanced"] = "auto"
    """Weigh the loss by how rare a class is; auto does so when the largest class has 1.5 times the smallest."""
    augment: tuple[Augmentation, ...] = ()
    """Random changes of training images: shift (move, turn, scale a little), flip, crop, colour."""
    patience: int = 10
    """Stop after so many epochs without a better validation accuracy."""
    precision: Literal["auto", "32", "16", "bf16"] = "auto"
    """Arithmetic of training; auto is mixed precision on CUDA devices and 32 bits elsewhere."""
    workers: int = 0
    """Processes that prepare batches beside the training process."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        for name, low in (("epochs", 1), ("batch_size", 1), ("patience", 1), ("workers", 0)):
            if getattr(self, name) < low:
                raise ValueError(f"{name} must be at least {low}, got {getattr(self, name)}")
        if not 0 < self.lr < 100 or self.weight_decay < 0:
            raise ValueError(f"lr must be above 0 and weight_decay not below, got {self.lr} and {self.weight_decay}")
        if not 0 <= self.label_smoothing < 1:
            raise ValueError(f"label_smoothing must be at least 0 and below 1, got {self.label_smoothing}")


@dataclass(frozen=True)
class Group:
    """Parts of a network that train together.

    Args:
        modules: The parts, with all that is inside them; what several groups name belongs to the first.
        lr_scale: Times the learning rate.
        start: The share of all epochs after which they start to train, 0 to 1; they are frozen until then. 1 keeps
            them frozen throughout.
    """

    modules: Sequence[nn.Module]
    lr_scale: float = 1.0
    start: float = 0.0


def square_or_native(options: Any, dataset: Dataset) -> tuple[Step, ...]:
    """Return steps to the option `size`, or, where that is 0, to the data's own size; the mode is the data's own.

    Raises:
        OptionError: If neither gives a size, or the size is out of range.
    """
    size = (options.size, options.size) if options.size else dataset.size
    if size is None:
        raise OptionError(f"the images of {dataset.name!r} have no common size: add --set size=64, or another size")
    try:
        return image_steps(size, dataset.mode, ground=dataset.ground)
    except ValueError as problem:
        raise OptionError(f"size: {problem}") from None


def one_group(options: Any, module: nn.Module) -> list[Group]:
    """Train everything from the first epoch."""
    return [Group([module])]


def no_weights(options: Any, module: nn.Module) -> Origin | None:
    """Start from random weights."""
    return None


@dataclass(frozen=True)
class Recipe:
    """A network and how it is trained.

    Args:
        options: A frozen dataclass with defaults and a docstring under each field.
        build: ``(options, (height, width, channels), classes) -> module`` from raw pixels ``[batch, height, width,
            channels]`` to logits ``[batch, classes]``, with random weights.
        data: The data set it trains on unless told otherwise; None where it must be told.
        training: Its defaults for `Training`.
        geometry: ``(options, dataset) -> steps`` from an image file to the input; the default wants an option `size`.
        pretrain: ``(options, module) -> origin``: load pretrained weights into the module in place.
        groups: ``(options, module) -> groups``: what trains when, and how fast.
    """

    options: type
    build: Callable[[Any, tuple[int, int, int], int], nn.Module]
    data: str | None = "digits"
    training: Training = field(default_factory=Training)
    geometry: Callable[[Any, Dataset], tuple[Step, ...]] = square_or_native
    pretrain: Callable[[Any, nn.Module], Origin | None] = no_weights
    groups: Callable[[Any, nn.Module], list[Group]] = one_group


def descriptions(package: str) -> dict[str, str]:
    """Return the first docstring line of each module of a package, without importing any."""
    top, *below = package.split(".")
    spec = importlib.util.find_spec(top)
    assert spec and spec.submodule_search_locations  # noqa: S101  # our own packages
    folder = Path(spec.submodule_search_locations[0], *below)
    sources = {
        module.name: (folder / f"{module.name}.py").read_text("utf-8") for module in pkgutil.iter_modules([str(folder)])
    }
    return {name: (ast.get_docstring(ast.parse(text)) or "").partition("\n")[0] for name, text in sources.items()}


def recipe(name: str) -> Recipe:
    """Return a recipe by its name.

    Raises:
        OptionError: If there is none of that name.
    """
    known = descriptions("zoo.recipes")
    if name not in known:
        raise OptionError(unknown("recipe", name, known))
    found = importlib.import_module(f"zoo.recipes.{name}").RECIPE
    assert isinstance(found, Recipe)  # noqa: S101  # what every module in the folder assigns
    return found
