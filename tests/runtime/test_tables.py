"""Tables from dicts, rows, arrays and CSV files to predictions, on each engine."""

from __future__ import annotations

import contextlib
import csv
import importlib

import numpy as np
import pytest

import runtime
from runtime import InputError, OptionError
from runtime.csv_file import read_csv
from runtime.inputs import CategoricalColumn
from runtime.tasks import ClassPrediction
from runtime.verify import verify
from tests.conftest import CITIES
from tests.engines import FLOAT_ENGINES


@pytest.fixture(scope="module", params=FLOAT_ENGINES)
def model(request, table_bundle):
    return runtime.load(table_bundle, engine=request.param, threads=1)


def scores(predictions):
    return np.stack([prediction.scores for prediction in predictions])


def write_csv(path, rows, separator=","):
    with path.open("w", newline="", encoding="utf-8-sig") as file:
        writer = csv.DictWriter(file, ["more", *rows[0]], delimiter=separator, restval="ignored")
        writer.writeheader()
        writer.writerows(rows)
    return path


def test_a_row_is_encoded_as_the_columns_say(model):
    answer = model.predict({"year": 2000, "city": "Oslo", "age": "33.5", "more": "ignored"})
    assert isinstance(answer, ClassPrediction)
    assert answer.input.tolist() == [33.5, 0, 0, 1, 0, 2000]
    assert answer.label in ("no", "yes")
    assert answer.scores.sum() == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("empty", [None, "", "  ", float("nan"), np.float32("nan")])
def test_an_empty_cell_is_the_missing_value_or_a_category(model, empty):
    assert model.predict([empty, empty, 2000]).input.tolist() == [45, 1, 0, 0, 0, 2000]


def frames(rows):
    """Return the rows as data frames of every library that is here."""
    pyarrow = pytest.importorskip("pyarrow")
    by_library = {"table": pyarrow.Table.from_pylist(rows), "batch": pyarrow.RecordBatch.from_pylist(rows)}
    with contextlib.suppress(ImportError):
        by_library["polars"] = importlib.import_module("polars").DataFrame(rows)
    with contextlib.suppress(ImportError):
        by_library["pandas"] = importlib.import_module("pandas").DataFrame(rows)

    class Other:
        """A library of which only Arrow's interface is known."""

        columns = tuple(rows[0])

        def __arrow_c_stream__(self, requested_schema=None):
            return by_library["table"].__arrow_c_stream__(requested_schema)

    return by_library | {"other": Other()}


def test_data_frames_are_rows_by_the_names_of_their_columns(model, rows):
    plain = [
        {"more": "ignored", **{name: row[name] or None for name in ("year", "city")}, "age": float(row["age"] or "nan")}
        for row in ({"age": 1, "city": "Oslo", "year": 2000} | dict(row) for row in rows if isinstance(row, dict))
    ]
    wanted = scores([model.predict(row) for row in plain])
    for name, frame in frames(plain).items():
        assert np.array_equal(scores(model.predict(frame)), wanted), name
        assert np.array_equal(scores(model.stream(frame)), wanted), name
        assert np.array_equal(scores(model.attempt(frame)), wanted), name


def test_data_frames_that_cannot_be_rows(model):
    for frame in frames([{"age": 1.0, "year": 2000}]).values():
        with pytest.raises(InputError, match="the data frame lacks the column 'city'; it has: age, year"):
            model.predict(frame)
    pyarrow = pytest.importorskip("pyarrow")
    twice = pyarrow.Table.from_arrays([pyarrow.array([1.0])] * 2, names=["age", "age"])
    with pytest.raises(InputError, match="the data frame has two columns 'age': rename one"):
        model.predict(twice)
    with pytest.raises(InputError, match="expected a row as a dict or a list of cells"):
        model.predict(pyarrow.array([1.0]))


def test_whole_numbers_that_a_frame_made_floats_are_still_categories():
    column = CategoricalColumn("categorical", "room", ("", "1", "2"))
    assert column.encode(2.0) == [0, 0, 1]
    assert column.encode(np.float32("nan")) == [1, 0, 0]
    with pytest.raises(InputError, match="unknown category"):
        column.encode(1.5)


