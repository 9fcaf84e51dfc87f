"""The constants of audio features: how samples are cut into frames, and what mel bands weigh."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

Features = Literal["log-mel", "mfcc", "pcen"]


@dataclass(frozen=True)
class Framing:
    """How samples are cut into frames.

    Args:
        rate: Samples per second, in Hz.
        window: Seconds of a frame.
        hop: Seconds from the start of one frame to that of the next.
    """

    rate: int
    window: float = 0.03
    hop: float = 0.02

    @property
    def window_samples(self) -> int:
        """The samples of a frame."""
        return max(1, round(self.window * self.rate))

    @property
    def hop_samples(self) -> int:
        """The samples from the start of one frame to that of the next."""
        return max(1, round(self.hop * self.rate))

    @property
    def points(self) -> int:
        """The points of the transform: the next power of two, at least 4."""
        return max(4, 1 << (self.window_samples - 1).bit_length())

    def frames(self, samples: int) -> int:
        """Return how many whole frames there are in so many samples.

        Raises:
            ValueError: If there is none.
        """
        if samples < self.window_samples:
            raise ValueError(f"a frame has {self.window_samples} samples, the input has {samples}")
        return 1 + (samples - self.window_samples) // self.hop_samples


@dataclass(frozen=True)
class Bands:
    """Triangles of equal width on the mel scale of HTK, each from the middle of one neighbor to that of the other.

    Args:
        count: The number of bands.
        low: Where the first begins, in Hz.
        high: Where the last ends, in Hz; 0 stands for half the rate.
    """

    count: int = 40
    low: float = 20.0
    high: float = 0.0


def mel_weights(framing: Framing, bands: Bands) -> NDArray[np.float64]:
    """Return the weight of each bin in each band, ``float64 [bands, points / 2 + 1]`` (The HTK Book, 5.4).

    Raises:
        ValueError: If the frequencies don't rise from 0 to half the rate, or the bins are so wide that a band has none.
    """
    low, high = bands.low, bands.high or framing.rate / 2
    if not 0 <= low < high <= framing.rate / 2:
        raise ValueError(f"bands must rise from 0 to {framing.rate / 2:g} Hz at most, got {low:g} to {high:g} Hz")
    ends = 2595 * np.log10(1 + np.array([low, high]) / 700)
    mels = np.linspace(ends[0], ends[1], bands.count + 2)
    edges = 700 * (10 ** (mels / 2595) - 1)
    frequencies = np.arange(framing.points // 2 + 1) * framing.rate / framing.points
    rising = (frequencies - edges[:-2, None]) / np.diff(edges)[:-1, None]
    falling = (edges[2:, None] - frequencies) / np.diff(edges)[1:, None]
    weights: NDArray[np.float64] = np.maximum(0, np.minimum(rising, falling))
    empty = np.flatnonzero(weights.sum(axis=1) == 0)
    if len(empty):
        raise ValueError(
            f"{bands.count} bands are too many for a window of {framing.window:g} s: band {empty[0] + 1} is narrower "
            "than a bin; choose fewer bands, a longer window or a higher lowest frequency"
        )
    return weights
