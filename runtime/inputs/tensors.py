"""Tensors: the inputs of a network as arrays by name, for those that are neither images, tables nor sequences."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from runtime.errors import InputError, one_line, unknown
from runtime.frozen_dataclass import frozen_dataclass
from runtime.numpy_files import NPZ, read_npy, read_npz, write_npz
from runtime.regular_files import read_input
from runtime.schema import check_types
from runtime.shapes import fits
from runtime.tensor_spec import MAX_ELEMENTS, SeveralTensors, TensorSpec, check_tensors
from runtime.tensors import by_name, stack

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from runtime.tensors import Tensors

MAX_BYTES = 2**30
"""Bytes that the arrays of one sample may have."""
SPREAD = 3.0
"""How far from 0 made-up numbers go where the usual range is unknown: three deviations of a scaled input."""


@frozen_dataclass
class TensorsInput(SeveralTensors):
    """Arrays by name, as a network takes them.

    Args:
        kind: Always ``tensors``.
        tensors: The graph's inputs, in the order in which the module takes them.
        lengths: The usual length of each axis of any length, by its name; files of fixed sizes have these.
    """

    kind: Literal["tensors"]
    tensors: tuple[TensorSpec, ...]
    lengths: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check the types, and that the parts belong together."""
        check_types(self)
        check_tensors(self.tensors)
        if not any(tensor.shape for tensor in self.tensors):
            raise ValueError("one of the tensors needs an axis besides the batch axis")
        axes = {axis for tensor in self.tensors for axis in tensor.dynamic}
        for axis, length in self.lengths.items():
            if axis not in axes or length < 1:
                raise ValueError(f"lengths: {axis!r} must be an axis of a tensor, with a length above 0, got {length}")
        for tensor in self.tensors:
            if math.prod(self._shape(tensor)) > MAX_ELEMENTS:
                raise ValueError(
                    f"tensor {tensor.name!r}: a sample of {list(self._shape(tensor))} has over {MAX_ELEMENTS} elements"
                )

    def read(self, source: Any) -> Tensors:
        """Return one sample.

        Args:
            source: A dict from a tensor's name to its array, without the batch axis, or a ``.npz`` file, or its bytes;
                where there is one tensor, an array or a ``.npy`` file too.

        Returns:
            The arrays by name, of the tensors' types and shapes; the array alone where there is one tensor.

        Raises:
            InputError: If the source can't be used; names the tensor.
        """
        arrays, where = self._arrays(source)
        for name in arrays:
            if name not in self.names:
                raise InputError(f"{where}{unknown('tensor', name, self.names)}")
        sample, lengths = {}, dict[str, int]()
        for tensor in self.tensors:
            if tensor.name not in arrays:
                raise InputError(f"{where}the tensor {tensor.name!r} is missing; wanted: {', '.join(self.names)}")
            sample[tensor.name] = _checked(arrays[tensor.name], tensor, lengths, where)
        return self._sample(sample)

    def _arrays(self, source: Any) -> tuple[Mapping[Any, Any], str]:
        """Return the arrays that a source holds by name, and how messages begin that name it."""
        if isinstance(source, Mapping):
            return source, ""
        where, suffix = "", ""
        if isinstance(source, str | os.PathLike):
            path = os.fspath(source)
            where, suffix = f"{path}: ", Path(path).suffix.lower()
            if suffix not in (".npz", ".npy"):
                raise InputError(f"{where}expected a .npz file with the tensors {', '.join(self.names)}")
            source = read_input(path, MAX_BYTES)
        if isinstance(source, bytes | bytearray | memoryview):
            data = bytes(source)
            try:
                if data.startswith(NPZ):
                    return read_npz(data, MAX_BYTES), where
                source = read_npy(data, MAX_BYTES)
            except ValueError as problem:
                raise InputError(f"{where}{problem}") from None
        if len(self.tensors) > 1:
            raise InputError(
                f"{where}expected a dict or a .npz file with the tensors {', '.join(self.names)}, "
                f"got {type(source).__name__}"
            )
        return {self.names[0]: source}, where

    def several(self, inputs: Any) -> Iterable[Any] | None:
        """Return the samples of a list, or of arrays that all have a batch axis; None for a single sample."""
        if isinstance(inputs, list | tuple):
            return inputs
        arrays = inputs if isinstance(inputs, Mapping) else {self.names[0]: inputs}
        axes = {tensor.name: 1 + len(tensor.shape) for tensor in self.tensors}
        batched = all(isinstance(array, np.ndarray) and array.ndim == axes.get(name) for name, array in arrays.items())
        sizes = {len(array) for array in arrays.values()} if batched else set[int]()
        if len(sizes) != 1:
            return None
        return [{name: array[index] for name, array in arrays.items()} for index in range(sizes.pop())]

    def encode(self, sample: Any) -> bytes:
        """Return a sample as the bytes of a ``.npz`` file.

        Raises:
            InputError: If it can't be used.
        """
        return write_npz(by_name(self.read(sample), self.names))

    def edge_cases(self) -> Tensors:
        """Return all at the lower end of the range, all at the upper end, and noise between them: three samples."""
        low, high = (
            self._sample({tensor.name: self._filled(tensor, end) for tensor in self.tensors}) for end in (0, 1)
        )
        return stack([low, high, self.noise(0)])

    def noise(self, seed: int) -> Tensors:
        """Return a made-up sample: even noise over the range of each tensor."""
        random, arrays = np.random.default_rng(seed), {}
        for tensor in self.tensors:
            (low, high), shape = _range(tensor), self._shape(tensor)
            if tensor.numpy_dtype.kind == "f":
                arrays[tensor.name] = random.uniform(low, high, shape).astype(tensor.dtype)
            else:
                arrays[tensor.name] = random.integers(int(low), int(high), shape, endpoint=True).astype(tensor.dtype)
        return self._sample(arrays)

    def _filled(self, tensor: TensorSpec, end: int) -> NDArray[Any]:
        return np.full(self._shape(tensor), _range(tensor)[end]).astype(tensor.dtype)

    def _shape(self, tensor: TensorSpec) -> tuple[int, ...]:
        return tuple(self.lengths.get(size, 1) if isinstance(size, str) else size for size in tensor.shape)

    def _sample(self, arrays: dict[str, NDArray[Any]]) -> Tensors:
        return arrays if len(arrays) > 1 else arrays[self.names[0]]


