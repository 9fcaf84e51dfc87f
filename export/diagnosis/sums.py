"""Statistics of a tensor over all samples: sums and extremes, so that memory does not grow with their number."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from runtime.compare import ROUNDING

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Sums:
    """One tensor: PyTorch's values, the file's, and those that its layer makes of PyTorch's."""

    def __init__(self) -> None:
        self._count = 0
        self._total = self._power = self._noise = self._own = 0.0
        self.wanted = self.found = (math.inf, -math.inf)

    def add(self, wanted: NDArray[np.float32], actual: NDArray[np.float32], alone: NDArray[np.float32]) -> None:
        """Add one sample: arrays of the same number of values."""
        self._count += wanted.size
        self._total += float(wanted.sum(dtype=np.float64))
        self._power += _energy(wanted)
        self._noise += _energy(actual.reshape(wanted.shape) - wanted)
        self._own += _energy(alone.reshape(wanted.shape) - wanted)
        self.wanted = (min(self.wanted[0], float(wanted.min())), max(self.wanted[1], float(wanted.max())))
        self.found = (min(self.found[0], float(actual.min())), max(self.found[1], float(actual.max())))

    @property
    def size(self) -> float:
        """The root mean square of PyTorch's values."""
        return math.sqrt(self._power / self._count)

    @property
    def signal(self) -> float:
        """The standard deviation of PyTorch's values: what stands on an offset is not made exact by it."""
        spread = self._power / self._count - (self._total / self._count) ** 2
        return math.sqrt(spread) if spread > (ROUNDING * self.size) ** 2 else self.size

    @property
    def error(self) -> float:
        """Noise over signal of the file's values."""
        return self._ratio(self._noise)

    @property
    def own(self) -> float:
        """Noise over signal of what the layer makes of PyTorch's values."""
        return self._ratio(self._own)

    def rounding(self, bits: int) -> float:
        """Return the noise over signal of rounding PyTorch's values, and 0, evenly to so many bits."""
        low, high = min(self.wanted[0], 0.0), max(self.wanted[1], 0.0)
        step = (high - low) / (2**bits - 1)
        return step / math.sqrt(12) / self.signal if self.signal else 0.0

    def _ratio(self, noise: float) -> float:
        if noise == 0:
            return 0.0
        return math.sqrt(noise / self._count) / self.signal if self.signal else math.inf


def _energy(values: NDArray[np.float32]) -> float:
    energy = float(np.square(values, dtype=np.float64).sum())
    return energy if math.isfinite(energy) else math.inf
