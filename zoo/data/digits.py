"""1,797 handwritten digits of 8x8 pixels that come with scikit-learn; no path, no network."""

from __future__ import annotations

from pathlib import Path

from zoo.data import Classes, Dataset, Images, split_apart
from zoo.data._scikit_learn import digit_images


def load(path: Path | None, seed: int) -> Dataset:
    """Return the digits, bright on black.

    Raises:
        DataError: If a path is given.
    """
    images, targets = digit_images(path)
    return Dataset(
        name="digits",
        content=Images("L", (8, 8), (0, 0, 0)),
        target=Classes(tuple("0123456789")),
        splits=split_apart(images, targets, seed),
        source="scikit-learn's load_digits: UCI Optical Recognition of Handwritten Digits, test set",
        licence="CC BY 4.0",
    )
