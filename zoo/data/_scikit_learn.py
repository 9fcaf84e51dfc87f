"""The data sets that come with scikit-learn, so that they need no network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from runtime.errors import DataError, MissingExtraError
from zoo.data import Classes, Dataset, Rows, split_apart

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


def load_bundled(name: str, path: Path | None, **options: Any) -> Any:
    """Return what ``sklearn.datasets.load_NAME`` gives.

    Raises:
        DataError: If a path is given: the data lies with scikit-learn.
        MissingExtraError: If scikit-learn is not installed.
    """
    try:
        from sklearn import datasets
    except ImportError:
        raise MissingExtraError("scikit-learn", "train") from None
    if path is not None:
        raise DataError(f"{name.replace('_', '-')} takes no path, got {str(path)!r}; it comes with scikit-learn")
    return getattr(datasets, f"load_{name}")(**options)


def digit_images(path: Path | None) -> tuple[list[NDArray[np.uint8]], NDArray[np.int64]]:
    """Return the digits ``uint8 [8, 8]``, gray values scaled from 0-16 to 0-255, and what they are.

    Raises:
        DataError: If a path is given.
        MissingExtraError: If scikit-learn is not installed.
    """
    bunch = load_bundled("digits", path)
    return list(np.rint(bunch.images * (255 / 16)).astype(np.uint8)), bunch.target.astype(np.int64)


def class_table(name: str, path: Path | None, seed: int, labels: tuple[str, ...], source: str, licence: str) -> Dataset:
    """Return a table of numbers with classes as a data set, split by the seed.

    Args:
        name: What follows ``load_`` in ``sklearn.datasets``.
        path: Must be None.
        seed: Decides the split.
        labels: What the classes are called.
        source: See `Dataset`.
        licence: See `Dataset`.

    Raises:
        DataError: If a path is given.
        MissingExtraError: If scikit-learn is not installed.
    """
    bunch = load_bundled(name, path)
    return Dataset(
        name=name.replace("_", "-"),
        content=Rows(dict.fromkeys(map(str, bunch.feature_names))),
        target=Classes(labels),
        splits=split_apart([tuple(row) for row in bunch.data.tolist()], bunch.target.astype(np.int64), seed),
        source=source,
        licence=licence,
    )