def test_every_form_of_rows_gives_the_same(model, rows, tmp_path):
    one_by_one = [model.predict(row) for row in rows]
    wanted = scores(one_by_one)
    cells = [list(row.values()) for row in rows]
    for form in (
        rows,
        tuple(rows),
        cells,
        np.array(cells, object),
        write_csv(tmp_path / "rows.csv", rows),
        str(write_csv(tmp_path / "semicolons.csv", rows, ";")),
        write_csv(tmp_path / "tabs.csv", rows, "\t"),
    ):
        predictions = model.predict(form)
        assert type(predictions) is list
        assert np.abs(scores(predictions) - wanted).max() <= 1e-6
    assert np.abs(scores(list(model.stream(iter(rows)))) - wanted).max() <= 1e-6


def test_a_row_is_one_prediction_and_no_rows_are_none(model):
    assert isinstance(model.predict([30, "Bern", 1999]), ClassPrediction)
    assert isinstance(model.predict(b'{"age": 30, "city": "Bern", "year": 1999}'), ClassPrediction)
    assert model.predict([]) == []


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"age": 3, "city": "Rome", "year": 2000}, "unknown category of column 'city': 'Rome'"),
        ({"age": 3, "city": "Olso", "year": 2000}, "did you mean 'Oslo'"),
        ({"age": 3, "year": 2000}, "the row lacks the column 'city'; it has: age, year"),
        ({"age": 3, "city": "Oslo", "year": ""}, "column 'year' is empty; it had a value in every training row"),
        ({"age": "old", "city": "Oslo", "year": 2000}, "column 'age' must be a number, got 'old'"),
        ({"age": float("inf"), "city": "Oslo", "year": 2000}, "column 'age' must be a number, got inf"),
        ({"age": 1e300, "city": "Oslo", "year": 2000}, "column 'age' must be a number"),
        ([1, "Oslo"], "a row has 3 cells"),
        ([[1, "Oslo", 2000], 3], "a row has 3 cells"),
        (np.zeros((2, 2, 3)), "a row has 3 cells"),
        (b"[" * 100_000, "the row is not JSON"),
        (b"\xff\xfe", "the row is not JSON"),
        (b"3", "expected a row as a dict or a list of cells, got int"),
        (3, "expected a row as a dict or a list of cells, got int"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_rows_that_cannot_be_encoded(model, row, message):
    with pytest.raises(InputError) as caught:
        model.predict(row)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "needs a line with the columns' names"),
        (b"age,city,year\n", "at least one row"),
        (b"age,city\n1,Oslo\n", "lacks the column 'year'; it has: age, city"),
        (b"age,city,year\n1,Oslo\n", "line 2 has 2 cells, the first line 3"),
        (b"age,age,year\n1,2,3\n", "the first line must name each column, all different"),
        (b"age,,year\n1,2,3\n", "the first line must name each column"),
        (b'age,city,year\n1,"Oslo\n', "not a CSV file"),
        (b"age,city,year\n1," + b"x" * (1 << 20) + b"x,3\n", "not a CSV file"),
        (b"\x89PNG\r\n\x1a\n\xff\xff", "can't be read as UTF-8 text"),
        (b"age,city,year\n1,Oslo,2000\n1,Rome,2000\n", "rows.csv:3: unknown category"),
        (b'age,city,year\n\n\n1,"Os\nlo",2000\n', "rows.csv:4: unknown category"),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_csv_files_that_are_none(table_bundle, tmp_path, content, message):
    path = tmp_path / "rows.csv"
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        runtime.load(table_bundle).predict(path)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


