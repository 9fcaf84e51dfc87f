"""IDX files, the format of MNIST."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


def idx(array: NDArray[np.uint8], shape: tuple[int, ...] | None = None, kind: int = 8) -> bytes:
    """Return an array as IDX; `shape` and `kind` (8 is unsigned bytes) may lie."""
    sizes = array.shape if shape is None else shape
    return bytes([0, 0, kind, len(sizes)]) + np.array(sizes, ">u4").tobytes() + array.tobytes()


def write_mnist(
    folder: Path, images: NDArray[Any], targets: NDArray[Any], split: str = "train", gz: bool = False
) -> Path:
    folder.mkdir(exist_ok=True)
    for name, array in (("images-idx3", images), ("labels-idx1", targets)):
        data = idx(array.astype(np.uint8))
        file = folder / f"{split}-{name}-ubyte{'.gz' if gz else ''}"
        file.write_bytes(gzip.compress(data) if gz else data)
    return folder
