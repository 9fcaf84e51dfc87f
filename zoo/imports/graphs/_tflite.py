"""TFLite files (fields as numbered in TensorFlow Lite's schema.fbs)."""

from __future__ import annotations

import struct
from dataclasses import replace

from export.activation import Operator, Tape
from runtime.errors import BundleError, one_line
from runtime.formats import flatbuffer
from runtime.formats.tflite import BUFFERS, INPUTS, OPERATORS, OUTPUTS, SUBGRAPHS, check_identifier
from runtime.quantization import QuantizationParams
from runtime.spec import Precision
from zoo.imports.graphs import Graph, Tensor

TYPES = {
    0: "float32", 1: "float16", 2: "int32", 3: "uint8", 4: "int64", 5: "text", 6: "bool", 7: "int16", 9: "int8",
    10: "float64",
}  # fmt: skip
KINDS = {
    3: "conv", 4: "depthwiseconv", 9: "fullyconnected", 11: "l2norm", 14: "logistic", 16: "lstm", 18: "mul", 24: "rnn",
    25: "softmax", 32: "custom", 35: "sequencernn", 42: "div", 44: "sequencelstm", 46: "sequencernn", 47: "exp",
    50: "logsoftmax", 52: "sequencelstm", 67: "transposeconv", 73: "log", 118: "if", 119: "while", 126: "matmul",
    132: "conv", 206: "stablehlocomposite",
}  # fmt: skip
"""Operators that say whether a graph ends in probabilities; see `export.activation`."""
POST_PROCESS = b"TFLite_Detection_PostProcess"
POST_PROCESSED_SHAPES = ((1, None, 4), (1, None), (1, None), (1,))
"""The shapes of its outputs, which files often leave out."""
CUSTOM_CODE = 1
"""A field of ``OperatorCode``: the name of an operator that is not TensorFlow Lite's own."""
OPERATOR_CODES = 1
"""A field of ``Model``."""
TENSORS = 0
SHAPE, TYPE, BUFFER, NAME, QUANTIZATION, SIGNATURE = 0, 1, 2, 3, 4, 7
SCALE, ZERO_POINT = 2, 3
DATA, OFFSET = 0, 1
"""Fields of ``Buffer``: what large files hold stands behind the FlatBuffer, at an offset."""
MAX_TENSORS, MAX_AXES, MAX_NAME = 256, 32, 4_096
"""Inputs and outputs of a graph, and what each may have: many of them could point to the same long list."""


def read(data: bytes) -> Graph:
    """Return a file's first graph.

    Raises:
        BundleError: If it is no TFLite file.
    """
    check_identifier(data)
    try:
        model = flatbuffer.root(data)
        graph = flatbuffer.tables(data, flatbuffer.field(data, model, SUBGRAPHS))[0]
        buffers = flatbuffer.tables(data, flatbuffer.field(data, model, BUFFERS))
        tensors = flatbuffer.tables(data, flatbuffer.field(data, graph, TENSORS))
        indices = _indices(data, graph, OUTPUTS, MAX_TENSORS)
        inputs, outputs = (
            [_tensor(data, tensors[index]) for index in part]
            for part in (_indices(data, graph, INPUTS, MAX_TENSORS), indices)
        )
        precision = _precision(data, tensors, buffers)
        ends = _ends(data, model, graph)
        post_processed = _post_processed(data, model, graph)
    except (struct.error, IndexError, ValueError) as problem:
        raise BundleError(f"not a TFLite file ({one_line(problem)})") from None
    names = [tensor.name for tensor in outputs]
    shapes = dict(zip(post_processed, POST_PROCESSED_SHAPES, strict=False))
    return Graph(
        tuple(inputs),
        tuple(
            replace(tensor, shape=shapes.get(index, tensor.shape))
            for index, tensor in zip(indices, outputs, strict=True)
        ),
        precision,
        "TFLite",
        post_processed=tuple(names[indices.index(index)] for index in shapes),
        ends={name: end for name, end in zip(names, ends, strict=True) if end},
    )


