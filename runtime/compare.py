"""How far an engine's outputs are from PyTorch's: one definition for the export gate and for replays.

Differences are relative to the scale of the output, the largest absolute value of the reference: a logit of
0.001 beside one of 10 decides nothing, so its own relative error means nothing. Values have a zero that means nothing
either (years, kelvin), so their scale is the largest distance from the training targets' mean.
"""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from runtime.frozen_dataclass import frozen_dataclass
from runtime.tasks import Forecasting, Regression
from runtime.tensors import by_name

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from runtime.bundle.golden import Golden
    from runtime.inputs import Input
    from runtime.spec import Precision
    from runtime.tasks import Output
    from runtime.tensors import Tensors

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

AUDIO_TOLERANCE = 1e-6
"""Another rate sums some hundred products in float64, in an order of the machine's own, and rounds to float32."""


def input_tolerance(input_spec: Input) -> float:
    """Return how far an input that is read on another machine may be, in the input's own values.

    Images may differ by `PIXEL_TOLERANCE` and audio by `AUDIO_TOLERANCE`. Cells and values are numbers that every
    machine reads alike: text is rounded correctly to float64 (as Python promises), and that to float32 (IEEE 754).
    """
    if input_spec.kind == "audio":
        return AUDIO_TOLERANCE
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
        tensors: The largest difference of each of several tensors, by name; empty where there is one. The other
            figures are those of the tensor that has the worst.
    """

    maximum: float
    mean: float
    cosine: float
    agreement: float
    snr: float
    tensors: dict[str, float] = field(default_factory=dict)


def difference(reference: Tensors, outputs: Tensors, output: Output, tie: float = FP32_TOLERANCE) -> Difference:
    """Compare raw outputs of a task ``[samples, ...]``; a value that is not finite is infinitely far.

    Several tensors are compared each by itself, so that a tensor of small values isn't hidden behind one of large ones.
    """
    names = [tensor.name for tensor in output.tensors]
    wanted, actual = by_name(reference, names), by_name(outputs, names)
    if wanted.keys() != actual.keys() or not all(_comparable(wanted[name], actual[name]) for name in wanted):
        return Difference(float("inf"), float("inf"), -1.0, 0.0, -BEST_SNR)
    figures = {name: _figures(wanted[name], actual[name], output) for name in wanted}
    slack = {name: tie * each.scale for name, each in figures.items()}
    several = isinstance(reference, dict)
    same = output.agreement(reference, outputs, slack if several else slack[names[0]])  # type: ignore[arg-type]
    each = figures.values()
    return Difference(
        maximum=max(one.maximum for one in each),
        mean=max(one.mean for one in each),
        cosine=min(one.cosine for one in each),
        agreement=float(same.mean()),
        snr=min(one.snr for one in each),
        tensors={name: one.maximum for name, one in figures.items()} if several else {},
    )


class _Figures(NamedTuple):
    """The comparison of one tensor; see `Difference`. Its differences are relative to `scale`."""

    maximum: float
    mean: float
    cosine: float
    snr: float
    scale: float


def _comparable(wanted: NDArray[Any], actual: NDArray[Any]) -> bool:
    return wanted.shape == actual.shape and bool(np.isfinite(wanted).all() and np.isfinite(actual).all())


def _figures(wanted: NDArray[Any], actual: NDArray[Any], output: Output) -> _Figures:
    reference = wanted.astype(np.float64).reshape(len(wanted), -1)
    got = actual.astype(np.float64).reshape(len(actual), -1)
    scale = _scale(reference, output)
    gap = np.abs(got - reference) / scale
    lengths = np.linalg.norm(reference, axis=1) * np.linalg.norm(got, axis=1)
    dots = (reference * got).sum(axis=1)
    cosine = np.where(lengths > 0, dots / np.where(lengths > 0, lengths, 1), (gap.max(axis=1) == 0).astype(float))
    noise, signal = float(((got - reference) ** 2).sum()), float(((reference - _zero(output)) ** 2).sum())
    snr = 10 * np.log10(signal / noise) if noise > 0 < signal else BEST_SNR if noise == 0 else -BEST_SNR
    return _Figures(
        maximum=float(gap.max()),
        mean=float(gap.mean()),
        cosine=float(min(1.0, cosine.min())),
        snr=float(np.clip(snr, -BEST_SNR, BEST_SNR)),
        scale=scale,
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