def _checked(value: Any, tensor: TensorSpec, lengths: dict[str, int], where: str) -> NDArray[Any]:
    """Return a value as the tensor's array; `lengths` collects those of the named axes."""
    try:
        array = np.asarray(value)
    except ValueError as problem:  # lists of different lengths
        raise InputError(f"{where}tensor {tensor.name!r}: {one_line(problem)}") from None
    wanted = tensor.numpy_dtype
    expected = f"{where}tensor {tensor.name!r}: expected {tensor.dtype} [{', '.join(map(str, tensor.shape))}]"
    if array.dtype.kind not in {"f": "fiu", "i": "iu", "u": "iu", "b": "b"}[wanted.kind]:
        raise InputError(f"{expected}, got {array.dtype} {list(array.shape)}")
    if not fits(array.shape, tensor.sizes):
        raise InputError(f"{expected} without a batch axis, got {array.dtype} {list(array.shape)}")
    for axis, length in zip(tensor.shape, array.shape, strict=True):
        if isinstance(axis, str) and lengths.setdefault(axis, length) != length:
            raise InputError(
                f"{expected}: its axis {axis!r} has the length {length}, that of another tensor {lengths[axis]}"
            )
    if wanted.kind in "iu" and array.size:
        limits, low, high = np.iinfo(tensor.dtype), int(array.min()), int(array.max())
        if low < limits.min or high > limits.max:
            raise InputError(f"{expected}: values from {low} to {high} don't fit into {tensor.dtype}")
    with np.errstate(over="ignore"):
        converted: NDArray[Any] = np.ascontiguousarray(array, wanted).reshape(array.shape)
    if wanted.kind == "f" and not np.isfinite(converted).all():
        raise InputError(f"{where}tensor {tensor.name!r} holds values that are not finite")
    return converted


def _range(tensor: TensorSpec) -> tuple[float, float]:
    """Return the ends of the range that made-up values of a tensor have."""
    usual = (-SPREAD, SPREAD) if tensor.numpy_dtype.kind == "f" else (0, 1)
    low = usual[0] if tensor.low is None else tensor.low
    return low, max(low, usual[1]) if tensor.high is None else tensor.high
