"""Requests and responses of the Open Inference Protocol, in HTTP and gRPC alike, and their tensors.

https://github.com/kserve/open-inference-protocol
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from runtime.errors import shown
from zoo.serving.errors import RequestError

if TYPE_CHECKING:
    from numpy.typing import NDArray

BYTES = "BYTES"
"""The datatype whose elements are byte strings; its arrays have the dtype object."""
DATATYPES = {
    "BOOL": np.dtype(np.bool_),
    **{f"{'U' * (kind == 'u')}INT{8 * size}": np.dtype(f"{kind}{size}") for kind in "iu" for size in (1, 2, 4, 8)},
    **{f"FP{8 * size}": np.dtype(f"f{size}") for size in (2, 4, 8)},
}
"""The datatypes of numbers, and numpy's."""
_NAMES = {dtype: name for name, dtype in DATATYPES.items()}


@dataclass(frozen=True)
class TensorDeclaration:
    """A tensor as a model's metadata declares it.

    Args:
        name: Its name.
        datatype: The protocol's name of its type.
        shape: Its axes; -1 is any length.
    """

    name: str
    datatype: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class InferRequest:
    """A request to infer.

    Args:
        model: The model's name.
        inputs: The arrays by name; those of `BYTES` have the dtype object.
        outputs: The names of the wanted outputs; empty for all.
        version: The wanted version of the model; empty for any.
        id: The client's name for the request, which the response repeats.
        seconds: How long the client waits for the answer; None where it doesn't say.
    """

    model: str
    inputs: dict[str, NDArray[Any]]
    outputs: tuple[str, ...] = ()
    version: str = ""
    id: str = ""
    seconds: float | None = None


@dataclass(frozen=True)
class InferResponse:
    """The answer.

    Args:
        model: The model's name.
        version: The version of the model that answered.
        outputs: The arrays by name.
        id: See `InferRequest`.
    """

    model: str
    version: str
    outputs: dict[str, NDArray[Any]] = field(default_factory=dict)
    id: str = ""


def datatype_of(array: NDArray[Any] | np.dtype[Any]) -> str:
    """Return the protocol's name of an array's type."""
    dtype = array if isinstance(array, np.dtype) else array.dtype
    return BYTES if dtype.kind == "O" else _NAMES[dtype.newbyteorder("=")]


def byte_strings(elements: Sequence[bytes]) -> NDArray[Any]:
    """Return byte strings as an array ``object [elements]``."""
    array = np.empty(len(elements), object)
    array[:] = elements
    return array


def decode_tensor(name: str, datatype: str, shape: Sequence[int], data: bytes | memoryview) -> NDArray[Any]:
    """Return the array of a tensor in the protocol's binary form: little endian, row-major.

    Raises:
        RequestError: If the datatype is unknown, or the data are not what datatype and shape say.
    """
    count = count_elements(name, shape)
    if datatype == BYTES:
        return byte_strings(_split(name, data, count)).reshape(tuple(shape))
    dtype = dtype_of(name, datatype)
    if len(data) != count * dtype.itemsize:
        raise RequestError(
            f"input {name!r}: {datatype} {list(shape)} takes {count * dtype.itemsize} bytes, got {len(data)}"
        )
    array: NDArray[Any] = np.frombuffer(data, dtype.newbyteorder("<")).reshape(tuple(shape))
    if dtype.kind == "b" and (array.view(np.uint8) > 1).any():
        raise RequestError(f"input {name!r}: a BOOL is a byte of 0 or 1")
    return array.astype(dtype, copy=False)


def encode_tensor(array: NDArray[Any]) -> bytes:
    """Return an array in the protocol's binary form; see `decode_tensor`."""
    if array.dtype.kind == "O":
        return b"".join(struct.pack("<I", len(element)) + element for element in array.ravel())
    return np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes()


def dtype_of(name: str, datatype: str) -> np.dtype[Any]:
    """Return numpy's type for a datatype of numbers.

    Raises:
        RequestError: If there is no such datatype.
    """
    if datatype not in DATATYPES:
        raise RequestError(f"input {name!r}: the datatype must be one of {BYTES}, {', '.join(DATATYPES)}, "
                           f"got {shown(datatype)}")  # fmt: skip
    return DATATYPES[datatype]


def count_elements(name: str, shape: Sequence[int]) -> int:
    """Return how many elements a shape from outside has.

    Raises:
        RequestError: If it is no shape.
    """
    if len(shape) > 32 or not all(type(size) is int and 0 <= size < 2**31 for size in shape):
        raise RequestError(f"input {name!r}: the shape must be a list of sizes, got {shown(shape)}")
    return math.prod(shape)


def _split(name: str, data: bytes | memoryview, count: int) -> list[bytes]:
    """Return byte strings that follow one another, each after its length as ``uint32``."""
    elements: list[bytes] = []
    at, view = 0, memoryview(data)
    while at < len(view) and len(elements) < count:
        length = int.from_bytes(view[at : at + 4], "little")
        end = at + 4 + length
        if at + 4 > len(view) or end > len(view):
            break
        elements.append(bytes(view[at + 4 : end]))
        at = end
    if at != len(view) or len(elements) != count:
        raise RequestError(f"input {name!r}: its bytes are not {count} {BYTES} elements, each after its length")
    return elements
