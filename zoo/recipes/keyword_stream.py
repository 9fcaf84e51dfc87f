"""Causal convolutions over features of audio, a hop at a time: keywords in a stream, at a fraction of the work."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from runtime.audio.listening import Listening
from zoo.recipes import Recipe, Training
from zoo.recipes._features import Bands, Features, Framing
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
class Options:
    """The features and the network's shape."""

    features: Features = "mfcc"
    """What the network takes of a frame: log-mel, the logarithms of the energies of mel bands, or mfcc, a few
    coefficients of them. pcen needs whole clips."""
    window: float = 0.03
    """Seconds of a frame; at most two hops."""
    hop: float = 0.02
    """Seconds of a step."""
    bands: int = 40
    """Mel bands."""
    low: float = 20.0
    """Where the first band begins, in Hz."""
    high: float = 0.0
    """Where the last band ends, in Hz; 0 is half the rate."""
    coefficients: int = 10
    """Coefficients of a frame where features is mfcc."""
    widths: tuple[int, ...] = (96, 96, 96, 96)
    """Channels of each layer."""
    kernels: tuple[int, ...] = (9, 9, 9, 9)
    """Frames that each layer sees."""
    dilations: tuple[int, ...] = (1, 1, 2, 2)
    """Frames from one of them to the next, of each layer."""
    dropout: float = 0.2
    """Share of channels dropped before the last layer in training."""
    mask: float = 0.1
    """The most frames, or features, that training hides at once, as a share of all (SpecAugment); 0 hides none."""
    rate: int = 0
    """Samples per second that the network takes; 0 keeps the data's own."""
    seconds: float = 0.0
    """Length of a training clip; 0 keeps the data's own."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        counts = (*self.widths, *self.kernels, *self.dilations, self.bands, self.coefficients)
        if not self.widths or min(counts) < 1 or not 0 <= self.dropout < 1 or not 0 <= self.mask < 1:
            raise ValueError(f"numbers must be above 0, dropout and mask at least 0 and below 1, got {self}")
        if not len(self.widths) == len(self.kernels) == len(self.dilations):
            raise ValueError(f"widths, kernels and dilations must have a number for each layer, got {self}")
        if not 0.001 <= self.hop <= self.window <= min(1, 2 * self.hop):
            raise ValueError(f"hop must be at least 0.001 s and window one to two hops, got {self}")
        if self.features == "pcen":
            raise ValueError("pcen looks at whole clips: choose features=log-mel or mfcc")


def stream(options: Any, dataset: Dataset) -> AudioInput:
    """Take recordings hop by hop; see `zoo.recipes._inputs.audio`.

    A clip has at least the frames that the network sees: in a stream there is always something before a word.
    """
    clip = audio(options, dataset)
    hop = Framing(clip.rate, options.window, options.hop).hop_samples
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

    return StreamingNetwork(
        Framing(shape[0], options.window, options.hop),
        Bands(options.bands, options.low, options.high),
        options,
        outputs,
    )


RECIPE = Recipe(
    Options,
    build,
    data="tones",
    training=Training(
        batch_size=16, epochs=40, lr=5e-3, label_smoothing=0.05, outliers=0.3,
        augment=("speed", "shift", "filter", "gain", "noise"),
    ),
    input=stream,
    listening=listen,
    search={
        "lr": (1e-3, 2e-2), "widths": [(width,) * 4 for width in (64, 96, 128)], "dropout": [0.1, 0.2, 0.4],
        "mask": [0.0, 0.1, 0.2],
    },
)  # fmt: skip
