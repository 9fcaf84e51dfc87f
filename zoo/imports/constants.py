"""Inputs of an ONNX file that stay the same at every run, such as a rate: their values become part of the file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from runtime.errors import BundleError, MissingExtraError, one_line, unknown
from zoo.imports.graphs import Graph, Tensor

if TYPE_CHECKING:
    import onnx
    from numpy.typing import NDArray

KINDS = {"f": float, "i": int, "u": int}
"""What reads the value of an input, by the kind of numpy's type."""


def with_constants(data: bytes, suffix: str, graph: Graph, constants: Mapping[str, str]) -> bytes:
    """Return a file without those inputs that have a constant value.

    Args:
        data: The file.
        suffix: Of its name.
        graph: Its graph.
        constants: The values as text, by the inputs' names; each input holds one number.

    Raises:
        ValueError: If there is no such input, or its value is not of its type.
        BundleError: If the file can't be read.
        MissingExtraError: If onnx is not installed.
    """
    if not constants:
        return data
    if suffix != "onnx":
        raise ValueError(f"--constant is for .onnx files, not for .{suffix}")
    inputs = {tensor.name: tensor for tensor in graph.inputs}
    for name in constants:
        if name not in inputs:
            raise ValueError(f"--constant: {unknown('input', name, inputs)}")
    values = {name: _value(inputs[name], text) for name, text in constants.items()}
    model = parse(data)
    import onnx

    for value in [value for value in model.graph.input if value.name in values]:
        model.graph.input.remove(value)
    model.graph.initializer.extend(onnx.numpy_helper.from_array(value, name) for name, value in values.items())
    return bytes(model.SerializeToString())


def parse(data: bytes) -> onnx.ModelProto:
    """Return an ONNX file as onnx has it.

    Raises:
        BundleError: If it can't be read.
        MissingExtraError: If onnx is not installed.
    """
    try:
        import onnx
        from google.protobuf.message import DecodeError
    except ImportError:
        raise MissingExtraError("onnx, which rewrites the file,", "export") from None
    try:
        return onnx.load_model_from_string(data)
    except DecodeError as problem:
        raise BundleError(f"not an ONNX file ({one_line(problem)})") from None


def _value(tensor: Tensor, text: str) -> NDArray[Any]:
    """Return an input's value.

    Raises:
        ValueError: If the input holds more than one number, or the text is none of its type.
    """
    if tensor.shape is None or any(size != 1 for size in tensor.shape):
        raise ValueError(f"--constant {tensor.name}: the input {tensor} does not hold one number")
    shape = (1,) * len(tensor.shape)
    read = KINDS.get(np.dtype(tensor.dtype).kind) if tensor.dtype in np.sctypeDict else None
    if read is None:
        raise ValueError(f"--constant {tensor.name}: an input of type {tensor.dtype} can't have a constant")
    try:
        with np.errstate(over="ignore"):
            value: NDArray[Any] = np.full(shape, read(text), tensor.dtype)
    except (ValueError, OverflowError):
        value = np.full(shape, np.nan)
    if not np.isfinite(value).all():
        raise ValueError(f"--constant {tensor.name} must be a number of type {tensor.dtype}, got {text!r}")
    return value
