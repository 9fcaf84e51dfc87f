"""Weights of ONNX files with fewer bits: they are stored smaller, and the graph turns them back into fp32."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from export.precision import Request

if TYPE_CHECKING:
    from numpy.typing import NDArray

WEIGHTS = {
    "Conv": (1,),
    "ConvTranspose": (1,),
    "Gemm": (1,),
    "MatMul": (0, 1),
    "LSTM": (1, 2),
    "GRU": (1, 2),
    "RNN": (1, 2),
}
"""Operators with weights: which of their inputs those are."""
ACTIVATED = ("Conv", "ConvTranspose", "Gemm", "MatMul")
"""Operators that compute in integers once their weights and activations are quantized."""
SMALLEST = 64
"""Weights of fewer values stay as they are: the scale and the names would take what they save."""
BLOCK = 32
"""Values of 4 bits that share a scale."""


def fp16(data: bytes, request: Request) -> bytes:
    """Store weights with 16 bits: ONNX Runtime turns them back once, when it opens the file, and loses no speed."""
    from onnx import TensorProto, helper, numpy_helper

    def halve(name: str, array: NDArray[np.float32], axis: int) -> tuple[list[Any], Any] | None:
        if np.abs(array).max(initial=0) > float(np.finfo(np.float16).max):
            return None
        stored = numpy_helper.from_array(array.astype(np.float16), f"{name}_fp16")
        return [stored], helper.make_node("Cast", [stored.name], [name], f"{name}_cast", to=TensorProto.FLOAT)

    model = load(data)
    kept = {name for node in model.graph.node if node.name in request.keep for name in node.input}
    others = {tensor.name: 0 for tensor in model.graph.initializer if tensor.name not in kept}
    return save(_rewritten(model, others, halve, smallest=2))


def int8_weights(data: bytes, request: Request) -> bytes:
    """Store weights with 8 bits, a scale for each output channel."""
    return save(with_int8_weights(load(data), request.keep))


def with_int8_weights(model: Any, keep: tuple[str, ...]) -> Any:
    """Store a model's weights with 8 bits, but for those of some nodes."""
    return _rewritten(model, _weights(model, keep), _linear(np.dtype(np.int8), 127))


def int4_weights(data: bytes, request: Request) -> bytes:
    """Store weights with 4 bits, a scale for each output channel, or each 32 values of it (opset 21)."""
    import ml_dtypes
    from onnx import version_converter

    model = load(data)
    if max(entry.version for entry in model.opset_import if not entry.domain) < 21:
        model = version_converter.convert_version(model, 21)
    return save(_rewritten(model, _weights(model, request.keep), _linear(np.dtype(ml_dtypes.int4), 7, BLOCK)))


def _weights(model: Any, keep: tuple[str, ...]) -> dict[str, int]:
    """Return the weights by name, with the axis that their output channels lie on."""
    axes = {}
    for node in model.graph.node:
        if node.name in keep:
            continue
        for index in WEIGHTS.get(node.op_type, ()):
            if index < len(node.input):
                axes[node.input[index]] = outputs_axis(node)
    return axes


def outputs_axis(node: Any) -> int:
    """Return the axis of a node's weights that its output channels lie on."""
    return {"Gemm": 0 if is_transposed(node) else 1, "MatMul": -1, "Conv": 0}.get(node.op_type, 1)


def is_transposed(node: Any) -> bool:
    """Tell whether a Gemm's weights have outputs as rows."""
    return any(attribute.name == "transB" and attribute.i for attribute in node.attribute)


Rewrite = Callable[[str, "NDArray[np.float32]", int], tuple[list[Any], Any] | None]
"""Takes a weight's name, values and axis; gives the tensors that replace it and the node that makes it from them."""


def _rewritten(model: Any, chosen: dict[str, int], rewrite: Rewrite, smallest: int = SMALLEST) -> Any:
    """Replace float weights."""
    from onnx import TensorProto, numpy_helper

    kept, nodes = [], []
    for tensor in model.graph.initializer:
        array = numpy_helper.to_array(tensor) if tensor.data_type == TensorProto.FLOAT else np.zeros(0, np.float32)
        fits = tensor.name in chosen and array.size >= smallest
        changed = rewrite(tensor.name, array, chosen[tensor.name]) if fits else None
        if changed is None:
            kept.append(tensor)
        else:
            kept += changed[0]
            nodes.append(changed[1])
    old = list(model.graph.node)
    del model.graph.initializer[:], model.graph.node[:]
    model.graph.initializer.extend(kept)
    model.graph.node.extend([*nodes, *old])
    return model


def _linear(dtype: np.dtype[Any], largest: int, block: int = 0) -> Rewrite:
    """Return what stores weights as integers of `dtype` up to `largest`, symmetric around 0."""
    from onnx import helper, numpy_helper

    def store(name: str, array: NDArray[np.float32], axis: int) -> tuple[list[Any], Any] | None:
        if not np.isfinite(array).all():
            return None
        axis %= array.ndim
        options: dict[str, Any] = {"axis": axis}
        if block and array.ndim == 2 and array.shape[1 - axis] % block == 0:
            axis = 1 - axis  # blocks lie along the inputs
            options = {"axis": axis, "block_size": block}
            parts = np.abs(array).reshape(*array.shape[:axis], -1, block, *array.shape[axis + 1 :])
            top = parts.max(axis=axis + 1)
            scale = np.where(top > 0, top / largest, 1).astype(np.float32)
            steps = np.repeat(scale, block, axis=axis)
        else:
            top = np.abs(array).max(axis=tuple(i for i in range(array.ndim) if i != axis))
            scale = np.where(top > 0, top / largest, 1).astype(np.float32)
            steps = scale.reshape([-1 if i == axis else 1 for i in range(array.ndim)])
        stored = numpy_helper.from_array(np.round(array / steps).astype(dtype), f"{name}_quantized")
        scales = numpy_helper.from_array(scale, f"{name}_scale")
        node = helper.make_node(
            "DequantizeLinear", [stored.name, scales.name], [name], f"{name}_DequantizeLinear", **options
        )
        return [stored, scales], node

    return store


def load(data: bytes) -> Any:
    """Return an ONNX file as a ``ModelProto``."""
    import onnx

    return onnx.load_from_string(data)


def save(model: Any) -> bytes:
    """Return a ``ModelProto`` as a file."""
    return bytes(model.SerializeToString())
