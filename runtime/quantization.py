"""Integers that stand for real values, as the graphs of quantized files take and give them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from runtime.frozen_dataclass import frozen_dataclass

if TYPE_CHECKING:
    from numpy.typing import NDArray


@frozen_dataclass
class QuantizationParams:
    """Integers that stand for real values: ``real = scale * (integer - zero_point)``.

    Args:
        scale: The real distance of two neighbouring integers.
        zero_point: The integer that stands for 0.
    """

    scale: float
    zero_point: int

    def __post_init__(self) -> None:
        """Check the ranges."""
        if not self.scale > 0 or not -(2**15) <= self.zero_point < 2**16:
            raise ValueError(
                f"a quantized tensor needs a scale above 0 and a 16-bit zero point, got {self.scale}, {self.zero_point}"
            )

    def integers(self, values: NDArray[Any], dtype: str) -> NDArray[Any]:
        """Return the integers of a type that stand for real values, rounded to even and clipped to the type's range."""
        limits = np.iinfo(dtype)
        steps = np.rint(values / np.float32(self.scale)) + self.zero_point
        return steps.clip(limits.min, limits.max).astype(dtype)

    def values(self, integers: NDArray[Any]) -> NDArray[np.float32]:
        """Return the real values that integers stand for, ``float32``."""
        return (integers.astype(np.float32) - np.float32(self.zero_point)) * np.float32(self.scale)

    def range(self, dtype: str) -> tuple[float, float]:
        """Return the smallest and the largest real value that integers of a type can stand for."""
        low, high = self.values(np.array([np.iinfo(dtype).min, np.iinfo(dtype).max], dtype))
        return float(low), float(high)
