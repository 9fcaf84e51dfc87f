"""The one precision of TFLM's files: static int8, inputs and outputs too."""

from __future__ import annotations

from export.formats._litert.quantization import CHANNEL_AXIS, activations, layers, run, saturated, static
from export.formats._litert.schema import packed, unpacked
from export.formats.tflm.operators import check_operators
from export.precision import QuantizeFunction, Request
from runtime.spec import Precision

__all__ = ["CHANNEL_AXIS", "QUANTIZERS", "activations", "layers", "quantize", "saturated"]


def quantize(data: bytes, precision: Precision, request: Request) -> bytes:
    """Return a float file in int8 altogether.

    Raises:
        ExportError: If the tools refuse it, or TFLM lacks an operator of it.
    """
    quantized = in_order(run(QUANTIZERS, "tflm", data, precision, request))
    check_operators(quantized)
    return quantized


def in_order(data: bytes) -> bytes:
    """Return a file whose graph has its inputs and outputs in the order of the trace, by which TFLM numbers them.

    The converter's signature tells it: ``args_0``, ``args_1``; ``output_0``, ``output_1``.
    """
    model = unpacked(data)
    graph = model.subgraphs[0]
    if len(graph.inputs) == len(graph.outputs) == 1 or not model.signatureDefs:
        return data
    (signature,) = model.signatureDefs
    ends = [
        [int(part.tensorIndex) for part in sorted(parts, key=lambda part: int(part.name.rpartition(b"_")[2]))]
        for parts in (signature.inputs, signature.outputs)
    ]
    if ends == [list(graph.inputs), list(graph.outputs)]:
        return data
    graph.inputs, graph.outputs = ends
    return packed(model)


QUANTIZERS: dict[Precision, QuantizeFunction] = {"int8": static(8, inside_only=False)}
