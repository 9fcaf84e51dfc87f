"""Read fields of a Protocol Buffers message, the container of ONNX files (format: https://protobuf.dev).

Every function raises `IndexError` or `ValueError` on a message that points outside itself.
"""

from __future__ import annotations

from collections.abc import Iterator


def fields(data: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Walk a message: each field's number with a whole number, or with the bytes of a text, message or packed list.

    Fields of fixed width (floats) are skipped.
    """
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        kind = key & 7
        if kind == 0:
            value, at = _varint(data, at)
            yield key >> 3, value
        elif kind in (1, 5):
            at += 8 if kind == 1 else 4
        elif kind == 2:
            length, at = _varint(data, at)
            if at + length > len(data):
                raise ValueError("a field is longer than the file")
            yield key >> 3, data[at : at + length]
            at += length
        else:
            raise ValueError(f"wire type {kind} at byte {at}")


def messages(data: memoryview, number: int) -> Iterator[memoryview]:
    """Yield the bytes of every field of one number."""
    return (value for key, value in fields(data) if key == number and not isinstance(value, int))


def last(data: memoryview) -> dict[int, int | memoryview]:
    """Return each field's last value by its number."""
    return dict(fields(data))


def text(value: int | memoryview | None) -> str:
    """Return a field as text; empty where it is left out."""
    return "" if value is None or isinstance(value, int) else bytes(value).decode()


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while shift < 70:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    raise ValueError(f"an endless number at byte {at}")
