"""How far an engine's outputs are from PyTorch's: one definition for the export gate and for replays.

Differences are relative to the scale of the output, the largest absolute value of the reference: a logit of
0.001 beside one of 10 decides nothing, so its own relative error means nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

FP32_TOLERANCE = 1e-5
"""Both sides compute in float32 (epsilon 1.2e-7) and sum in another order; the converters reach about 1e-6."""

PIXEL_TOLERANCE = 3
"""Builds of libjpeg round the inverse DCT and the chroma upsampling differently, by a few levels of 255."""


@dataclass(frozen=True)
class Difference:
    """The comparison of two outputs ``[samples, values]``.

    Args:
        maximum: The largest difference, relative to the reference's scale.
        mean: The mean difference, relative to the reference's scale.
        cosine: The smallest cosine of one sample.
        agreement: The share of samples with the same decision. Where the reference itself has a tie (within
            `tie` of its scale), either winner counts.
    """

    maximum: float
    mean: float
    cosine: float
    agreement: float


def difference(reference: NDArray[np.float32], found: NDArray[np.float32], tie: float = FP32_TOLERANCE) -> Difference:
    """Compare outputs ``float32 [samples, values]``; a value that is not finite counts as infinitely far."""
    wanted, got = reference.astype(np.float64), found.astype(np.float64)
    if not (np.isfinite(wanted).all() and np.isfinite(got).all()):
        return Difference(float("inf"), float("inf"), -1.0, 0.0)
    scale = max(float(np.abs(wanted).max()), float(np.finfo(np.float32).tiny))
    gap = np.abs(got - wanted) / scale
    lengths = np.linalg.norm(wanted, axis=1) * np.linalg.norm(got, axis=1)
    dots = (wanted * got).sum(axis=1)
    cosine = np.where(lengths > 0, dots / np.where(lengths > 0, lengths, 1), (gap.max(axis=1) == 0).astype(float))
    chosen = np.take_along_axis(wanted, got.argmax(axis=1)[:, None], axis=1)[:, 0]
    same = chosen >= wanted.max(axis=1) - 2 * tie * scale
    return Difference(float(gap.max()), float(gap.mean()), float(min(1.0, cosine.min())), float(same.mean()))
