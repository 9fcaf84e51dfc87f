"""What is kept of a tensor over all samples: sums and extremes, so that memory does not grow with their number."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Sums:
    """One tensor: PyTorch's values, the file's, and those that its layer makes of PyTorch's."""

    def __init__(self) -> None:
        self._count = 0
        self._signal = self._noise = self._own = 0.0
        self.wanted = self.found = (math.inf, -math.inf)

    def add(self, wanted: NDArray[np.float32], found: NDArray[np.float32], alone: NDArray[np.float32]) -> None:
        """Add one sample: arrays of the same number of values."""
        self._count += wanted.size
        self._signal += _energy(wanted)
        self._noise += _energy(found.reshape(wanted.shape) - wanted)
        self._own += _energy(alone.reshape(wanted.shape) - wanted)
        self.wanted = (min(self.wanted[0], float(wanted.min())), max(self.wanted[1], float(wanted.max())))
        self.found = (min(self.found[0], float(found.min())), max(self.found[1], float(found.max())))

    @property
    def size(self) -> float:
        """The root mean square of PyTorch's values."""
        return math.sqrt(self._signal / self._count)

    @property
    def error(self) -> float:
        """Noise over signal of the file's values."""
        return _ratio(self._noise, self._signal)

    @property
    def own(self) -> float:
        """Noise over signal of what the layer makes of PyTorch's values."""
        return _ratio(self._own, self._signal)

    def rounding(self, bits: int) -> float:
        """Return the noise over signal of rounding PyTorch's values, and 0, evenly to so many bits."""
        low, high = min(self.wanted[0], 0.0), max(self.wanted[1], 0.0)
        step = (high - low) / (2**bits - 1)
        return step / math.sqrt(12) / self.size if self.size else 0.0


def _energy(values: NDArray[np.float32]) -> float:
    energy = float(np.square(values, dtype=np.float64).sum())
    return energy if math.isfinite(energy) else math.inf


def _ratio(noise: float, signal: float) -> float:
    if noise == 0:
        return 0.0
    return math.sqrt(noise / signal) if signal else math.inf
