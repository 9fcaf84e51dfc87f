"""Handwritten digits and things like them in IDX files, as MNIST and the sets made in its image have them."""

from __future__ import annotations

import gzip
import math
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from runtime.errors import DataError, one_line
from runtime.regular_files import open_regular
from zoo.data import Split, split_apart

if TYPE_CHECKING:
    from numpy.typing import NDArray

EMBEDDED = Path(__file__).parent / "_mnist"
"""The IDX files of 7,000 training and 1,500 test digits; the README beside them says where they come from."""
CLASSES = 10
MAX_BYTES = 2**30
VALIDATION_SHARE = 0.1


def read_splits(folder: Path, seed: int) -> dict[str, Split]:
    """Read four IDX files, plain or gzipped: a tenth of ``train`` is validation, ``t10k``, where present, is test.

    Returns:
        Splits of images ``uint8 [height, width]`` with targets of 0 to 9.

    Raises:
        DataError: If the files are missing or damaged; names them.
    """
    images, targets = _pair(folder, "train")
    splits = split_apart(list(images), targets, seed, VALIDATION_SHARE)
    if _find(folder, "t10k-images-idx3-ubyte"):
        held, held_targets = _pair(folder, "t10k")
        splits["test"] = Split(list(held), held_targets)
    return splits


def _pair(folder: Path, split: str) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    images = _read(folder, f"{split}-images-idx3-ubyte", 3)
    targets = _read(folder, f"{split}-labels-idx1-ubyte", 1)
    if len(images) != len(targets):
        raise DataError(f"{folder}: {len(images)} {split} images have {len(targets)} labels")
    if targets.max() >= CLASSES:
        raise DataError(f"{folder}: a {split} label is {targets.max()}; they are 0 to {CLASSES - 1}")
    return images, targets.astype(np.int64)


def _find(folder: Path, name: str) -> Path | None:
    return next((file for suffix in ("", ".gz") if (file := folder / f"{name}{suffix}").is_file()), None)


def _read(folder: Path, name: str, axes: int) -> NDArray[np.uint8]:
    """Read one IDX file (format: the end of MNIST's own page): magic, sizes, bytes."""
    file = _find(folder, name)
    if file is None:
        what = f"has no {name} (or {name}.gz)" if folder.is_dir() else "no such folder"
        raise DataError(f"{folder}: {what}; give the folder with the four IDX files")
    try:
        with open_regular(file) as plain, gzip.open(plain) if file.suffix == ".gz" else plain as opened:
            data = opened.read(MAX_BYTES + 1)
    except (OSError, EOFError, zlib.error) as problem:
        raise DataError(f"{file}: can't be read ({one_line(problem)})") from None
    head = 4 + 4 * axes
    shape = tuple(int(size) for size in np.frombuffer(data[4:head], ">u4")) if len(data) >= head else ()
    if data[:4] != bytes([0, 0, 8, axes]) or len(data) != head + math.prod(shape) or not all(shape):
        raise DataError(f"{file}: not an IDX file of {axes} axes of bytes, or cut short ({len(data)} bytes)")
    return np.frombuffer(data, np.uint8, offset=head).reshape(shape)
