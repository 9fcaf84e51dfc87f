"""TFLite files as the objects of their FlatBuffers schema."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np


def unpacked(data: bytes) -> Any:
    """Return a TFLite file as the schema's objects, with all weights inside.

    ai-edge-quantizer puts large ones behind the FlatBuffer, where older runtimes don't find them.
    """
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromPackedBuf(data)
    for buffer in model.buffers:
        if buffer.offset > 1:
            buffer.data = np.frombuffer(data, np.uint8, buffer.size, buffer.offset)
            buffer.offset = buffer.size = 0
    return model


def packed(model: Any) -> bytes:
    """Return the schema's objects as a TFLite file."""
    import flatbuffers

    builder = flatbuffers.Builder(2**16)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def operator_kind(code: Any) -> str:
    """Return the name of an entry of a file's operator codes, such as ``CONV_2D``; its number where it has no name.

    Files of before TensorFlow 2.4 have the number in another field.
    """
    number = max(int(code.builtinCode), int(code.deprecatedBuiltinCode))
    return operator_kinds().get(number, str(number))


@cache
def operator_kinds() -> dict[int, str]:
    """Return the schema's names of operators by their numbers."""
    from ai_edge_litert.schema_py_generated import BuiltinOperator

    return {number: name for name, number in vars(BuiltinOperator).items() if isinstance(number, int)}
