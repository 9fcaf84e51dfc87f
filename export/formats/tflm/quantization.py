"""The one precision of TFLM's files: static int8, inputs and outputs too."""

from __future__ import annotations

from export.formats._litert.quantization import CHANNEL_AXIS, activations, layers, run, saturated, static
from export.formats.tflm.operators import check_operators
from export.precision import QuantizeFunction, Request
from runtime.spec import Precision

__all__ = ["CHANNEL_AXIS", "QUANTIZERS", "activations", "layers", "quantize", "saturated"]


def quantize(data: bytes, precision: Precision, request: Request) -> bytes:
    """Return a float file in int8 altogether.

    Raises:
        ExportError: If the tools refuse it, or TFLM lacks an operator of it.
    """
    quantized = run(QUANTIZERS, "tflm", data, precision, request)
    check_operators(quantized)
    return quantized


QUANTIZERS: dict[Precision, QuantizeFunction] = {"int8": static(8, inside_only=False)}
