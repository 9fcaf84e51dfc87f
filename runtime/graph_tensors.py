"""The tensors of a model as the graph of a file has them: in other types, as integers, without a batch axis."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from runtime.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from runtime.spec import FileSpec


def to_graph(values: dict[str, NDArray[Any]], file: FileSpec, file_name: str) -> dict[str, NDArray[Any]]:
    """Return a batch of inputs by name as the graph takes it.

    Raises:
        InputError: If a value doesn't fit into the type that the graph takes.
    """
    arrays = {name: _converted(name, array, file, file_name) for name, array in values.items()}
    one = ((name, arrays[name]) for name in file.unbatched if name in arrays)
    return arrays | {name: array.reshape(array.shape[1:]) for name, array in one}


def from_graph(
    outputs: dict[str, NDArray[Any]], dtypes: dict[str, np.dtype[np.generic]], file: FileSpec
) -> dict[str, NDArray[Any]]:
    """Return a batch of outputs by name, in the model's types, of what the graph gave."""
    arrays = {}
    for name, dtype in dtypes.items():
        array = outputs[name][None] if name in file.unbatched else outputs[name]
        if name in file.dtypes:
            quantized = file.quantization.get(name)
            array = quantized.values(array) if quantized else array.astype(dtype)
        arrays[name] = array
    return arrays


def _converted(name: str, array: NDArray[Any], file: FileSpec, file_name: str) -> NDArray[Any]:
    dtype, quantized = file.dtypes.get(name), file.quantization.get(name)
    if dtype is None:
        return array
    if quantized is not None:
        return quantized.integers(array, dtype)
    with np.errstate(over="ignore"):
        converted: NDArray[Any] = array.astype(dtype)
    if not (np.isfinite(converted).all() if converted.dtype.kind == "f" else np.array_equal(converted, array)):
        raise InputError(f"{file_name} takes {name!r} as {dtype}, into which its values don't fit")
    return converted
