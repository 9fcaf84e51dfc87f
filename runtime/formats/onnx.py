"""Reading an ONNX file without an engine. Field numbers are those of onnx.proto."""

from __future__ import annotations

from runtime.errors import BundleError, EngineError, one_line
from runtime.formats import protobuf

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
        for entry in protobuf.messages(memoryview(data), METADATA_PROPS):
            prop = protobuf.last(entry)
            if protobuf.text(prop.get(1)) == key:
                return protobuf.text(prop.get(2))
    except (IndexError, ValueError) as problem:
        raise BundleError(f"not an ONNX file ({one_line(problem)})") from None
    return None


def count_nodes(data: bytes) -> int:
    """Return how many nodes the graph of a sound file has, without those of its branches."""
    return sum(number == 1 for graph in protobuf.messages(memoryview(data), 7) for number, _ in protobuf.fields(graph))


def check_self_contained(data: bytes, engine: str) -> None:
    """Check that every tensor's values lie in the file itself, wherever in it: a path in it could name any file.

    Raises:
        EngineError: If one doesn't, or the data is no ONNX file; names the engine that was to open it.
    """
    refused = f"engine {engine!r} can't open the model"
    rest = [("model", memoryview(data))]
    try:
        while rest:
            kind, message = rest.pop()
            parts = PARTS[kind]
            for number, value in protobuf.fields(message):
                if number in parts and not isinstance(value, int):
                    rest.append((parts[number], value))
                elif kind == "tensor" and number == EXTERNAL_DATA:
                    raise EngineError(f"{refused}: it keeps values in another file; save it as one file")
    except (IndexError, ValueError) as problem:
        raise EngineError(f"{refused}: not an ONNX file ({one_line(problem)})") from None
