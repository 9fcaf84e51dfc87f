"""What can be read out of an ONNX file without an engine. Field numbers are those of onnx.proto."""

from __future__ import annotations

from collections.abc import Iterator

from runtime.errors import BundleError, one_line

METADATA_PROPS = 14
"""Of ModelProto."""
EXTERNAL_DATA = 13
"""Of TensorProto."""
PARTS: dict[str, dict[int, str]] = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "graph": {1: "node", 5: "tensor", 15: "sparse tensor"},
    "function": {7: "node", 11: "attribute"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse tensor", 23: "sparse tensor"},
    "sparse tensor": {1: "tensor", 2: "tensor"},
    "tensor": {},
}
"""By kind of message, the fields through which tensors are reached."""


def metadata(data: bytes, key: str) -> str | None:
    """Return the text that a file carries under a key of its metadata, or None.

    Raises:
        BundleError: If the data is no ONNX file.
    """
    try:
        for number, entry in _fields(memoryview(data)):
            if number == METADATA_PROPS:
                prop = dict(_fields(entry))
                if bytes(prop.get(1, b"")) == key.encode():
                    return bytes(prop.get(2, b"")).decode()
    except (IndexError, ValueError) as problem:
        raise BundleError(f"not an ONNX file ({one_line(problem)})") from None
    return None


def check_self_contained(data: bytes) -> None:
    """Check that every tensor's values lie in the file itself, wherever in it: a path in it could name any file.

    Raises:
        BundleError: If one doesn't, or the data is no ONNX file.
    """
    rest = [("model", memoryview(data))]
    try:
        while rest:
            kind, message = rest.pop()
            parts = PARTS[kind]
            for number, value in _fields(message):
                if number in parts:
                    rest.append((parts[number], value))
                elif kind == "tensor" and number == EXTERNAL_DATA:
                    raise BundleError("it keeps values in another file; save it as one file")
    except (IndexError, ValueError) as problem:
        raise BundleError(f"not an ONNX file ({one_line(problem)})") from None


def _fields(data: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Walk the top-level fields of a protobuf message; gives those with a length, skips the others."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        kind = key & 7
        if kind == 0:
            _, at = _varint(data, at)
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
