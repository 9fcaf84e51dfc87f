"""VGG: nothing but 3x3 convolutions and pooling, with batch normalization; large, but every chip runs it well."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from zoo.recipes import Recipe, Training

if TYPE_CHECKING:
    from torch import nn

BLOCKS = {8: (2, 2, 2), 11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}
"""Convolutions of each block; a block ends in pooling."""
WIDTHS = (64, 128, 256, 512, 512)


@dataclass(frozen=True)
class Options:
    """The network's shape."""

    depth: int = 8
    """Layers with weights: 11, 13, 16 or 19 as in the paper (Simonyan and Zisserman, 2015), or 8, for small images."""
    width: float = 1.0
    """Times the channels: the paper's are 64 to 512; depth 8 has half of them."""
    hidden: tuple[int, ...] = (256,)
    """Units of each hidden layer in the head; the paper's are 4096 and 4096."""
    dropout: float = 0.4
    """Share of units dropped after each hidden layer in training."""
    size: int = 0
    """Height and width of the input in pixels; 0 keeps the data's own."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        if self.depth not in BLOCKS or not 1 / 16 <= self.width <= 4:
            raise ValueError(f"depth must be 8, 11, 13, 16 or 19 and width 1/16 to 4, got {self.depth}, {self.width}")
        if not all(units > 0 for units in self.hidden) or not 0 <= self.dropout < 1:
            raise ValueError(f"hidden units must be above 0 and dropout 0 to 1, got {self.hidden} and {self.dropout}")


def build(options: Options, shape: tuple[int, int, int], outputs: int) -> nn.Module:
    """Return the network; see `zoo.recipes.Recipe`. Depth 8 pools only while 2 pixels are left of either side.

    Raises:
        OptionError: If a deeper one shrinks the image to nothing.
    """
    from math import prod

    from torch import nn

    from zoo.recipes._layers import convolution, dense, shape_after

    small = options.depth == 8
    layers: list[nn.Module] = []
    channels, side = shape[0], min(shape[1:])
    for count, full in zip(BLOCKS[options.depth], WIDTHS, strict=False):
        width = round(full * options.width / (2 if small else 1))
        for _ in range(count):
            layers += convolution(channels, width)
            channels = width
        if side >= 4 or not small:
            layers.append(nn.MaxPool2d(2))
            side //= 2
    body = nn.Sequential(*layers)
    units = [prod(shape_after(body, shape, f"depth={options.depth}")), *options.hidden]
    return nn.Sequential(*body, nn.Flatten(), *dense(units, dropout=options.dropout), nn.Linear(units[-1], outputs))


RECIPE = Recipe(
    Options,
    build,
    training=Training(batch_size=128, epochs=12, lr=3e-3, label_smoothing=0.05, augment=("shift",)),
    search={"lr": (5e-4, 1e-2), "width": [0.5, 0.75, 1.0], "dropout": [0.2, 0.4, 0.6]},
)
