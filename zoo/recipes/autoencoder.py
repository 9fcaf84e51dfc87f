"""Autoencoder: learns what is normal, and tells anomalies by what it can't reproduce of them."""

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
    """The network's shape; the defaults are MLPerf Tiny's."""

    hidden: tuple[int, ...] = (128, 128, 128, 128)
    """Units of each layer before the bottleneck; behind it are the same in reverse."""
    bottleneck: int = 8
    """Numbers that everything must pass through."""
    activation: Activation = "relu"
    """Nonlinearity after each layer but the last."""
    batch_norm: bool = True
    """Normalize each layer over the batch."""
    size: int = 0
    """Height and width of images in pixels; 0 keeps the data's own."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        if min((*self.hidden, self.bottleneck)) < 1:
            raise ValueError(f"hidden and bottleneck must be above 0, got {self.hidden} and {self.bottleneck}")


def build(options: Options, shape: tuple[int, ...], outputs: int) -> nn.Module:
    """Return the network, which gives the flat input less its reproduction; see `zoo.recipes.Recipe`."""
    from math import prod

    from torch import nn

    from zoo.recipes._blocks import Remainder
    from zoo.recipes._layers import dense

    units = [prod(shape), *options.hidden, options.bottleneck, *reversed(options.hidden)]
    layers = dense(units, options.activation, batch_norm=options.batch_norm)
    return nn.Sequential(nn.Flatten(), Remainder(nn.Sequential(*layers, nn.Linear(units[-1], prod(shape)))))


RECIPE = Recipe(
    Options,
    build,
    training=Training(task="anomaly", epochs=40, lr=3e-3),
    input=images_or_tables,
    search={"lr": (5e-4, 1e-2), "hidden": [(64,), (128, 64), (128, 128, 128, 128)], "bottleneck": (2, 32)},
)
