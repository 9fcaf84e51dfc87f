"""Read tables of a FlatBuffer, the container of TFLite files (format: https://flatbuffers.dev/internals).

Every function takes the whole file and an absolute position, and raises `struct.error`, `IndexError` or
`ValueError` on a file that points outside itself.
"""

from __future__ import annotations

import struct

MAX_NUMBERS = 2**20


def uint32(data: bytes, at: int) -> int:
    """Return the unsigned number at a position."""
    return int(struct.unpack_from("<I", data, at)[0])


def target(data: bytes, at: int) -> int:
    """Return the position that the offset at a position points to; always further on."""
    return at + uint32(data, at)


def root(data: bytes) -> int:
    """Return the root table's position."""
    return target(data, 0)


def field(data: bytes, table: int, number: int) -> int:
    """Return where one field of a table stands, or 0 where it is left out."""
    vtable, count = _vtable(data, table)  # many tables may share it, so no more of it is read than this
    offset = struct.unpack_from("<H", data, vtable + 4 + 2 * number)[0] if number < count else 0
    return table + int(offset) if offset else 0


def _vtable(data: bytes, table: int) -> tuple[int, int]:
    """Return where the offsets of a table's fields are described, and how many there are."""
    vtable = table - int(struct.unpack_from("<i", data, table)[0])
    if vtable < 0:
        raise ValueError("a table points before the file")
    return vtable, max(0, int(struct.unpack_from("<H", data, vtable)[0]) - 4) // 2


def tables(data: bytes, at: int) -> list[int]:
    """Return the positions of the tables in the list that a field points to."""
    vector = target(data, at)
    count = uint32(data, vector)
    if count * 4 > len(data):
        raise ValueError("a list is longer than the file")
    return [target(data, vector + 4 + 4 * i) for i in range(count)]


def count(data: bytes, at: int) -> int:
    """Return how many entries the list or text that a field points to has."""
    return uint32(data, target(data, at))


def numbers(data: bytes, at: int, code: str, limit: int = MAX_NUMBERS) -> tuple[float, ...]:
    """Return the list of numbers that a field points to; `code` is their type as `struct` names it."""
    vector = target(data, at)
    count = uint32(data, vector)
    if count > limit:
        raise ValueError(f"a list has {count} numbers")
    return struct.unpack_from(f"<{count}{code}", data, vector + 4)


def content(data: bytes, at: int) -> bytes:
    """Return the bytes or the text that a field points to."""
    vector = target(data, at)
    count = uint32(data, vector)
    if vector + 4 + count > len(data):
        raise ValueError("text is longer than the file")
    return data[vector + 4 : vector + 4 + count]