def _ends(data: bytes, model: int, graph: int) -> list[Operator | None]:
    """Return the operator that makes each output, where the graph tells."""
    kinds = [_kind(data, code) for code in flatbuffer.tables(data, flatbuffer.field(data, model, OPERATOR_CODES))]
    graph_inputs, graph_outputs = (_indices(data, graph, part) for part in (INPUTS, OUTPUTS))
    tape = Tape(graph_inputs)
    rest = len(data)
    for operator in flatbuffer.tables(data, flatbuffer.field(data, graph, OPERATORS)):
        index = flatbuffer.field(data, operator, 0)
        inputs, outputs = (_indices(data, operator, part) for part in (1, 2))
        rest -= 1 + len(inputs) + len(outputs)
        if rest < 0:
            raise ValueError("its operators take more than the file holds")
        tape.add(kinds[flatbuffer.uint32(data, index) if index else 0], inputs, outputs)
    makers = tape.makers(graph_outputs)
    return [makers.get(index) for index in graph_outputs]


def _post_processed(data: bytes, model: int, graph: int) -> list[int]:
    """Return the tensors of a detector's last operator where all of them are outputs; none elsewhere."""
    names = [
        flatbuffer.field(data, code, CUSTOM_CODE)
        for code in flatbuffer.tables(data, flatbuffer.field(data, model, OPERATOR_CODES))
    ]
    matches = [  # many of them could point to the same long name
        bool(name)
        and flatbuffer.count(data, name) == len(POST_PROCESS)
        and flatbuffer.content(data, name) == POST_PROCESS
        for name in names
    ]
    graph_outputs = _indices(data, graph, OUTPUTS, MAX_TENSORS)
    for operator in flatbuffer.tables(data, flatbuffer.field(data, graph, OPERATORS)):
        index = flatbuffer.field(data, operator, 0)
        if matches[flatbuffer.uint32(data, index) if index else 0]:
            outputs = _indices(data, operator, 2, MAX_TENSORS)
            return outputs if len(outputs) == 4 and set(outputs) <= set(graph_outputs) else []
    return []


def _kind(data: bytes, code: int) -> str:
    """Return the name of an operator's code, which older files keep in a byte and newer ones in a number as well."""
    byte, number = flatbuffer.field(data, code, 0), flatbuffer.field(data, code, 3)
    code_number = max(data[byte] if byte else 0, flatbuffer.uint32(data, number) if number else 0)
    return KINDS.get(code_number, "other")


def _indices(data: bytes, table: int, part: int, limit: int = flatbuffer.MAX_NUMBERS) -> list[int]:
    vector = flatbuffer.field(data, table, part)
    return [int(i) for i in flatbuffer.numbers(data, vector, "i", limit)] if vector else []


def _tensor(data: bytes, tensor: int) -> Tensor:
    shape, signature, name, scale = (
        flatbuffer.field(data, tensor, part) for part in (SHAPE, SIGNATURE, NAME, QUANTIZATION)
    )
    axes = flatbuffer.numbers(data, signature or shape, "i", MAX_AXES) if signature or shape else ()
    if name and flatbuffer.count(data, name) > MAX_NAME:
        raise ValueError(f"a name has {flatbuffer.count(data, name)} bytes")
    return Tensor(
        flatbuffer.content(data, name).decode() if name else "",
        tuple(int(size) if size > 0 else None for size in axes),
        _type(data, tensor),
        _scale(data, scale) if scale else None,
    )


def _type(data: bytes, tensor: int) -> str:
    code = flatbuffer.field(data, tensor, TYPE)
    return TYPES.get(data[code] if code else 0, f"type {data[code]}")


def _scale(data: bytes, tensor_field: int) -> QuantizationParams | None:
    quantization = flatbuffer.target(data, tensor_field)
    scale, zero = flatbuffer.field(data, quantization, SCALE), flatbuffer.field(data, quantization, ZERO_POINT)
    scales = flatbuffer.numbers(data, scale, "f") if scale else ()
    zeros = flatbuffer.numbers(data, zero, "q") if zero else ()
    return QuantizationParams(scales[0], int(zeros[0]) if zeros else 0) if len(scales) == 1 and scales[0] > 0 else None


def _precision(data: bytes, tensors: list[int], buffers: list[int]) -> Precision:
    """Tell a precision from the types of constants, which have a buffer with content, and of what is computed."""
    constants, computed = set[str](), set[str]()
    for tensor in tensors:
        field = flatbuffer.field(data, tensor, BUFFER)
        buffer = buffers[flatbuffer.uint32(data, field) if field else 0]
        held = any(flatbuffer.field(data, buffer, part) for part in (DATA, OFFSET))
        (constants if held else computed).add(_type(data, tensor))
    if "int16" in computed:
        return "int16x8"
    if computed & {"int8", "uint8"} and constants & {"int8", "uint8"}:
        return "int8"
    if "int8" in constants:
        return "int8-dynamic"
    return "fp16" if "float16" in constants else "fp32"
