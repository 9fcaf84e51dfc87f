"""Series: windows in the order of time, and what comes after each."""

from __future__ import annotations

import numpy as np
import pytest

from runtime.errors import DataError
from zoo.data import Sequences, Values, load_dataset
from zoo.data.series import HORIZON, LEAST_ROWS, LENGTH, WINDOWS
from zoo.recipes._inputs import sequences


def test_the_series_that_is_made_here():
    dataset = load_dataset("series", 0)
    assert (dataset.content, dataset.target) == (Sequences(("load",), 48), Values("load", "kW", 12))
    assert dataset.origin() == load_dataset("series", 1).origin()
    assert dataset.origin().samples == {"train": 1861, "validation": 421}
    train = dataset.splits["train"]
    assert train.items[0][:4, 0].tolist() == pytest.approx([29.8, 28.44, 29.42, 29.25])
    assert dataset.splits["validation"].targets[-1, -1] == pytest.approx(46.09)
    assert (train.items[0].shape, train.items[0].dtype) == ((48, 1), np.float32)
    assert (train.targets.shape, train.targets.dtype) == ((1861, 12), np.float32)


def test_it_can_be_foretold_from_its_past():
    """A linear fit on a window is far better than its mean, and cannot be perfect."""
    splits = load_dataset("series", 0).splits
    past = {name: np.stack([np.append(item[:, 0], 1) for item in split.items]) for name, split in splits.items()}
    weights = np.linalg.lstsq(past["train"], splits["train"].targets, rcond=None)[0]
    predictions, wanted = past["validation"] @ weights, splits["validation"].targets
    error = np.sqrt(np.mean((predictions - wanted) ** 2))
    assert 1 < error < 0.5 * wanted.std()


def write(file, rows, **columns):
    columns = {"day": [f"2024-{i}" for i in range(rows)], "load": [f"{i}" for i in range(rows)]} | columns
    file.write_text("\n".join([",".join(columns), *(",".join(row) for row in zip(*columns.values(), strict=True))]))
    return file


@pytest.mark.parametrize("rows", [LEAST_ROWS, 1001, 3 * WINDOWS, 20 * WINDOWS])
def test_windows_follow_time_and_never_cross_the_border(tmp_path, rows):
    file = write(tmp_path / "s.csv", rows, wind=[f"{-i}" for i in range(rows)])
    dataset = load_dataset(f"series:{file}", 0, "load")
    assert (dataset.name, dataset.content) == ("s", Sequences(("load", "wind"), LENGTH))
    assert dataset.target == Values("load", "", HORIZON)
    seen = {}
    for name, split in dataset.splits.items():
        for item, target in zip(split.items, split.targets, strict=True):
            start = int(item[0, 0])
            assert item[:, 0].tolist() == list(range(start, start + LENGTH))
            assert (item[:, 1] == -item[:, 0]).all()
            assert target.tolist() == list(range(start + LENGTH, start + LENGTH + HORIZON))
            seen.setdefault(name, set()).update(range(start, start + LENGTH + HORIZON))
    assert max(seen["train"]) < min(seen["validation"]) == int(0.8 * rows)
    assert len(seen["train"] | seen["validation"]) > rows - 2 * HORIZON
    count = sum(dataset.origin().samples.values())
    assert count <= max(WINDOWS, rows / HORIZON)
    assert sequences(None, dataset).features == ("load", "wind")


def test_a_single_column_of_numbers_is_the_target(tmp_path):
    dataset = load_dataset(f"series:{write(tmp_path / 's.csv', 300)}", 0)
    assert (dataset.content.features, dataset.target.name) == (("load",), "load")


def test_the_fingerprint_changes_with_any_cell(tmp_path):
    cells = [f"{i}" for i in range(300)]
    prints = set()
    for changed in (None, 0, 150, 239, 240, 299):
        values = [*cells]
        if changed is not None:
            values[changed] = "0.5"
        prints.add(load_dataset(f"series:{write(tmp_path / 's.csv', 300, load=values)}", 0).origin().fingerprint)
    assert len(prints) == 6


@pytest.mark.parametrize(
    ("rows", "columns", "target", "message"),
    [
        (LEAST_ROWS - 1, {}, "load", "has 299 rows; 300 are the least for windows of 60"),
        (300, {"load": ["5"] * 300}, "load", "the target 'load' is 5 in every row"),
        (300, {"load": ["1", "", "3"] * 100}, "load", "'load' is empty in lines 3, 6, 9, 12, 15 and 95 more: a series"),
        (
            300,
            {"load": ["1", "2", "x"] + ["3"] * 297},
            "load",
            "column 'load', line 4: 'x' is text in a numeric column",
        ),
        (300, {"load": ["1", "2", "inf"] + ["3"] * 297}, "load", "line 4: 'inf' is not a finite number"),
        (300, {}, "wind", "no column of numbers 'wind'; there are: load"),
        (300, {}, "day", "no column of numbers 'day'; there are: load"),
        (300, {"wind": ["1"] * 300}, None, "say which column is the target with --target; there are: load, wind"),
    ],
)
def test_series_that_cannot_be_learnt_are_refused(tmp_path, rows, columns, target, message):
    file = write(tmp_path / "s.csv", rows, **columns)
    with pytest.raises(DataError, match=message) as caught:
        load_dataset(f"series:{file}", 0, target)
    assert str(caught.value).startswith(f"{file}: ")


def test_windows_are_called_by_the_line_of_their_first_step(tmp_path):
    file = tmp_path / "s.csv"
    file.write_text("load,note\n\n" + "".join(f'{i % 7},"a\nb"\n' for i in range(400)))
    dataset = load_dataset(f"series:{file}", 0, "load")
    assert dataset.splits["train"].names[:3] == [f"{file}:{line}" for line in (3, 5, 7)]
    assert dataset.splits["validation"].names[0] == f"{file}:{3 + 2 * 320}"


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match=f"{tmp_path}/none.csv: can't be read"):
        load_dataset(f"series:{tmp_path}/none.csv", 0)


def test_the_series_that_is_made_here_has_one_column():
    assert load_dataset("series", 0, "load").target.name == "load"
    with pytest.raises(DataError, match="has no column 'wind'; leave out --target"):
        load_dataset("series", 0, "wind")
