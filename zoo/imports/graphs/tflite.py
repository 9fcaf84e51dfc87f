"""TFLite files (fields as numbered in TensorFlow Lite's schema.fbs)."""

from __future__ import annotations

import struct

from runtime import flatbuffer
from runtime.errors import BundleError, one_line
from runtime.feed import Quantised
from runtime.spec import Precision
from runtime.tflite import BUFFERS, INPUTS, OUTPUTS, SUBGRAPHS, check_identifier
from zoo.imports.graphs import Graph, Tensor

TYPES = {
    0: "float32", 1: "float16", 2: "int32", 3: "uint8", 4: "int64", 5: "text", 6: "bool", 7: "int16", 9: "int8",
    10: "float64",
}  # fmt: skip
TENSORS = 0
SHAPE, TYPE, BUFFER, NAME, QUANTISATION, SIGNATURE = 0, 1, 2, 3, 4, 7
SCALE, ZERO_POINT = 2, 3
DATA, OFFSET = 0, 1
"""Fields of ``Buffer``: what large files hold stands behind the FlatBuffer, at an offset."""


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
        taken, given = (
            [_tensor(data, tensors[int(i)]) for i in flatbuffer.numbers(data, flatbuffer.field(data, graph, part), "i")]
            for part in (INPUTS, OUTPUTS)
        )
        precision = _precision(data, tensors, buffers)
    except (struct.error, IndexError, ValueError) as problem:
        raise BundleError(f"not a TFLite file ({one_line(problem)})") from None
    return Graph(tuple(taken), tuple(given), precision, "TFLite")


def _tensor(data: bytes, tensor: int) -> Tensor:
    shape, signature, name, scale = (
        flatbuffer.field(data, tensor, part) for part in (SHAPE, SIGNATURE, NAME, QUANTISATION)
    )
    axes = flatbuffer.numbers(data, signature or shape, "i") if signature or shape else ()
    return Tensor(
        flatbuffer.content(data, name).decode() if name else "",
        tuple(int(size) if size > 0 else None for size in axes),
        _type(data, tensor),
        _scale(data, scale) if scale else None,
    )


def _type(data: bytes, tensor: int) -> str:
    code = flatbuffer.field(data, tensor, TYPE)
    return TYPES.get(data[code] if code else 0, f"type {data[code]}")


def _scale(data: bytes, place: int) -> Quantised | None:
    quantisation = flatbuffer.target(data, place)
    scale, zero = flatbuffer.field(data, quantisation, SCALE), flatbuffer.field(data, quantisation, ZERO_POINT)
    scales = flatbuffer.numbers(data, scale, "f") if scale else ()
    zeros = flatbuffer.numbers(data, zero, "q") if zero else ()
    return Quantised(scales[0], int(zeros[0]) if zeros else 0) if len(scales) == 1 and scales[0] > 0 else None


def _precision(data: bytes, tensors: list[int], buffers: list[int]) -> Precision:
    """Tell a precision from the types of constants, which have a buffer with content, and of what is computed."""
    constants, computed = set(), set()
    for tensor in tensors:
        place = flatbuffer.field(data, tensor, BUFFER)
        buffer = buffers[flatbuffer.uint32(data, place) if place else 0]
        held = any(flatbuffer.field(data, buffer, part) for part in (DATA, OFFSET))
        (constants if held else computed).add(_type(data, tensor))
    if "int16" in computed:
        return "int16x8"
    if computed & {"int8", "uint8"} and constants & {"int8", "uint8"}:
        return "int8"
    if "int8" in constants:
        return "int8-dynamic"
    return "fp16" if "float16" in constants else "fp32"