LINES = {
    "plain": (b"a,b\n1,2\n3,4\n", [2, 3]),
    "blank lines": (b"a,b\n\n1,2\n\n\n3,4\n\n", [3, 6]),
    "blank lines at the head": (b"\n\na;b\n1;2\n3;4", [4, 5]),
    "lines of spaces": (b"a,b\n  \n1,2\n\t\n3,4\n   \n", [3, 5]),
    "cells of several lines": (b'a,b\n"1\n\n2",2\n3,"4\n"\n5,6\n', [2, 5, 7]),
    "a header of several lines": (b'"a\nx";"b,c"\n1;2\n\n3;4\n', [3, 5]),
    "CRLF": (b'a,b\r\n\r\n"1\r\n2",2\r\n3,4\r\n', [3, 5]),
    "CR": (b"a,b\r\r1,2\r3,4", [3, 4]),
    "byte order mark": (b"\xef\xbb\xbfa,b\n\n1,2\n", [3]),
    "quotes": (b'a,b\n"1 ""x""\n",2\n3,4\n', [2, 4]),
    "other separators of lines": ("a,b\n1\u2028,2\x0c\n3\x85,4\n".encode(), [2, 3]),
}


@pytest.mark.parametrize("name", LINES)
def test_rows_know_the_line_of_the_file_in_which_they_begin(tmp_path, name):
    content, lines = LINES[name]
    (tmp_path / "rows.csv").write_bytes(content)
    table = read_csv(tmp_path / "rows.csv")
    assert list(table.lines) == lines
    assert {len(row) for row in table.rows} == {len(table.header)} == {2}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'a,b\n\n"1\n2",2\n3\n', "line 5 has 1 cells, the first line 2"),
        (b'a,b\n\n1,2\n"3,4\n5,6\n', "not a CSV file (line 4: "),
    ],
)
def test_the_line_that_breaks_the_file_is_named(tmp_path, content, message):
    (tmp_path / "rows.csv").write_bytes(content)
    with pytest.raises(InputError) as caught:
        read_csv(tmp_path / "rows.csv")
    assert message in str(caught.value)


def test_a_csv_file_that_is_not_there(table_bundle, tmp_path):
    with pytest.raises(InputError, match="can't be read"):
        runtime.load(table_bundle).predict(tmp_path / "nowhere.csv")
    with pytest.raises(InputError, match="can't be read"):
        runtime.load(table_bundle).predict(tmp_path)


def test_top_is_checked_before_anything_is_read(table_bundle):
    model = runtime.load(table_bundle)
    for call in (model.predict, model.stream):
        with pytest.raises(OptionError, match="top must be at least 1"):
            call("nowhere.csv", top=0)


def test_the_bundle_verifies_with_inputs_that_are_exactly_the_same(table_bundle):
    inputs, *files = verify(table_bundle, threads=1)
    assert (inputs.passed, inputs.max_difference, inputs.tolerance, inputs.samples) == (True, 0, 0, 8)
    assert len(files) == len(FLOAT_ENGINES)
    assert all(file.passed for file in files)


def test_a_row_survives_its_encoding(table_bundle, rows):
    input_spec = runtime.Bundle.read(table_bundle).manifest.model.input
    for row in rows:
        for form in (row, list(row.values()), np.array(list(row.values()), object)):
            assert np.array_equal(input_spec.read(input_spec.encode(form)), input_spec.read(row))


def test_categories_that_look_like_numbers_survive_too():
    from runtime.inputs import CategoricalColumn, TableInput

    input_spec = TableInput("table", "x", (CategoricalColumn("categorical", "class", ("1", "2", "3")),))
    for cell in (2, "2", " 2 ", np.int64(2)):
        assert input_spec.read([cell]).tolist() == [0, 1, 0]
        assert input_spec.read(input_spec.encode([cell])).tolist() == [0, 1, 0]


def test_hard_rows_are_at_the_edges(table_bundle):
    hard = runtime.Bundle.read(table_bundle).manifest.model.input.edge_cases()
    assert hard.shape == (3, 6)
    assert hard[0].tolist() == [18, 1, 0, 0, 0, 1990]
    assert hard[1].tolist() == [89, 0, 0, 0, 1, 2025]
    assert hard[2, 1 : 1 + len(CITIES)].sum() == 1
