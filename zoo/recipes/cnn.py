"""Convolution blocks with batch normalisation and pooling: the first choice for small images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from zoo.recipe import Recipe, Training

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Options:
    """The network's shape."""

    widths: tuple[int, ...] = (16, 32, 64)
    """Channels of each block; a block is two convolutions, and pooling that halves the image."""
    hidden: int = 128
    """Units of the hidden layer in the head."""
    dropout: float = 0.3
    """Share of units dropped before each layer of the head in training."""

    size: int = 0
    """Height and width of the input in pixels; 0 keeps the data's own."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        if not self.widths or not all(width > 0 for width in (*self.widths, self.hidden)) or not 0 <= self.dropout < 1:
            raise ValueError(f"widths and hidden must be above 0 and dropout 0 to 1, got {self}")


def build(options: Options, shape: tuple[int, int, int], classes: int) -> nn.Module:
    """Return the network; see `zoo.recipe.Recipe`.

    Raises:
        OptionError: If there are more poolings than the image has halves.
    """
    from torch import nn

    from export import FromPixels
    from runtime.errors import OptionError

    height, width, channels = shape
    halved = 2 ** len(options.widths)
    if min(height, width) < halved:
        raise OptionError(
            f"widths: {len(options.widths)} blocks halve a {width}x{height} image to nothing; give fewer widths"
        )
    layers: list[nn.Module] = []
    inputs = channels
    for outputs in options.widths:
        layers += [*_convolution(inputs, outputs), *_convolution(outputs, outputs), nn.MaxPool2d(2)]
        inputs = outputs
    units = inputs * (height // halved) * (width // halved)
    head = [
        nn.Flatten(),
        nn.Dropout(options.dropout),
        nn.Linear(units, options.hidden),
        nn.ReLU(),
        nn.Dropout(options.dropout),
        nn.Linear(options.hidden, classes),
    ]
    return FromPixels(nn.Sequential(*layers, *head), [0.5] * channels, [0.5] * channels)


def _convolution(inputs: int, outputs: int) -> list[nn.Module]:
    from torch import nn

    return [nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]


RECIPE = Recipe(Options, build, training=Training(batch_size=128, lr=6e-3, label_smoothing=0.05, augment=("shift",)))
