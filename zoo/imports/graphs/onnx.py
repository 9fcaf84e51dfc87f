"""ONNX files (fields as numbered in onnx.proto)."""

from __future__ import annotations

from export.activation import Operator, Tape
from runtime.errors import BundleError, one_line
from runtime.formats import protobuf
from runtime.spec import Precision
from zoo.imports.graphs import Graph, Tensor

TYPES = {
    1: "float32", 2: "uint8", 3: "int8", 4: "uint16", 5: "int16", 6: "int32", 7: "int64", 8: "text", 9: "bool",
    10: "float16", 11: "float64", 12: "uint32", 13: "uint64", 16: "bfloat16",
}  # fmt: skip
FLOAT16 = 10
MEASURED = {"DynamicQuantizeLinear", "MatMulInteger", "ConvInteger"}
MAX_PROPERTY = 2**20


def read(data: bytes) -> Graph:
    """Return a file's graph.

    Raises:
        BundleError: If it is no ONNX file, or keeps its weights in another file.
    """
    try:
        model = memoryview(data)
        graph = next(protobuf.messages(model, 7))
        nodes = list(protobuf.messages(graph, 1))
        operators = {protobuf.text(protobuf.last(node).get(4)) for node in nodes}
        weights = [protobuf.last(tensor) for tensor in protobuf.messages(graph, 5)]
        if any(13 in tensor for tensor in weights):
            raise BundleError(
                "keeps its weights in another file (external data): store them inside, with "
                "onnx.save_model(onnx.load(path), path, save_as_external_data=False)"
            )
        sets = [protobuf.last(each) for each in protobuf.messages(model, 8)]
        opsets = [each.get(2) for each in sets if not protobuf.text(each.get(1))]  # of ONNX's own operators
        named = {protobuf.text(tensor.get(8)) for tensor in weights}
        inputs = [_tensor(value) for value in protobuf.messages(graph, 11)]
        outputs = tuple(_tensor(value) for value in protobuf.messages(graph, 12))
        real_inputs = tuple(tensor for tensor in inputs if tensor.name not in named)
        ends = _ends(nodes, real_inputs, outputs)
        properties = {
            protobuf.text(entry.get(1)): protobuf.text(entry.get(2))
            for entry in map(protobuf.last, protobuf.messages(model, 14))
            if len(entry) == 2
            and all(not isinstance(part, int) and len(part) < MAX_PROPERTY for part in entry.values())
        }
    except (IndexError, ValueError, StopIteration) as problem:
        raise BundleError(f"not an ONNX file ({one_line(problem)})") from None
    precision = _precision(operators, {tensor.get(2) for tensor in weights})
    return Graph(real_inputs, outputs, precision, f"ONNX opset {opsets[0] if opsets else '?'}", properties, ends=ends)


def _ends(
    nodes: list[memoryview], graph_inputs: tuple[Tensor, ...], graph_outputs: tuple[Tensor, ...]
) -> dict[str, Operator]:
    """Return the operators that make the outputs, by the outputs' names."""
    tape = Tape(tensor.name for tensor in graph_inputs)
    for node in nodes:  # a graph lists them in the order in which they can run
        inputs, outputs = (map(protobuf.text, protobuf.messages(node, number)) for number in (1, 2))
        tape.add(protobuf.text(protobuf.last(node).get(4)), inputs, outputs)
    return tape.makers(tensor.name for tensor in graph_outputs)


def _tensor(value: memoryview) -> Tensor:
    """Read a ValueInfoProto."""
    fields = protobuf.last(value)
    kind = protobuf.last(_message(protobuf.last(_message(fields.get(2))).get(1)))
    code = kind.get(1)
    shape = kind.get(2)
    axes = None if shape is None else [protobuf.last(axis) for axis in protobuf.messages(_message(shape), 1)]
    return Tensor(
        protobuf.text(fields.get(1)),
        None if axes is None else tuple(_size(axis.get(1)) for axis in axes),
        TYPES.get(code if isinstance(code, int) else 0, f"type {code}"),
        axes=tuple(protobuf.text(axis.get(2)) for axis in axes or ()),
    )


def _size(size: int | memoryview | None) -> int | None:
    return size if isinstance(size, int) and 0 < size < 2**31 else None


def _message(value: int | memoryview | None) -> memoryview:
    return memoryview(b"") if value is None or isinstance(value, int) else value


def _precision(operators: set[str], types: set[int | memoryview | None]) -> Precision:
    if operators & MEASURED:
        return "int8-dynamic"
    if "QuantizeLinear" in operators or any(name.startswith("QLinear") for name in operators):
        return "int8"
    if "DequantizeLinear" in operators:
        return "int8-weights"
    return "fp16" if FLOAT16 in types else "fp32"
