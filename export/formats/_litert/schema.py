"""TFLite files as the objects of their FlatBuffers schema."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

ALIGNMENT = 16
"""Of the constants, in bytes: schema.fbs forces it, which Python's objects of the schema forget."""


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
    """Return the schema's objects as a TFLite file, whose constants are aligned as the schema asks."""
    import flatbuffers

    class Builder(flatbuffers.Builder):  # type: ignore[misc]  # it is not typed
        def StartVector(self, elemSize: int, numElems: int, alignment: int) -> Any:  # noqa: N802, N803  # its names
            """Begin a vector; those of bytes are constants."""
            return super().StartVector(elemSize, numElems, ALIGNMENT if elemSize == 1 else alignment)

    builder = Builder(2**16)
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
