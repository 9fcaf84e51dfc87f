"""MobileNet: each convolution split into one per channel and one per pixel; a tenth of the operations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from zoo.recipes import Recipe, Training

if TYPE_CHECKING:
    from torch import nn

LAYERS = (
    (32, 2), (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1),
)  # fmt: skip
"""Channels and stride of each layer; the first is a full convolution (Howard et al., 2017, table 1)."""
SMALLEST = 3
"""The least height and width that are left for the last layer."""


@dataclass(frozen=True)
class Options:
    """The network's shape."""

    width: float = 0.25
    """Times the paper's channels, 32 to 1024; 0.25 at 96 pixels is MLPerf Tiny's for visual wake words."""
    dropout: float = 0.0
    """Share of features dropped before the last layer in training."""
    size: int = 0
    """Height and width of the input in pixels; 0 keeps the data's own."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        if not 1 / 16 <= self.width <= 4 or not 0 <= self.dropout < 1:
            raise ValueError(f"width must be 1/16 to 4 and dropout 0 to 1, got {self.width} and {self.dropout}")


def build(options: Options, shape: tuple[int, int, int], outputs: int) -> nn.Module:
    """Return the network; see `zoo.recipes.Recipe`. Small images keep their size until `SMALLEST` allows the rest."""
    from torch import nn

    from zoo.recipes._layers import convolution

    strided = sum(stride == 2 for _, stride in LAYERS)
    kept = next((n for n in range(strided, 0, -1) if min(shape[1:]) >= SMALLEST * 2**n), 0)
    layers: list[nn.Module] = []
    channels, met = shape[0], 0
    for full, paper in LAYERS:
        met += paper == 2
        stride = paper if met > strided - kept else 1
        width = max(1, round(full * options.width))
        if layers:
            layers += convolution(channels, channels, stride=stride, groups=channels)
            layers += convolution(channels, width, 1)
        else:
            layers += convolution(channels, width, stride=stride)
        channels = width
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(options.dropout), nn.Linear(channels, outputs)]
    return nn.Sequential(*layers, *head)


RECIPE = Recipe(
    Options,
    build,
    training=Training(batch_size=64, epochs=20, lr=5e-3, label_smoothing=0.05, augment=("shift",)),
    search={"lr": (1e-3, 2e-2), "width": [0.25, 0.35, 0.5], "weight_decay": (1e-3, 1e-1)},
)
