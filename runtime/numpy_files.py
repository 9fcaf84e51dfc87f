"""NumPy's files: .npy with one array, .npz with arrays by name. Headers are checked before anything is allocated."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from runtime.errors import one_line

if TYPE_CHECKING:
    from numpy.typing import NDArray

NPY = b"\x93NUMPY"
"""The first bytes of a .npy file."""
NPZ = b"PK\x03\x04"
"""The first bytes of a .npz file."""
HEADER = 2**16
"""Bytes that the header of a .npy file may have."""


def write_npz(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """Return the content of a .npz file, the same for the same arrays."""
    import zipfile  # it imports much, and no prediction of images needs it

    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in arrays.items():
            member = io.BytesIO()
            np.lib.format.write_array(member, np.asarray(array, order="C"), allow_pickle=False)
            # a fixed date keeps the file the same for the same content
            info = zipfile.ZipInfo(f"{name}.npy", (1980, 1, 1, 0, 0, 0))
            archive.writestr(info, member.getvalue(), zipfile.ZIP_DEFLATED)
    return file.getvalue()


def read_npz(data: bytes, limit: int) -> dict[str, NDArray[Any]]:
    """Return the arrays of a .npz file by name.

    Args:
        data: The content of the file.
        limit: Bytes that it may unpack to.

    Raises:
        ValueError: If it is damaged, holds anything but numbers, or unpacks to more than `limit`.
    """
    import zipfile

    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            unpacked = sum(info.file_size for info in archive.infolist())
            members = {} if unpacked > limit else {name: archive.read(name) for name in archive.namelist()}
    except Exception as problem:  # zipfile and zlib raise whatever they meet in a damaged file
        raise ValueError(f"not a .npz file, or damaged ({one_line(problem)})") from None
    if unpacked > limit:
        raise ValueError(f"unpacks to {unpacked} bytes; the limit is {limit}")
    return {name.removesuffix(".npy"): read_npy(member, limit) for name, member in members.items()}


def read_npy(data: bytes, limit: int) -> NDArray[Any]:
    """Return the array of a .npy file.

    Args:
        data: The content of the file.
        limit: How many numbers it may hold.

    Raises:
        ValueError: If it is damaged, holds more, or anything but numbers and truths.
    """
    file = io.BytesIO(data)
    try:
        version = np.lib.format.read_magic(file)
        reader = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = reader(file)
        if min(shape, default=0) < 0:
            raise ValueError(f"a shape of {shape}")
    except Exception as problem:  # numpy has the header parsed as Python, which raises whatever it meets
        raise ValueError(f"not a .npy file, or damaged ({one_line(problem)})") from None
    if dtype.hasobject or dtype.kind not in "fiub" or math.prod(shape) > limit:
        raise ValueError(f"expected at most {limit} numbers, got {dtype} {list(shape)}")
    size, present = math.prod(shape) * dtype.itemsize, len(data) - file.tell()
    if size > present:
        raise ValueError(f"not a .npy file, or damaged ({dtype} {list(shape)} takes {size} bytes, there are {present})")
    file.seek(0)
    array: NDArray[Any] = np.lib.format.read_array(file, allow_pickle=False)
    return array
