"""Perceptron: hidden layers beside a linear one; the smallest and fastest, for tables and small images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from zoo.recipes import Recipe, Training
from zoo.recipes._inputs import images_or_tables
from zoo.recipes._layers import Activation

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Options:
    """The network's shape."""

    hidden: tuple[int, ...] = (128,)
    """Units of each hidden layer."""
    activation: Activation = "relu"
    """Nonlinearity after each hidden layer."""
    batch_norm: bool = False
    """Normalize each hidden layer over the batch."""
    dropout: float = 0.5
    """Share of units dropped after each hidden layer in training."""
    linear: bool = True
    """Add a linear model of the inputs, so that the hidden layers learn only what it can't (Cheng et al., 2016)."""
    size: int = 0
    """Height and width of images in pixels; 0 keeps the data's own."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        if not all(units > 0 for units in self.hidden) or not 0 <= self.dropout < 1:
            raise ValueError(f"hidden units must be above 0 and dropout 0 to 1, got {self.hidden} and {self.dropout}")


def build(options: Options, shape: tuple[int, ...], outputs: int) -> nn.Module:
    """Return the network; see `zoo.recipes.Recipe`."""
    from math import prod

    from torch import nn

    from zoo.recipes._blocks import Sum
    from zoo.recipes._layers import dense

    units = [prod(shape), *options.hidden]
    layers = dense(units, options.activation, batch_norm=options.batch_norm, dropout=options.dropout)
    deep = nn.Sequential(*layers, nn.Linear(units[-1], outputs))
    wide = options.linear and options.hidden
    return nn.Sequential(nn.Flatten(), Sum(deep, nn.Linear(units[0], outputs)) if wide else deep)


RECIPE = Recipe(
    Options,
    build,
    training=Training(epochs=50, batch_size=32, lr=5e-3, weight_decay=0.1),
    input=images_or_tables,
    search={"lr": (5e-4, 2e-2), "hidden": [(32,), (128,), (128, 64), (512,)], "dropout": [0.1, 0.3, 0.5]},
)
