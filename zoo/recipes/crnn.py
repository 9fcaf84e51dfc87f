"""Convolutions, then a recurrent layer from left to right and back: reads lines of text of any length (CTC)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from zoo.recipes import Recipe, Training
from zoo.recipes._inputs import lines

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Options:
    """The network's shape."""

    widths: tuple[int, ...] = (16, 32, 48, 64)
    """Channels of each convolution; each halves the height, and the first two the width."""
    recurrent: Literal["lstm", "gru"] = "gru"
    """The recurrent layer."""
    hidden: int = 64
    """Units of the recurrent layer, in each direction."""
    dropout: float = 0.2
    """Share of features dropped before and after the recurrent layer in training."""
    height: int = 32
    """Height that lines are scaled to, in pixels."""
    width: int = 256
    """Width that lines are filled up to, in pixels; a quarter of it is the number of steps."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        if not self.widths or min((*self.widths, self.hidden, self.height, self.width)) < 1:
            raise ValueError(f"widths, hidden, height and width must be above 0, got {self}")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout must be 0 to 1, got {self.dropout}")


def build(options: Options, shape: tuple[int, int, int], outputs: int) -> nn.Module:
    """Return the network, which gives logits for each step; see `zoo.recipes.Recipe`.

    Raises:
        OptionError: If the convolutions shrink the line to nothing.
    """
    from torch import nn

    from zoo.recipes._blocks import Columns, EveryStep
    from zoo.recipes._layers import convolution, shape_after

    layers: list[nn.Module] = []
    channels = shape[0]
    for i, width in enumerate(options.widths):
        layers += [*convolution(channels, width), nn.MaxPool2d((2, 2 if i < 2 else 1))]
        channels = width
    body = nn.Sequential(*layers, Columns())
    _, features = shape_after(body, shape, "widths")
    kind = {"lstm": nn.LSTM, "gru": nn.GRU}[options.recurrent]
    return nn.Sequential(
        *body,
        nn.Dropout(options.dropout),
        EveryStep(kind(features, options.hidden, batch_first=True, bidirectional=True)),
        nn.Dropout(options.dropout),
        nn.Linear(2 * options.hidden, outputs),
    )


RECIPE = Recipe(
    Options,
    build,
    data="lines",
    training=Training(task="ctc", epochs=10, batch_size=64, lr=4e-3, clip=5.0),
    input=lines,
    precision="int8-dynamic",
    search={"lr": (1e-3, 1e-2), "hidden": [48, 64, 96], "dropout": [0.0, 0.2, 0.4]},
)
