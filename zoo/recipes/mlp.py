"""Perceptron: flattened pixels through hidden layers; the smallest and fastest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from zoo.recipe import Recipe, Training

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Options:
    """The network's shape."""

    hidden: tuple[int, ...] = (128, 64)
    """Units of each hidden layer."""
    dropout: float = 0.2
    """Share of units dropped after each hidden layer in training."""

    size: int = 0
    """Height and width of the input in pixels; 0 keeps the data's own."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        if not all(units > 0 for units in self.hidden) or not 0 <= self.dropout < 1:
            raise ValueError(f"hidden units must be above 0 and dropout 0 to 1, got {self.hidden} and {self.dropout}")


def build(options: Options, shape: tuple[int, int, int], classes: int) -> nn.Module:
    """Return the network; see `zoo.recipe.Recipe`."""
    from torch import nn

    from export import FromPixels

    height, width, channels = shape
    layers: list[nn.Module] = [nn.Flatten()]
    units = height * width * channels
    for hidden in options.hidden:
        layers += [nn.Linear(units, hidden), nn.ReLU(), nn.Dropout(options.dropout)]
        units = hidden
    return FromPixels(nn.Sequential(*layers, nn.Linear(units, classes)), [0.5] * channels, [0.5] * channels)


RECIPE = Recipe(Options, build, training=Training(epochs=30, lr=3e-3))
