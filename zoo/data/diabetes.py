"""442 patients with diabetes and how far it came in a year, a number; comes with scikit-learn, no network."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from zoo.data import Dataset, Rows, Values, split_apart
from zoo.data._scikit_learn import load_bundled

SEX = 1


def load(path: Path | None, seed: int) -> Dataset:
    """Return the patients, each column in its own unit; the sexes are 1 and 2, the source doesn't say which is which.

    Raises:
        DataError: If a path is given.
    """
    bunch = load_bundled("diabetes", path, scaled=False)
    rows = [tuple(f"{cell:.0f}" if i == SEX else cell for i, cell in enumerate(row)) for row in bunch.data.tolist()]
    columns: dict[str, tuple[str, ...] | None] = dict.fromkeys(bunch.feature_names)
    columns["sex"] = ("1", "2")
    return Dataset(
        name="diabetes",
        content=Rows(columns),
        target=Values("disease progression"),
        splits=split_apart(rows, bunch.target.astype(np.float32), seed),
        source="scikit-learn's load_diabetes: Efron, Hastie, Johnstone and Tibshirani, Least Angle Regression, 2004",
        licence="not stated",
    )
