"""Causal convolutions over features of audio, a hop at a time: keywords in a stream, at a fraction of the work."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from runtime.audio.listening import Listening
from zoo.recipes import Recipe
from zoo.recipes._audio import TRAINING, AudioOptions
from zoo.recipes._inputs import audio
from zoo.recipes._listening import windows

if TYPE_CHECKING:
    from torch import nn

    from runtime.inputs import AudioInput
    from runtime.tasks import Output
    from zoo.data import Dataset

SMOOTHING, THRESHOLD = 0.3, 0.55
"""Seconds of a stream whose scores are averaged, and the average from which on a label is heard (docs/log.md)."""


@dataclass(frozen=True)
class Options(AudioOptions):
    """The features and the network's shape."""

    widths: tuple[int, ...] = (96, 96, 96, 96)
    """Channels of each layer."""
    kernels: tuple[int, ...] = (9, 9, 9, 9)
    """Frames that each layer sees."""
    dilations: tuple[int, ...] = (1, 1, 2, 2)
    """Frames from one of them to the next, of each layer."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        super().__post_init__()
        if not self.widths or min((*self.widths, *self.kernels, *self.dilations)) < 1:
            raise ValueError(f"widths, kernels and dilations must be above 0, got {self}")
        if not len(self.widths) == len(self.kernels) == len(self.dilations):
            raise ValueError(f"widths, kernels and dilations must have a number for each layer, got {self}")
        if self.window > 2 * self.hop:
            raise ValueError(f"window must be one to two hops, got {self}")
        if self.features == "pcen":
            raise ValueError("pcen looks at whole clips: choose features=log-mel or mfcc")


def stream(options: Any, dataset: Dataset) -> AudioInput:
    """Take recordings hop by hop; see `zoo.recipes._inputs.audio`.

    A clip has at least the frames that the network sees: in a stream there is always something before a word.
    """
    clip = audio(options, dataset)
    hop = options.framing(clip.rate).hop_samples
    seen = 1 + sum((kernel - 1) * step for kernel, step in zip(options.kernels, options.dilations, strict=True))
    return replace(clip, samples=max(-(-clip.samples // hop), seen) * hop, hop=hop)


def listen(options: Any, dataset: Dataset, input_spec: AudioInput, output: Output) -> Listening | None:
    """Look at the stream after each hop; a training clip has its word in the middle."""
    rules = windows(options, dataset, input_spec, output)
    smoothing = max(1, round(SMOOTHING / options.hop))
    return rules and replace(rules, step=input_spec.hop, smoothing=smoothing, threshold=THRESHOLD)


def build(options: Options, shape: tuple[int, int], outputs: int) -> nn.Module:
    """Return the network; see `zoo.recipes.Recipe`."""
    from zoo.recipes._streaming_network import StreamingNetwork

    return StreamingNetwork(options.framing(shape[0]), options.mel_bands, options, outputs)


RECIPE = Recipe(
    Options,
    build,
    data="tones",
    training=TRAINING,
    input=stream,
    listening=listen,
    search={
        "lr": (1e-3, 2e-2), "widths": [(width,) * 4 for width in (64, 96, 128)], "dropout": [0.1, 0.2, 0.4],
        "mask": [0.0, 0.1, 0.2],
    },
)  # fmt: skip
