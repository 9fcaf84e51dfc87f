"""MNIST's handwritten digits, 28x28: `mnist:PATH` reads IDX files on disk, plain or gzipped; `mnist` downloads them."""

from __future__ import annotations

from pathlib import Path

from zoo.dataset import Classes, Dataset, Images
from zoo.download import downloaded
from zoo.idx import read_splits


def load(path: Path | None, seed: int) -> Dataset:
    """Return MNIST, bright on black: a tenth of the training files for validation, the ``t10k`` files as test.

    Raises:
        DataError: If the files are missing or damaged, or can't be downloaded.
    """
    splits = read_splits(downloaded("MNIST", _download, "mnist") / "raw" if path is None else path, seed)
    return Dataset(
        name="mnist",
        content=Images("L", splits["train"].items[0].shape, (0, 0, 0)),
        target=Classes(tuple("0123456789")),
        splits=splits,
        source="LeCun, Cortes and Burges: The MNIST database of handwritten digits",
        licence="CC BY-SA 3.0",
    )


def _download(folder: Path) -> None:
    from torchvision.datasets import MNIST

    MNIST(folder, download=True)
