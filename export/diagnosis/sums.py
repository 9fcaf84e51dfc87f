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
        self.reference_range = self.file_range = (math.inf, -math.inf)

    def add(self, reference: NDArray[np.float32], actual: NDArray[np.float32], alone: NDArray[np.float32]) -> None:
        """Add one sample: arrays of the same number of values."""
        self._count += reference.size
        self._total += float(reference.sum(dtype=np.float64))
        self._power += _energy(reference)
        self._noise += _energy(actual.reshape(reference.shape) - reference)
        self._own += _energy(alone.reshape(reference.shape) - reference)
        self.reference_range = (
            min(self.reference_range[0], float(reference.min())),
            max(self.reference_range[1], float(reference.max())),
        )
        self.file_range = (min(self.file_range[0], float(actual.min())), max(self.file_range[1], float(actual.max())))

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
        low, high = min(self.reference_range[0], 0.0), max(self.reference_range[1], 0.0)
        step = (high - low) / (2**bits - 1)
        return step / math.sqrt(12) / self.signal if self.signal else 0.0

    def _ratio(self, noise: float) -> float:
        if noise == 0:
            return 0.0
        return math.sqrt(noise / self._count) / self.signal if self.signal else math.inf


def _energy(values: NDArray[np.float32]) -> float:
    energy = float(np.square(values, dtype=np.float64).sum())
    return energy if math.isfinite(energy) else math.inf
