"""The operators of a TFLite file, and those of them that TFLM lacks."""

from __future__ import annotations

from typing import Any

import numpy as np

from export.formats._litert.quantization import float_inputs
from export.formats._litert.schema import operator_kind, packed
from runtime.engines import tflm
from runtime.errors import ExportError, MissingExtraError


def check_operators(data: bytes) -> None:
    """Check that TFLM runs a TFLite file.

    Args:
        data: A static int8 TFLite file of batch 1.

    Raises:
        ExportError: If TFLM lacks operators, refuses one as it is used, or the file is not static int8; names them.
        EngineError: If TFLM's interpreter is not installed.
    """
    refusal = tflm.refusal(data)
    if refusal is None:
        model = tflm.open_numbered(data)
        known = np.int8, np.int32  # whole numbers stay what they are
        ends = {
            "input": (model.takes, (*known, np.float32) if float_inputs(data) else known),
            "output": (model.gives, known),
        }
        for end, (tensors, types) in ends.items():
            for tensor in tensors:
                if tensor.dtype not in types:
                    raise ExportError(f"format 'tflm': the graph's {end} is {tensor.dtype}: quantize it, static int8")
        return
    if not refusal.lacking:
        raise ExportError(f"format 'tflm': {refusal}")
    names = _lacking(data, refusal.operator)
    raise ExportError(f"format 'tflm': TFLM has no operator{'s' * (len(names) > 1)} {', '.join(names)}")


def operators(data: bytes) -> tuple[str, ...]:
    """Return the names of a TFLite file's operators, each once, as TFLite's schema spells them: ``CONV_2D``.

    Raises:
        MissingExtraError: If the schema's reader is not installed.
    """
    model = _schema().ModelT.InitFromPackedBuf(data)
    used = (model.operatorCodes[operator.opcodeIndex] for operator in model.subgraphs[0].operators)
    return tuple(dict.fromkeys(map(operator_kind, used)))


def _lacking(data: bytes, first: str) -> tuple[str, ...]:
    """Return every operator that TFLM lacks, of which it names only the first that it meets.

    Operators that are known to be lacking go to the graph's end, so that TFLM meets the next one; it looks them all up
    before it runs any.
    """
    model, lacking = _schema().ModelT.InitFromPackedBuf(data), [first]
    while True:
        for graph in model.subgraphs:
            graph.operators.sort(key=lambda each: operator_kind(model.operatorCodes[each.opcodeIndex]) in lacking)
        refusal = tflm.refusal(packed(model))
        if not refusal or not refusal.operator or refusal.operator in lacking:
            return tuple(lacking)
        lacking.append(refusal.operator)


def _schema() -> Any:
    try:
        from ai_edge_litert import schema_py_generated
    except ImportError:
        raise MissingExtraError("format 'tflm'", "export") from None
    return schema_py_generated
