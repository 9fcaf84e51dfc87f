"""CIFAR-10's small photos in ten classes, 32x32: `cifar10:PATH` reads its binary version; `cifar10` downloads it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from runtime.errors import DataError, one_line
from runtime.regular_files import read_regular
from zoo.data import Classes, Dataset, Images, Split, split_apart
from zoo.data._download import downloaded

if TYPE_CHECKING:
    from numpy.typing import NDArray

LABELS = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
SIZE = (32, 32)
RECORD = 1 + 3 * 32 * 32
MAX_BYTES = 2**30
VALIDATION_SHARE = 0.1
FOLDER = "cifar-10-batches-bin"
URL = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"
MD5 = "c32a1d4ab5d03f1284b67883e8d87530"


def load(path: Path | None, seed: int) -> Dataset:
    """Return CIFAR-10: a tenth of its training batches for validation, the test batch, where present, as test.

    Raises:
        DataError: If the files are missing or damaged, or can't be downloaded.
    """
    folder = downloaded(FOLDER, _download, "cifar10") if path is None else path
    batches = [_read(folder / f"data_batch_{number}.bin") for number in range(1, 6)]
    images = [image for batch in batches for image in batch.items]
    splits = split_apart(images, np.concatenate([batch.targets for batch in batches]), seed, VALIDATION_SHARE)
    if (folder / "test_batch.bin").exists():
        splits["test"] = _read(folder / "test_batch.bin")
    return Dataset(
        name="cifar10",
        content=Images("RGB", SIZE),
        target=Classes(LABELS),
        splits=splits,
        source="Krizhevsky: Learning Multiple Layers of Features from Tiny Images (CIFAR-10)",
        licence="not stated",
    )


def _download(folder: Path) -> None:
    from torchvision.datasets.utils import download_and_extract_archive

    download_and_extract_archive(URL, str(folder), md5=MD5)


def _read(file: Path) -> Split:
    """Read a batch: of each image one byte with its class, then its red, green and blue pixels, row by row."""
    if not file.is_file():
        what = f"has no {file.name}" if file.parent.is_dir() else "no such folder"
        raise DataError(f"{file.parent}: {what}; give the folder of CIFAR-10's binary version, {FOLDER}")
    try:
        data = read_regular(file, MAX_BYTES)
    except OSError as problem:
        raise DataError(f"{file}: can't be read ({one_line(problem)})") from None
    if not data or len(data) % RECORD:
        raise DataError(f"{file}: not whole records of {RECORD} bytes, or cut short ({len(data)} bytes)")
    records = np.frombuffer(data, np.uint8).reshape(-1, RECORD)
    targets = records[:, 0].astype(np.int64)
    if targets.max() >= len(LABELS):
        raise DataError(f"{file}: a label is {targets.max()}; they are 0 to {len(LABELS) - 1}")
    images: NDArray[np.uint8] = np.ascontiguousarray(records[:, 1:].reshape(-1, 3, *SIZE).transpose(0, 2, 3, 1))
    return Split(list(images), targets)
