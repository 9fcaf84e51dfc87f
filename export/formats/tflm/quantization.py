"""The one precision of TFLM's files: static int8, inputs and outputs too."""

from __future__ import annotations

from export.formats._litert.quantization import CHANNEL_AXIS, activations, layers, run, saturated, static
from export.formats.tflm.operators import check_operators
from export.precision import Quantiser, Request
from runtime.spec import Precision

__all__ = ["CHANNEL_AXIS", "QUANTISERS", "activations", "layers", "quantise", "saturated"]


def quantise(data: bytes, precision: Precision, request: Request) -> bytes:
    """Return a float file in int8 altogether.

    Raises:
        ExportError: If the tools refuse it, or TFLM lacks an operator of it.
    """
    quantised = run(QUANTISERS, "tflm", data, precision, request)
    check_operators(quantised)
    return quantised


QUANTISERS: dict[Precision, Quantiser] = {"int8": static(8, inside_only=False)}
