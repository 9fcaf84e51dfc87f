"""A graph's own inputs and outputs as the manifest describes tensors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast, get_args

from runtime.printable import is_printable
from runtime.quantization import QuantizationParams
from runtime.spec import INTEGERS
from runtime.tensor_spec import DType, GraphDType, TensorSpec
from zoo.imports.graphs import Graph, Tensor

STANDS_FOR: dict[str, DType] = {"float16": "float32", "float64": "float32", "int16": "int32"}
"""What the manifest calls the types of graphs that it doesn't have."""


@dataclass(frozen=True)
class Described:
    """The tensors of a graph.

    Args:
        inputs: Its inputs, in their order.
        outputs: Its outputs.
        file: The arguments of `runtime.spec.FileSpec` that tell how the file differs: ``batch``, ``dtypes``,
            ``quantization`` and ``unbatched``. A batch of None may be any, as far as the graph tells.
    """

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    file: dict[str, Any]


def describe(graph: Graph, *, batched: bool) -> Described:
    """Describe the tensors of a graph.

    The first axis of a tensor is the batch axis if its size is 1, or if it may have any size and has no other name
    than that of the first input. Other tensors have none, and the file runs one sample at a time.

    Args:
        graph: The graph.
        batched: Whether a fixed size above 1 of the first input's first axis is that of a batch, as it is of images.

    Raises:
        ValueError: If a tensor has no shape, or a type that the manifest has no name for.
    """
    tensors = (*graph.inputs, *graph.outputs)
    for tensor in tensors:
        if tensor.shape is None:
            raise ValueError(f"the graph doesn't say the shape of {tensor.name!r}: add it with onnx.shape_inference")
        if tensor.dtype not in get_args(GraphDType):
            raise ValueError(f"{tensor} has a type that can't be fed; {', '.join(get_args(GraphDType))} can")
    sizes = (1, *_batch(graph.inputs[0])) if batched else (1,)
    name = _name(graph.inputs[0])
    unbatched = tuple(tensor.name for tensor in tensors if not _has_batch(tensor, sizes, name))
    fixed = max(sizes)
    quantization = {tensor.name: tensor.scale for tensor in tensors if tensor.scale and tensor.dtype in INTEGERS}
    dtypes = {
        tensor.name: tensor.dtype for tensor in tensors if tensor.name in quantization or tensor.dtype in STANDS_FOR
    }
    file = {
        "batch": 1 if unbatched else fixed if fixed > 1 else None,
        "dtypes": dtypes,
        "quantization": quantization,
        "unbatched": unbatched,
    }
    inputs, outputs = (
        tuple(_spec(tensor, unbatched, quantization) for tensor in part) for part in (graph.inputs, graph.outputs)
    )
    return Described(inputs, outputs, file)


def _batch(tensor: Tensor) -> Sequence[int]:
    return [size for size in (tensor.shape or ())[:1] if size]


def _name(tensor: Tensor) -> str:
    return tensor.axes[0] if tensor.axes else ""


def _has_batch(tensor: Tensor, sizes: Sequence[int], name: str) -> bool:
    if not tensor.shape:
        return False
    size = tensor.shape[0]
    return size in sizes if size is not None else _name(tensor) in ("", name) or not name


def _spec(tensor: Tensor, unbatched: Sequence[str], quantization: dict[str, QuantizationParams]) -> TensorSpec:
    first = 0 if tensor.name in unbatched else 1
    shape = tuple(_axis(tensor, number) if size is None else size for number, size in enumerate(tensor.shape or ()))[
        first:
    ]
    quantized = quantization.get(tensor.name)
    if quantized is None:
        return TensorSpec(tensor.name, shape, STANDS_FOR.get(tensor.dtype, cast(DType, tensor.dtype)))
    low, high = quantized.range(tensor.dtype)
    return TensorSpec(tensor.name, shape, low=low, high=high)


def _axis(tensor: Tensor, number: int) -> str:
    """Return the name of an axis of any length."""
    name = tensor.axes[number] if tensor.axes else ""
    return name if name and is_printable(name) else f"{tensor.name} axis {number}"
