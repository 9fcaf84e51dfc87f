"""MNIST's handwritten digits, 28x28: `mnist:PATH` reads IDX files on disk, plain or gzipped; `mnist` downloads them."""

from __future__ import annotations

import gzip
import math
import os
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from runtime.errors import DataError, one_line
from zoo.dataset import Dataset, Split, split_apart

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_BYTES = 2**30
VALIDATION_SHARE = 0.1


def load(path: Path | None, seed: int) -> Dataset:
    """Return MNIST: a tenth of the training files for validation, the ``t10k`` files, where present, as test.

    Raises:
        DataError: If the files are missing or damaged, or can't be downloaded.
    """
    folder = _downloaded() if path is None else path
    images, targets = _pair(folder, "train")
    splits = split_apart(list(images), targets, seed, VALIDATION_SHARE)
    if _find(folder, "t10k-images-idx3-ubyte"):
        held, held_targets = _pair(folder, "t10k")
        splits["test"] = Split(list(held), held_targets)
    return Dataset(
        name="mnist",
        labels=tuple("0123456789"),
        splits=splits,
        mode="L",
        size=(images.shape[1], images.shape[2]),
        source="LeCun, Cortes and Burges: The MNIST database of handwritten digits",
        licence="CC BY-SA 3.0",
    )


def _downloaded() -> Path:
    from torchvision.datasets import MNIST

    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "edgezoo"
    try:
        for train in (True, False):
            MNIST(cache, train=train, download=True)
    except Exception as problem:  # urllib's and torchvision's have no common base
        raise DataError(
            f"MNIST can't be downloaded ({one_line(problem, 120)}): connect to a network, or give a folder that holds "
            "its files: mnist:PATH"
        ) from None
    return cache / "MNIST" / "raw"


def _pair(folder: Path, split: str) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    images = _read(folder, f"{split}-images-idx3-ubyte", 3)
    targets = _read(folder, f"{split}-labels-idx1-ubyte", 1)
    if len(images) != len(targets) or not len(images):
        raise DataError(f"{folder}: {len(images)} {split} images have {len(targets)} labels")
    if targets.max() > 9:
        raise DataError(f"{folder}: a {split} label is {targets.max()}; MNIST has 0 to 9")
    return images, targets.astype(np.int64)


def _find(folder: Path, name: str) -> Path | None:
    return next((file for suffix in ("", ".gz") if (file := folder / f"{name}{suffix}").is_file()), None)


def _read(folder: Path, name: str, axes: int) -> NDArray[np.uint8]:
    """Read one IDX file (format: the end of MNIST's own page): magic, sizes, bytes."""
    file = _find(folder, name)
    if file is None:
        what = f"has no {name} (or {name}.gz)" if folder.is_dir() else "no such folder"
        raise DataError(f"{folder}: {what}; give the folder with MNIST's four IDX files")
    try:
        with gzip.open(file) if file.suffix == ".gz" else file.open("rb") as opened:
            data = opened.read(MAX_BYTES + 1)
    except (OSError, EOFError, zlib.error) as problem:
        raise DataError(f"{file}: can't be read ({one_line(problem)})") from None
    head = 4 + 4 * axes
    shape = tuple(int(size) for size in np.frombuffer(data[4:head], ">u4")) if len(data) >= head else ()
    if data[:4] != bytes([0, 0, 8, axes]) or len(data) != head + math.prod(shape) or not all(shape):
        raise DataError(f"{file}: not an IDX file of {axes} axes of bytes, or cut short ({len(data)} bytes)")
    return np.frombuffer(data, np.uint8, offset=head).reshape(shape)
