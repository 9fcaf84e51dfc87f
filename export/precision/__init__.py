"""Precisions of a file's weights and activations, and the gate that a file of each must pass.

How a precision is reached is a format's own affair: the module ``quantization`` in its folder lists its quantizers by
the precision's name.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runtime.compare import FP32_TOLERANCE
from runtime.spec import Precision
from runtime.tasks import Detection, Forecasting, Raw, Regression

if TYPE_CHECKING:
    from export.precision.calibration import Statistics
    from runtime.tasks import Output


@dataclass(frozen=True)
class Gate:
    """The part of PyTorch's answer on real samples that a file must keep.

    Args:
        difference: The largest difference allowed, relative to the output's scale; None where decisions count alone.
        agreement: The smallest share of samples with the same decision; of `FEW` samples or more, one may always
            differ.
        drop: The most that the task's metric may lose, in points: of a share 1 % of the whole, of an error of values
            1 % of the standard deviation of the targets. None where it isn't asked.
        slack: How far a value may be from PyTorch's to count as the same decision, relative to the output's scale.
        mean_drop: The most points that mAP, whose thresholds are stricter than mAP50's, may lose; None where it isn't
            asked. The samples of such a gate hold several boxes each, and one that turns is no share of a metric.
    """

    difference: float | None
    agreement: float
    drop: float | None
    slack: float
    mean_drop: float | None = None

    def may_differ(self, samples: int) -> int:
        """Return how many of so many decisions may differ."""
        share = int((1 - self.agreement) * samples + 1e-9)
        return max(share, 1) if self.agreement < 1 and samples >= FEW else share

    def may_lose(self, samples: int) -> float:
        """Return how many points the metric may lose on so many samples; infinite where it isn't asked."""
        if self.drop is None:
            return float("inf")
        return max(self.drop, 100 / samples) if samples >= FEW and self.mean_drop is None else self.drop

    def tie(self, output: Output) -> float:
        """Return how far apart two outputs may be to count as the same decision, relative to the output's scale."""
        return self.slack if isinstance(output, Regression | Forecasting | Raw | Detection) else FP32_TOLERANCE

    def of(self, output: Output) -> Gate:
        """Return the gate for a task: a detector that isn't in fp32 is judged by its metric alone.

        Boxes near a threshold come and go with every rounding of eight bits; average precision weighs all of them.
        """
        return DETECTION if isinstance(output, Detection) and self.difference is None else self


DETECTION = Gate(None, agreement=0.0, drop=1.0, slack=0.05, mean_drop=1.5)
"""Of detectors that aren't in fp32."""
FEW = 20
"""From so many samples on, one that turns is a matter of chance: it would be 3 % of a small validation set."""
_EIGHT_BITS = Gate(None, agreement=0.97, drop=1.0, slack=0.05)
GATES: dict[Precision, Gate] = {
    "fp32": Gate(FP32_TOLERANCE, agreement=1.0, drop=None, slack=FP32_TOLERANCE),
    "fp16": Gate(None, agreement=0.995, drop=0.5, slack=0.01),
    "int8": _EIGHT_BITS,
    "int8-dynamic": _EIGHT_BITS,
    "int8-weights": _EIGHT_BITS,
    "int16x8": _EIGHT_BITS,
    "int4-weights": _EIGHT_BITS,
}
"""fp16 has 11 significant bits and int8 at most 8: a value may be off by some of their smallest steps, the sum of what
all layers round. The shares are the project's promise."""

CALIBRATED: frozenset[Precision] = frozenset({"int8", "int16x8"})
"""Precisions whose activations have fixed ranges, which only real inputs can tell."""

FULL_PRECISION = "fp32:"
"""The start of the names of operators that stay in fp32 in every precision, where a network has such parts
(`export.full_precision.FullPrecision`)."""


@dataclass(frozen=True)
class Request:
    """The arguments of a quantizer besides the file.

    Args:
        statistics: Of each activation, by its name in the graph; asked only by precisions that need calibration.
        keep: The layers that stay as they are, as the format's ``layers`` names them.
    """

    statistics: Callable[[], Statistics]
    keep: tuple[str, ...] = ()


QuantizeFunction = Callable[[bytes, Request], bytes]
"""Turns a float file into one of another precision; raises ExportError if the tools refuse it."""
