"""Depthwise separable convolutions over features of audio (DS-CNN): the first choice for keywords and short sounds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from zoo.recipes import Recipe
from zoo.recipes._audio import TRAINING, AudioOptions
from zoo.recipes._inputs import audio
from zoo.recipes._listening import windows

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Options(AudioOptions):
    """The features and the network's shape; the defaults are MLPerf Tiny's."""

    widths: tuple[int, ...] = (64, 64, 64, 64, 64)
    """Channels of the first convolution and of each separable one after it."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        super().__post_init__()
        if not self.widths or min(self.widths) < 1:
            raise ValueError(f"numbers must be above 0, and there must be a width, got {self}")


def build(options: Options, shape: tuple[int, int], outputs: int) -> nn.Module:
    """Return the network (Zhang et al., 2017: Hello Edge); see `zoo.recipes.Recipe`."""
    from itertools import pairwise

    from torch import nn

    from zoo.recipes._front_end import Mask, front_end
    from zoo.recipes._layers import convolution

    rate, samples = shape
    first, *_ = options.widths
    layers: list[nn.Module] = [
        front_end(samples, options.framing(rate), options.mel_bands, options.features, options.coefficients),
        Mask(options.mask),
        nn.Unflatten(1, (1, -1)),
        nn.Conv2d(1, first, (10, 4), 2, (5, 1), bias=False),
        nn.BatchNorm2d(first),
        nn.ReLU(),
    ]
    for inputs, width in pairwise(options.widths):
        layers += convolution(inputs, inputs, groups=inputs)
        layers += convolution(inputs, width, 1)
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(options.dropout), nn.Linear(options.widths[-1], outputs)]
    return nn.Sequential(*layers, *head)


RECIPE = Recipe(
    Options,
    build,
    data="tones",
    training=TRAINING,
    input=audio,
    listening=windows,
    search={"lr": (1e-3, 2e-2), "features": ["log-mel", "mfcc"], "dropout": [0.1, 0.2, 0.4], "mask": [0.0, 0.1, 0.2]},
)
