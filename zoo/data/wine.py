"""178 wines of three kinds, by thirteen chemical measurements; comes with scikit-learn, no network."""

from __future__ import annotations

from pathlib import Path

from zoo.data import Dataset
from zoo.data._scikit_learn import class_table


def load(path: Path | None, seed: int) -> Dataset:
    """Return the wines.

    Raises:
        DataError: If a path is given.
    """
    return class_table(
        "wine",
        path,
        seed,
        labels=("barolo", "grignolino", "barbera"),
        source="scikit-learn's load_wine: UCI Wine (Aeberhard and Forina)",
        licence="CC BY 4.0",
    )
