"""1,797 handwritten digits of 8x8 pixels that come with scikit-learn; no path, no network."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from runtime.errors import DataError, MissingExtraError
from zoo.dataset import Dataset, split_apart


def load(path: Path | None, seed: int) -> Dataset:
    """Return the digits, grey values scaled from 0-16 to 0-255.

    Raises:
        DataError: If a path is given.
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        raise MissingExtraError("scikit-learn", "train") from None
    if path is not None:
        raise DataError(f"digits takes no path, got {str(path)!r}; for MNIST files write mnist:{path}")
    images, targets = load_digits(return_X_y=True)
    pixels = np.rint(images.reshape(-1, 8, 8) * (255 / 16)).astype(np.uint8)
    return Dataset(
        name="digits",
        labels=tuple("0123456789"),
        splits=split_apart(list(pixels), targets.astype(np.int64), seed),
        mode="L",
        size=(8, 8),
        source="scikit-learn's load_digits: UCI Optical Recognition of Handwritten Digits, test set",
        licence="CC BY 4.0",
    )
