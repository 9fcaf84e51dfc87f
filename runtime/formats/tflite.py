"""Reading a TFLite file without an engine; TFLM's files are TFLite files too."""

from __future__ import annotations

import struct

from runtime.errors import BundleError, one_line
from runtime.formats import flatbuffer

SUBGRAPHS, BUFFERS, METADATA = 2, 4, 6
"""Field numbers of the table ``Model`` in TFLite's schema.fbs."""
INPUTS, OUTPUTS, OPERATORS = 1, 2, 3
"""Field numbers of the table ``SubGraph``."""


def metadata(data: bytes, key: str) -> str | None:
    """Return the text that a file carries under a key of its metadata, or None.

    Raises:
        BundleError: If the data is no TFLite file.
    """
    content = buffer(data, key)
    try:
        return None if content is None else content.decode()
    except ValueError as problem:
        raise BundleError(f"not a TFLite file ({one_line(problem)})") from None


def buffer(data: bytes, key: str) -> bytes | None:
    """Return the bytes that a file carries under a key of its metadata, or None.

    Raises:
        BundleError: If the data is no TFLite file.
    """
    check_identifier(data)
    wanted = key.encode()
    try:
        model = flatbuffer.root(data)
        entries, buffers = flatbuffer.field(data, model, METADATA), flatbuffer.field(data, model, BUFFERS)
        for entry in flatbuffer.tables(data, entries) if entries and buffers else ():
            name, index = flatbuffer.field(data, entry, 0), flatbuffer.field(data, entry, 1)
            if name and flatbuffer.count(data, name) == len(wanted) and flatbuffer.content(data, name) == wanted:
                table = flatbuffer.tables(data, buffers)[flatbuffer.uint32(data, index) if index else 0]
                content = flatbuffer.field(data, table, 0)
                return flatbuffer.content(data, content) if content else None
    except (struct.error, IndexError, ValueError) as problem:
        raise BundleError(f"not a TFLite file ({one_line(problem)})") from None
    return None


def counts(data: bytes) -> tuple[int, int, int]:
    """Return how many inputs, outputs and operators the file's first graph has.

    Raises:
        BundleError: If the data is no TFLite file.
    """
    check_identifier(data)
    try:
        graph = flatbuffer.tables(data, flatbuffer.field(data, flatbuffer.root(data), SUBGRAPHS))[0]
        fields = [flatbuffer.field(data, graph, number) for number in (INPUTS, OUTPUTS, OPERATORS)]
        inputs, outputs, operators = (flatbuffer.count(data, position) if position else 0 for position in fields)
    except (struct.error, IndexError, ValueError) as problem:
        raise BundleError(f"not a TFLite file ({one_line(problem)})") from None
    return inputs, outputs, operators


def check_identifier(data: bytes) -> None:
    """Check that the data says of itself that it is a TFLite file.

    Raises:
        BundleError: If it doesn't.
    """
    if data[4:8] != b"TFL3":
        raise BundleError("not a TFLite file (its identifier is missing)")
