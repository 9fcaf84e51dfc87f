"""Change the rate of samples by a windowed-sinc filter in polyphase form; whole recordings and streams alike.

The filter is that of ``torchaudio.functional.resample`` with the method ``sinc_interp_kaiser`` (J. O. Smith, Digital
Audio Resampling; Kaiser, 1974). All arithmetic is in float64.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from runtime.frozen_dataclass import frozen_dataclass
from runtime.schema import check_types

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_TAPS = 2**20
"""Coefficients of a filter up to which all phases are computed at once."""
MAX_ZEROS = 256
MIN_ROLLOFF = 0.5
"""A lower cutoff needs a longer filter, which memory bounds."""
BLOCK = 4096
"""How many samples are computed at a time."""


@frozen_dataclass
class Resampling:
    """The filter that changes the rate.

    Args:
        zeros: Zero crossings of the sinc on each side.
        rolloff: The cutoff as a share of the lower of the two Nyquist frequencies, 0.5 to 1.
        beta: The shape of the Kaiser window.
    """

    zeros: int = 24
    rolloff: float = 0.94
    beta: float = 10.0

    def __post_init__(self) -> None:
        """Check the types and ranges."""
        check_types(self)
        if not 1 <= self.zeros <= MAX_ZEROS or not MIN_ROLLOFF <= self.rolloff <= 1 or not 0 <= self.beta <= 100:
            raise ValueError(
                f"resampling needs zeros of 1 to {MAX_ZEROS}, rolloff of {MIN_ROLLOFF} to 1 and beta of 0 to 100, "
                f"got {self.zeros}, {self.rolloff} and {self.beta}"
            )


class Resampler:
    """Resamples a stream; the pieces in which it comes don't change the result.

    Args:
        source: The rate of what comes in, in Hz.
        target: The rate of what goes out, in Hz.
        resampling: The filter.
    """

    def __init__(self, source: int, target: int, resampling: Resampling) -> None:
        divisor = math.gcd(source, target)
        self.down, self.up = source // divisor, target // divisor
        self.filter = resampling
        self.cutoff = min(self.down, self.up) * resampling.rolloff
        self.half = math.ceil(resampling.zeros * self.down / self.cutoff)
        self.received = self.returned = 0
        # the samples from before the start are silence; `first` is the index of the first sample that is kept
        self.kept: NDArray[np.float64] = np.zeros(self.half - 1)
        self.first = 1 - self.half
        small = self.up * 2 * self.half <= MAX_TAPS
        self.phases = self._taps(np.arange(self.up)) if small and self.down != self.up else None

    def push(self, samples: NDArray[np.float64]) -> NDArray[np.float64]:
        """Take the next samples ``float64 [n]``; return those that can be computed by now, ``float64 [m]``."""
        if self.down == self.up:
            return samples
        self.received += len(samples)
        self.kept = np.concatenate([self.kept, samples])
        # the last tap of sample n is that of index floor(n * down / up) + half
        ready = max(0, -(-(self.received - self.half) * self.up // self.down))
        return self._until(ready)

    def flush(self) -> NDArray[np.float64]:
        """Return the samples that are left when the stream has ended; silence follows."""
        if self.down == self.up:
            return np.zeros(0)
        self.kept = np.concatenate([self.kept, np.zeros(self.half + 1)])
        return self._until(-(-self.received * self.up // self.down))

    def _until(self, end: int) -> NDArray[np.float64]:
        parts = []
        for start in range(self.returned, end, BLOCK):
            numbers = np.arange(start, min(start + BLOCK, end))
            positions, phases = np.divmod(numbers * self.down, self.up)
            taps = self.phases[phases] if self.phases is not None else self._taps(phases)
            windows = np.lib.stride_tricks.sliding_window_view(self.kept, 2 * self.half)
            parts.append(np.einsum("nk,nk->n", windows[positions - self.half + 1 - self.first], taps))
        self.returned = max(self.returned, end)
        following = self.returned * self.down // self.up - self.half + 1
        self.kept = self.kept[following - self.first :]
        self.first = following
        return np.concatenate(parts) if parts else np.zeros(0)

    def _taps(self, phases: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the coefficients of phases, ``float64 [len(phases), 2 * half]``."""
        offsets = np.arange(1 - self.half, self.half + 1) - phases[:, None] / self.up
        crossings = self.cutoff * offsets / self.down
        inside = np.maximum(0.0, 1 - (crossings / self.filter.zeros) ** 2)
        window = np.i0(self.filter.beta * np.sqrt(inside)) / np.i0(self.filter.beta)
        taps = self.cutoff / self.down * np.sinc(crossings) * window
        return np.asarray(np.where(inside > 0, taps, 0.0))
