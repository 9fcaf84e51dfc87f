"""150 flowers of three species of iris, by four lengths in centimetres; comes with scikit-learn, no network."""

from __future__ import annotations

from pathlib import Path

from zoo.data import Dataset
from zoo.data._scikit_learn import class_table


def load(path: Path | None, seed: int) -> Dataset:
    """Return the flowers.

    Raises:
        DataError: If a path is given.
    """
    return class_table(
        "iris",
        path,
        seed,
        labels=("setosa", "versicolor", "virginica"),
        source="scikit-learn's load_iris: Fisher's Iris, UCI, two wrong rows corrected after Fisher's paper",
        licence="CC BY 4.0",
    )
