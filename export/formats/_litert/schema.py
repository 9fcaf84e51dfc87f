"""TFLite files as the objects of their FlatBuffers schema."""

from __future__ import annotations

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
