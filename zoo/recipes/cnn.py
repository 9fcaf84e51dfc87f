"""Convolution blocks with batch normalization and pooling: the first choice for small images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from zoo.recipes import Recipe, Training
from zoo.recipes._layers import Activation, Padding

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Options:
    """The network's shape."""

    widths: tuple[int, ...] = (16, 32, 64)
    """Channels of each block; a block is some convolutions and pooling."""
    convolutions: int = 2
    """Convolutions of each block."""
    kernel: int = 3
    """Height and width of the convolutions."""
    stride: int = 1
    """Stride of each block's first convolution; 2 halves the image there, so that it needs no pooling."""
    padding: Padding = "same"
    """same keeps the size by zeros around the image, valid loses the border."""
    pooling: Literal["max", "average", "none"] = "max"
    """What halves the image after each block."""
    activation: Activation = "relu"
    """Nonlinearity after each convolution and hidden layer."""
    batch_norm: bool = True
    """Normalize after each convolution."""
    hidden: int = 128
    """Units of the hidden layer in the head."""
    dropout: float = 0.3
    """Share of units dropped before each layer of the head in training."""
    size: int = 0
    """Height and width of the input in pixels; 0 keeps the data's own."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        counts = (*self.widths, self.convolutions, self.kernel, self.stride, self.hidden)
        if not self.widths or min(counts) < 1 or not 0 <= self.dropout < 1:
            raise ValueError(f"numbers must be above 0 and dropout 0 to 1, got {self}")
        if self.padding == "same" and self.kernel % 2 == 0:
            raise ValueError(f"kernel must be odd where padding is same, got {self.kernel}")


def build(options: Options, shape: tuple[int, int, int], outputs: int) -> nn.Module:
    """Return the network; see `zoo.recipes.Recipe`.

    Raises:
        OptionError: If the blocks shrink the image to nothing.
    """
    from math import prod

    from torch import nn

    from zoo.recipes._layers import convolution, dense, shape_after

    layers: list[nn.Module] = []
    channels = shape[0]
    for width in options.widths:
        for i in range(options.convolutions):
            layers += convolution(
                channels, width, options.kernel, options.activation, stride=1 if i else options.stride,
                padding=options.padding, batch_norm=options.batch_norm,
            )  # fmt: skip
            channels = width
        if options.pooling != "none":
            layers.append(nn.MaxPool2d(2) if options.pooling == "max" else nn.AvgPool2d(2))
    body = nn.Sequential(*layers)
    units = prod(shape_after(body, shape, "widths, kernel, stride and pooling"))
    return nn.Sequential(
        *body,
        nn.Flatten(),
        nn.Dropout(options.dropout),
        *dense([units, options.hidden], options.activation, dropout=options.dropout),
        nn.Linear(options.hidden, outputs),
    )


RECIPE = Recipe(
    Options,
    build,
    training=Training(batch_size=128, lr=6e-3, label_smoothing=0.05, augment=("shift",)),
    search={"lr": (1e-3, 2e-2), "widths": [(16, 32), (16, 32, 64), (32, 64, 128)], "dropout": [0.1, 0.3, 0.5]},
)
