"""GoogLeNet: Inception modules, which look at several scales at once; auxiliary heads help it to train."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from zoo.recipes import Recipe, Training

if TYPE_CHECKING:
    from torch import nn

# channels: of the 1x1 branch, before and after 3x3, before and after 5x5, after pooling (Szegedy et al., 2015, table 1)
MODULES = {
    "3a": (64, 96, 128, 16, 32, 32),
    "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64),
    "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128),
    "5a": (256, 160, 320, 32, 128, 128),
    "5b": (384, 192, 384, 48, 128, 128),
}
PARTS = (("3a", "3b", "4a"), ("4b", "4c", "4d"), ("4e", "5a", "5b"))
"""An auxiliary head stands after the first and the second."""
POOLED = ("4a", "5a")
"""Modules with pooling before them."""


@dataclass(frozen=True)
class Options:
    """The network's shape."""

    width: float = 0.25
    """Times the paper's channels."""
    stem: Literal["auto", "small", "large"] = "auto"
    """Layers before the first module: small halves each side, large leaves an eighth; auto is large from 96 pixels."""
    dropout: float = 0.4
    """Share of features dropped before the last layer in training."""
    size: int = 0
    """Height and width of the input in pixels; 0 keeps the data's own."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        if not 1 / 16 <= self.width <= 4 or not 0 <= self.dropout < 1:
            raise ValueError(f"width must be 1/16 to 4 and dropout 0 to 1, got {self.width} and {self.dropout}")


def build(options: Options, shape: tuple[int, int, int], outputs: int) -> nn.Module:
    """Return the network; see `zoo.recipes.Recipe`. In training it gives a tuple: the answer and those of two heads."""
    from torch import nn

    from zoo.recipes._blocks import Supervised
    from zoo.recipes._layers import convolution, dense

    def scaled(channels: int) -> int:
        return max(1, round(channels * options.width))

    large = options.stem == "large" or (options.stem == "auto" and min(shape[1:]) >= 96)

    def pooling() -> nn.Module:
        return nn.MaxPool2d(kernel_size=3, stride=2, padding=1)

    layers = [*convolution(shape[0], scaled(64), 7 if large else 3, stride=2 if large else 1), pooling()]
    layers += [*convolution(scaled(64), scaled(64), 1), *convolution(scaled(64), scaled(192))]
    layers += [pooling()] if large else []
    channels = scaled(192)
    parts: list[nn.Module] = []
    heads: list[nn.Module] = []
    for names in PARTS:
        for name in names:
            widths = tuple(map(scaled, MODULES[name]))
            layers += [pooling()] if name in POOLED else []
            layers.append(_inception(channels, *widths))
            channels = widths[0] + widths[2] + widths[4] + widths[5]
        parts.append(nn.Sequential(*layers))
        layers = []
        if len(heads) < len(PARTS) - 1:
            heads.append(
                nn.Sequential(
                    nn.AdaptiveAvgPool2d(4), *convolution(channels, scaled(128), 1), nn.Flatten(),
                    *dense([16 * scaled(128), scaled(1024)], dropout=0.7), nn.Linear(scaled(1024), outputs),
                )
            )  # fmt: skip
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(options.dropout), nn.Linear(channels, outputs)]
    return Supervised([*parts[:-1], nn.Sequential(parts[-1], *head)], heads)


def _inception(inputs: int, one: int, before3: int, three: int, before5: int, five: int, pooled: int) -> nn.Module:
    from torch import nn

    from zoo.recipes._blocks import Parallel
    from zoo.recipes._layers import convolution

    return Parallel(
        nn.Sequential(*convolution(inputs, one, 1)),
        nn.Sequential(*convolution(inputs, before3, 1), *convolution(before3, three)),
        nn.Sequential(*convolution(inputs, before5, 1), *convolution(before5, five, 5)),
        nn.Sequential(nn.MaxPool2d(3, stride=1, padding=1), *convolution(inputs, pooled, 1)),
    )


RECIPE = Recipe(
    Options,
    build,
    training=Training(batch_size=64, epochs=11, lr=4e-3, label_smoothing=0.05, augment=("shift",)),
    search={"lr": (5e-4, 1e-2), "width": [0.25, 0.35, 0.5], "dropout": [0.2, 0.4, 0.6]},
)
