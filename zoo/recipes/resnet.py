"""Residual network: blocks with shortcuts; accurate, deep, and the smallest runs on microcontrollers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from zoo.recipes import Recipe, Training

if TYPE_CHECKING:
    from torch import nn

STACKS = {8: (1, 1, 1), 18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3)}
"""Blocks of each stack; the channels double from stack to stack."""
EXPANSION = 4
"""How many times its inner channels a bottleneck block gives."""


@dataclass(frozen=True)
class Options:
    """The network's shape."""

    depth: int = 8
    """Layers with weights: 18, 34 or 50 as in the paper (He et al., 2016), or 8 as in MLPerf Tiny."""
    width: int = 0
    """Channels of the first stack; 0 is 16 for depth 8 and 64 for the others."""
    stem: Literal["auto", "small", "large"] = "auto"
    """First layer: 3x3, or 7x7 with pooling, which leaves a quarter of either side; auto is large from 96 pixels."""
    dropout: float = 0.0
    """Share of features dropped before the last layer in training."""
    size: int = 0
    """Height and width of the input in pixels; 0 keeps the data's own."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        if self.depth not in STACKS or self.width < 0 or not 0 <= self.dropout < 1:
            raise ValueError(f"depth must be 8, 18, 34 or 50, width not below 0 and dropout 0 to 1, got {self}")


def build(options: Options, shape: tuple[int, int, int], outputs: int) -> nn.Module:
    """Return the network; see `zoo.recipes.Recipe`."""
    from torch import nn

    from zoo.recipes._layers import convolution

    width = options.width or (16 if options.depth == 8 else 64)
    large = options.stem == "large" or (options.stem == "auto" and min(shape[1:]) >= 96)
    layers = convolution(shape[0], width, 7, stride=2) if large else convolution(shape[0], width)
    layers += [nn.MaxPool2d(3, stride=2, padding=1)] if large else []
    channels = width
    for stack, blocks in enumerate(STACKS[options.depth]):
        for block in range(blocks):
            inner, stride = width * 2**stack, 2 if stack and not block else 1
            if options.depth == 50:
                out_channels = EXPANSION * inner
                body = [
                    *convolution(channels, inner, 1), *convolution(inner, inner, stride=stride),
                    *convolution(inner, out_channels, 1, None),
                ]  # fmt: skip
            else:
                out_channels = inner
                body = [*convolution(channels, inner, stride=stride), *convolution(inner, inner, activation=None)]
            layers.append(_residual(body, channels, out_channels, stride))
            channels = out_channels
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(options.dropout), nn.Linear(channels, outputs)]
    return nn.Sequential(*layers, *head)


def _residual(body: list[nn.Module], inputs: int, outputs: int, stride: int) -> nn.Module:
    """Return a block with its shortcut, which is a convolution where it can't be nothing."""
    from torch import nn

    from zoo.recipes._blocks import Sum
    from zoo.recipes._layers import convolution

    same = inputs == outputs and stride == 1
    shortcut = nn.Identity() if same else nn.Sequential(*convolution(inputs, outputs, 1, None, stride=stride))
    return nn.Sequential(Sum(nn.Sequential(*body), shortcut), nn.ReLU())


RECIPE = Recipe(
    Options,
    build,
    training=Training(batch_size=64, epochs=20, lr=5e-3, label_smoothing=0.05, augment=("shift",)),
    search={"lr": (1e-3, 2e-2), "width": [16, 24, 32], "weight_decay": (1e-3, 1e-1)},
)
