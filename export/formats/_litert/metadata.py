"""Metadata in TFLite files."""

from __future__ import annotations

import numpy as np

from export.formats._litert.schema import packed, unpacked


def embed(data: bytes, key: str, text: str) -> bytes:
    """Return the file with `text` under `key` in its metadata; an earlier text under the key is left out."""
    from ai_edge_litert import schema_py_generated as schema

    model, name = unpacked(data), key.encode()
    model.metadata = [entry for entry in model.metadata or [] if entry.name != name]
    buffer, entry = schema.BufferT(), schema.MetadataT()
    buffer.data, entry.name, entry.buffer = np.frombuffer(text.encode(), np.uint8), name, len(model.buffers)
    model.buffers.append(buffer)
    model.metadata.append(entry)
    return packed(model)
