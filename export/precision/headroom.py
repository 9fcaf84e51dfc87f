"""Room for values in integers: the finest steps of weights that suit their biases, and constants that don't fit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Range = tuple[float, float]

LARGEST_BIAS = 2**30
"""A bias is an integer of 32 bits; half of them is for the products that kernels add to it."""
OVERFLOW = 2**31 - 2**8
"""Biases from here on were cut off: quantizers round in float32, whose neighboring values are 2**7 apart here."""
SLACK = 0.6
"""How many steps a weight may be off: rounding takes half a step, and scales are rounded too."""


def finest_steps(biases: NDArray[Any], input_range: Range, output_range: Range, bits: int) -> NDArray[np.float64]:
    """Return the finest steps that weights may have, for each output of a layer.

    The step of a bias is that of the layer's input times that of the weights. Where the weights of an output are zero
    or tiny, as pruning and training leave them, the step that suits them makes the bias overflow. A coarser one loses
    less than a step of the layer's output.

    Args:
        biases: ``[outputs]``, in the layer's own unit.
        input_range: The smallest and the largest value of the layer's input.
        output_range: Those of its output.
        bits: Of activations.
    """
    step = (max(input_range[1], 0) - min(input_range[0], 0)) / (2**bits - 1)
    largest: NDArray[np.float64] = np.maximum(np.abs(biases.astype(np.float64)), max(map(abs, output_range)))
    return np.asarray(largest / (step * LARGEST_BIAS))


@dataclass(frozen=True)
class Stored:
    """A constant of a file in a smaller precision.

    Args:
        values: Integers, or floats of 16 bits.
        scale: What one step of integers stands for; it broadcasts over `values`, as `zero_point` does.
        zero_point: The integer that stands for 0.
        original: The values of the fp32 file in the same shape; None if they are not at hand.
    """

    values: NDArray[Any]
    scale: NDArray[Any]
    zero_point: NDArray[Any]
    original: NDArray[np.float32] | None = None


def saturation(stored: Stored) -> str:
    """Return how a constant misses the values that it stands for; empty if it doesn't."""
    values, scale = stored.values, stored.scale
    if values.dtype.kind not in "iu":
        lost = ~np.isfinite(values.astype(np.float32))
        return _counted(lost, "values overflow")
    if degenerate(scale):
        return degenerate(scale)
    if values.dtype.itemsize > 2:
        return _counted(np.abs(values.astype(np.float64)) >= OVERFLOW, "biases overflow")
    if stored.original is None:
        return ""
    real = (values.astype(np.float64) - stored.zero_point) * scale
    return _counted(np.abs(real - stored.original) > SLACK * scale, "weights are cut off")


def degenerate(scale: NDArray[Any]) -> str:
    """Return why integers can't stand for values at a scale; empty if they can."""
    bad = ~(np.isfinite(scale) & (scale >= np.finfo(np.float32).tiny))
    return f"a step of {scale[bad].flat[0]:g}" if bad.any() else ""


def _counted(lost: NDArray[np.bool_], what: str) -> str:
    return f"{lost.sum()} of {lost.size} {what}" if lost.any() else ""
