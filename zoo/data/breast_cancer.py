"""569 tumours, malignant or benign, by thirty measurements of cell nuclei; comes with scikit-learn, no network."""

from __future__ import annotations

from pathlib import Path

from zoo.data import Dataset
from zoo.data._scikit_learn import class_table


def load(path: Path | None, seed: int) -> Dataset:
    """Return the tumours.

    Raises:
        DataError: If a path is given.
    """
    return class_table(
        "breast_cancer",
        path,
        seed,
        labels=("malignant", "benign"),
        source="scikit-learn's load_breast_cancer: UCI Breast Cancer Wisconsin (Diagnostic)",
        licence="CC BY 4.0",
    )
