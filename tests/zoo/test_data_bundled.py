"""Tables that come with scikit-learn: their rows, names and splits."""

from __future__ import annotations

import numpy as np
import pytest

from runtime.errors import DataError
from runtime.inputs import CategoricalColumn
from zoo.data import Rows, Values, load_dataset
from zoo.recipes._inputs import tables

CLASSES = {
    "iris": (150, 4, {"setosa": 50, "versicolor": 50, "virginica": 50}),
    "wine": (178, 13, {"barolo": 59, "grignolino": 71, "barbera": 48}),
    "breast-cancer": (569, 30, {"malignant": 212, "benign": 357}),
}


@pytest.mark.parametrize("name", CLASSES)
def test_tables_of_classes(name):
    rows, columns, counts = CLASSES[name]
    dataset = load_dataset(name, 0)
    assert (dataset.name, len(dataset.content.columns)) == (name, columns)
    balance = dataset.balance()
    assert {label: balance["train"][label] + balance["validation"][label] for label in counts} == counts
    for label, count in counts.items():
        assert balance["validation"][label] == pytest.approx(count / 5, abs=1)
    assert sum(dataset.origin().samples.values()) == rows
    assert not {*dataset.splits["train"].items} & {*dataset.splits["validation"].items}


def test_iris_rows_bear_the_names_of_their_columns():
    dataset = load_dataset("iris", 0)
    assert dataset.content == Rows(
        dict.fromkeys(f"{part} {side} (cm)" for part in ("sepal", "petal") for side in ("length", "width"))
    )
    train = dataset.splits["train"]
    assert all(type(cell) is float for row in train.items for cell in row)
    longest = max(range(len(train.items)), key=lambda i: train.items[i][2])
    assert dataset.target.labels[train.targets[longest]] == "virginica"


def test_diabetes_is_in_its_own_units():
    dataset = load_dataset("diabetes", 0)
    assert dataset.target == Values("disease progression")
    assert dataset.origin().samples == {"train": 354, "validation": 88}
    targets = np.concatenate([split.targets for split in dataset.splits.values()])
    assert (targets.dtype, targets.min(), targets.max()) == (np.float32, 25, 346)
    table_input = tables(None, dataset)
    age, sex = table_input.columns[:2]
    assert (age.name, age.low, age.high) == ("age", 19, 79)
    assert sex == CategoricalColumn("categorical", "sex", ("1", "2"))
    assert {table_input.read(row).shape for split in dataset.splits.values() for row in split.items} == {(11,)}


@pytest.mark.parametrize("name", [*CLASSES, "diabetes"])
def test_the_seed_decides_the_split(name):
    origins = [load_dataset(name, seed).origin() for seed in (0, 0, 1)]
    assert origins[0] == origins[1] != origins[2]


@pytest.mark.parametrize("name", [*CLASSES, "diabetes"])
def test_they_take_no_path(name):
    with pytest.raises(DataError, match=f"{name} takes no path, got 'here'"):
        load_dataset(f"{name}:here", 0)
