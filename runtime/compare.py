"""How far an engine's outputs are from PyTorch's: one definition for the export gate and for replays.

Differences are relative to the scale of the output, the largest absolute value of the reference: a logit of
0.001 beside one of 10 decides nothing, so its own relative error means nothing. Values have a zero that means nothing
either (years, kelvin), so their scale is the largest distance from the training targets' mean.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from runtime.frozen_dataclass import frozen_dataclass
from runtime.tasks import Forecasting, Regression

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from runtime.bundle.golden import Golden
    from runtime.inputs import Input
    from runtime.spec import Precision
    from runtime.tasks import Output

FP32_TOLERANCE = 1e-5
"""Both sides compute in float32 (epsilon 1.2e-7) and sum in another order; the converters reach about 1e-6."""

REPLAY: dict[Precision, float] = {
    "fp32": FP32_TOLERANCE,
    "fp16": 0.005,
    **dict.fromkeys(("int8", "int8-dynamic", "int8-weights", "int16x8", "int4-weights"), 0.05),
}
"""The largest difference that a replay on another machine may show, relative to the output's scale: engines round
integers in different places. A bundle may ask for less, and never gets more."""

ROUNDING = 4 * float(np.finfo(np.float32).eps)
"""How far two results of one computation may be at least, relative to their own size, whatever they are a value of."""

BEST_SNR = 200.0
"""Decibels; float32 itself ends at about 140."""

PIXEL_TOLERANCE = 3
"""Builds of libjpeg round the inverse DCT and the chroma upsampling differently, by a few levels of 255."""


def input_tolerance(input_spec: Input) -> float:
    """Return how far an input that is read on another machine may be, in the input's own values.

    What is an image may differ by `PIXEL_TOLERANCE`. Cells and values are numbers that every machine reads alike:
    text is rounded correctly to float64 (as Python promises), and that to float32 (IEEE 754).
    """
    return PIXEL_TOLERANCE if getattr(input_spec, "preprocess", ()) else 0


def allowed_difference(asked: float, precision: Precision) -> float:
    """Return how far a replay may be from the golden answers, whatever a manifest asks for; see `REPLAY`."""
    return _at_most(asked, REPLAY[precision])


def allowed_input_difference(golden: Golden, input_spec: Input) -> float:
    """Return how far an input may be from a golden one, whatever the pack asks for; see `input_tolerance`."""
    return _at_most(golden.input_tolerance, input_tolerance(input_spec))


def _at_most(asked: float, limit: float) -> float:
    """Return the tolerance that a file asks for, but no more than a limit; NaN counts as too much."""
    return asked if asked <= limit else limit


@frozen_dataclass
class Difference:
    """The comparison of two raw outputs ``[samples, ...]``.

    Args:
        maximum: The largest difference, relative to the reference's scale.
        mean: The mean difference, relative to the reference's scale.
        cosine: The smallest cosine of one sample.
        agreement: The share of samples with the same decision. Where the reference itself has a tie (within
            `tie` of its scale), either winner counts.
        snr: The signal-to-noise ratio in decibels, at most `BEST_SNR`.
    """

    maximum: float
    mean: float
    cosine: float
    agreement: float
    snr: float


def difference(
    reference: NDArray[np.float32], outputs: NDArray[np.float32], output: Output, tie: float = FP32_TOLERANCE
) -> Difference:
    """Compare raw outputs ``float32 [samples, ...]`` of a task; a value that is not finite is infinitely far."""
    if reference.shape != outputs.shape or not (np.isfinite(reference).all() and np.isfinite(outputs).all()):
        return Difference(float("inf"), float("inf"), -1.0, 0.0, -BEST_SNR)
    wanted = reference.astype(np.float64).reshape(len(reference), -1)
    got = outputs.astype(np.float64).reshape(len(outputs), -1)
    scale = _scale(wanted, output)
    gap = np.abs(got - wanted) / scale
    lengths = np.linalg.norm(wanted, axis=1) * np.linalg.norm(got, axis=1)
    dots = (wanted * got).sum(axis=1)
    cosine = np.where(lengths > 0, dots / np.where(lengths > 0, lengths, 1), (gap.max(axis=1) == 0).astype(float))
    same = output.agreement(reference, outputs, tie * scale)
    noise, signal = float(((got - wanted) ** 2).sum()), float(((wanted - _zero(output)) ** 2).sum())
    snr = 10 * np.log10(signal / noise) if noise > 0 < signal else BEST_SNR if noise == 0 else -BEST_SNR
    return Difference(
        maximum=float(gap.max()),
        mean=float(gap.mean()),
        cosine=float(min(1.0, cosine.min())),
        agreement=float(same.mean()),
        snr=float(np.clip(snr, -BEST_SNR, BEST_SNR)),
    )


def _zero(output: Output) -> float:
    """Return what a signal is measured from."""
    return output.mean if isinstance(output, Regression | Forecasting) else 0.0


def _scale(wanted: NDArray[np.float64], output: Output) -> float:
    size = float(np.abs(wanted).max())
    if isinstance(output, Regression | Forecasting):
        distance = max(float(np.abs(wanted - output.mean).max()), output.std)
        return max(distance, size * ROUNDING / FP32_TOLERANCE)
    return max(size, float(np.finfo(np.float32).tiny))
