"""What an ONNX file says of itself, read without the onnx library: protobuf's wire format and field numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runtime.errors import BundleError, EngineError, one_line

if TYPE_CHECKING:
    from collections.abc import Iterator

METADATA_PROPS = 14
"""Of ModelProto: its own key-value pairs (onnx.proto)."""
PARTS = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node", 11: "attribute"},
    "graph": {1: "node", 5: "tensor", 15: "sparse tensor"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse tensor", 23: "sparse tensor"},
    "sparse tensor": {1: "tensor", 2: "tensor"},
    "tensor": {},
}
"""The fields of each message that lead to tensors (onnx.proto)."""
EXTERNAL_DATA, DATA_LOCATION = 13, 14
"""Of TensorProto: where its values are, if not in the file."""


def metadata(data: bytes, wanted: str) -> str | None:
    """Return the text under a key of the file's own metadata, or None.

    Raises:
        BundleError: If the data is no ONNX file.
    """
    try:
        for number, entry in _fields(memoryview(data)):
            if number == METADATA_PROPS and isinstance(entry, memoryview):
                prop = dict(_fields(entry))
                if _bytes(prop.get(1)) == wanted.encode():
                    return _bytes(prop.get(2)).decode()
    except (IndexError, ValueError) as problem:
        raise BundleError(f"not an ONNX file ({one_line(problem)})") from None
    return None


def check_self_contained(data: bytes) -> None:
    """Check that no tensor, however deep in the file, has its values in another file.

    For engines that would read that file, from wherever the process happens to be.

    Raises:
        EngineError: If one has, or the data is no ONNX file.
    """
    waiting = [("model", memoryview(data))]
    try:
        while waiting:
            kind, message = waiting.pop()
            for number, value in _fields(message):
                if kind == "tensor" and (number == EXTERNAL_DATA or (number == DATA_LOCATION and value != 0)):
                    raise EngineError("the ONNX file keeps tensors in other files: store them inside it")
                if isinstance(value, memoryview) and number in PARTS[kind]:
                    waiting.append((PARTS[kind][number], value))
    except (IndexError, ValueError) as problem:
        raise EngineError(f"not an ONNX file ({one_line(problem)})") from None


def _bytes(value: memoryview | int | None) -> bytes:
    return bytes(value) if isinstance(value, memoryview) else b""


def _fields(data: memoryview) -> Iterator[tuple[int, memoryview | int]]:
    """Walk the fields of a protobuf message: numbers, and those with a length; fixed-size ones are skipped."""
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
