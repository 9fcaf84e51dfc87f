"""Depthwise separable convolutions over features of audio (DS-CNN): the first choice for keywords and short sounds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from zoo.recipes import Recipe, Training
from zoo.recipes._features import Bands, Features, Framing
from zoo.recipes._inputs import audio
from zoo.recipes._listening import windows

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Options:
    """The features and the network's shape; the defaults are MLPerf Tiny's."""

    features: Features = "mfcc"
    """What the network takes of a frame: log-mel, the logarithms of the energies of mel bands; mfcc, a few coefficients
    of them; or pcen, energies relative to the band's own past."""
    window: float = 0.03
    """Seconds of a frame."""
    hop: float = 0.02
    """Seconds from the start of one frame to that of the next."""
    bands: int = 40
    """Mel bands."""
    low: float = 20.0
    """Where the first band begins, in Hz."""
    high: float = 0.0
    """Where the last band ends, in Hz; 0 is half the rate."""
    coefficients: int = 10
    """Coefficients of a frame where features is mfcc."""
    widths: tuple[int, ...] = (64, 64, 64, 64, 64)
    """Channels of the first convolution and of each separable one after it."""
    dropout: float = 0.2
    """Share of channels dropped before the last layer in training."""
    mask: float = 0.1
    """The most frames, or features, that training hides at once, as a share of all (SpecAugment); 0 hides none."""
    rate: int = 0
    """Samples per second that the network takes; 0 keeps the data's own."""
    seconds: float = 0.0
    """Length of a clip; 0 keeps the data's own."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        counts = (*self.widths, self.bands, self.coefficients)
        if not self.widths or min(counts) < 1 or not 0 <= self.dropout < 1 or not 0 <= self.mask < 1:
            raise ValueError(f"numbers must be above 0, dropout and mask at least 0 and below 1, got {self}")
        if not 0.001 <= self.hop <= self.window <= 1:
            raise ValueError(f"hop and window must be 0.001 to 1 s, hop no longer than window, got {self}")


def build(options: Options, shape: tuple[int, int], outputs: int) -> nn.Module:
    """Return the network (Zhang et al., 2017: Hello Edge); see `zoo.recipes.Recipe`."""
    from itertools import pairwise

    from torch import nn

    from zoo.recipes._front_end import Mask, front_end
    from zoo.recipes._layers import convolution

    rate, samples = shape
    first, *_ = options.widths
    layers: list[nn.Module] = [
        front_end(
            samples, Framing(rate, options.window, options.hop), Bands(options.bands, options.low, options.high),
            options.features, options.coefficients,
        ),
        Mask(options.mask),
        nn.Unflatten(1, (1, -1)),
        nn.Conv2d(1, first, (10, 4), 2, (5, 1), bias=False),
        nn.BatchNorm2d(first),
        nn.ReLU(),
    ]  # fmt: skip
    for inputs, width in pairwise(options.widths):
        layers += convolution(inputs, inputs, groups=inputs)
        layers += convolution(inputs, width, 1)
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(options.dropout), nn.Linear(options.widths[-1], outputs)]
    return nn.Sequential(*layers, *head)


RECIPE = Recipe(
    Options,
    build,
    data="tones",
    training=Training(
        batch_size=16, epochs=40, lr=5e-3, label_smoothing=0.05, outliers=0.3,
        augment=("speed", "shift", "filter", "gain", "noise"),
    ),
    input=audio,
    listening=windows,
    search={"lr": (1e-3, 2e-2), "features": ["log-mel", "mfcc"], "dropout": [0.1, 0.2, 0.4], "mask": [0.0, 0.1, 0.2]},
)  # fmt: skip
