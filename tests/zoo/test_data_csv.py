"""Tables of one's own: what a column holds, what the target is, and what is refused, by column and line."""

from __future__ import annotations

import numpy as np
import pytest

from runtime.csv_file import MAX_FIELD
from runtime.errors import DataError, OptionError
from runtime.inputs import CategoricalColumn, NumericColumn
from zoo.data import Classes, LabelSets, Rows, Values, load_dataset
from zoo.recipes._inputs import tables

ROWS = 40


@pytest.fixture
def write(tmp_path):
    """Write columns to a CSV file; changes are (column, row, cell)."""

    def write(*changes, separator=",", encoding="utf-8", end="\n", **more):
        columns = {
            "age": [f"{20 + i}" for i in range(ROWS)],
            "town": [("Ulm", "Köln", "Bonn")[i % 3] for i in range(ROWS)],
            "paid": [f"{i * 1.5}" for i in range(ROWS)],
            "kind": [("yes", "no")[i % 2] for i in range(ROWS)],
        } | more
        for column, row, cell in changes:
            columns[column][row] = cell
        lines = [separator.join(columns), *(separator.join(row) for row in zip(*columns.values(), strict=True))]
        file = tmp_path / "table.csv"
        file.write_bytes((end.join(lines) + end).encode(encoding))
        return file

    return write


def load(file, target="kind", seed=0):
    return load_dataset(f"csv:{file}", seed, target)


def everything(dataset):
    pairs = [pair for s in dataset.splits.values() for pair in zip(s.items, s.targets.tolist(), strict=True)]
    return sorted(pairs, key=str)


def test_columns_are_told_apart_by_their_cells(write):
    dataset = load(write())
    assert dataset.name == "table"
    assert dataset.content == Rows({"age": None, "town": ("Bonn", "Köln", "Ulm"), "paid": None})
    assert dataset.target == Classes(("no", "yes"))
    assert dataset.origin().samples == {"train": 32, "validation": 8}
    assert dataset.balance()["validation"] == {"no": 4, "yes": 4}
    assert ((21.0, "Köln", 1.5), 0) in everything(dataset)
    table_input = tables(None, dataset)
    assert [type(column) for column in table_input.columns] == [NumericColumn, CategoricalColumn, NumericColumn]
    assert all(table_input.read(row).shape == (5,) for split in dataset.splits.values() for row in split.items)


@pytest.mark.parametrize(
    "how",
    [
        {"separator": ";"},
        {"separator": "\t"},
        {"encoding": "utf-8-sig"},
        {"end": "\r\n"},
        {"separator": ";", "encoding": "utf-8-sig", "end": "\r\n"},
    ],
    ids=["semicolons", "tabs", "BOM", "Windows lines", "Excel"],
)
def test_dialects_are_the_same_data(write, how):
    assert load(write(**how)).origin() == load(write()).origin()


def test_quoted_cells_and_spaces_are_read(write):
    dataset = load(write(("town", 4, '"Bonn, ""am Rhein"""'), ("town", 7, '"Bonn, ""am Rhein"""'), ("age", 4, " 24 ")))
    assert 'Bonn, "am Rhein"' in dataset.content.columns["town"]
    assert (24.0, 'Bonn, "am Rhein"', 6.0) in [row for row, _ in everything(dataset)]


def test_empty_cells_are_missing_values(write):
    dataset = load(write(("age", 3, ""), ("age", 9, " "), ("age", 10, ""), ("age", 11, ""), ("town", 5, "")))
    assert dataset.content.columns["town"] == ("", "Bonn", "Köln", "Ulm")
    rows = [row for row, _ in everything(dataset)]
    assert sum(row[0] is None for row in rows) == 4
    assert sum(row[1] == "" for row in rows) == 1
    table_input = tables(None, dataset)
    assert table_input.columns[0].missing is not None
    assert all(np.isfinite(table_input.read(row)).all() for row in rows)


def test_a_column_may_be_constant_or_there_twice(write):
    dataset = load(write(same=["3"] * ROWS, age2=[f"{20 + i}" for i in range(ROWS)]))
    table_input = tables(None, dataset)
    assert np.isfinite(np.stack([table_input.read(row) for row in dataset.splits["train"].items])).all()
    assert next(column.std for column in table_input.columns if column.name == "same") == 1


@pytest.mark.parametrize(
    ("cells", "target"),
    [
        ([f"{i % 3}" for i in range(ROWS)], Classes(("0", "1", "2"))),
        ([f"{10 * (i % 3) - 10}.0" for i in range(ROWS)], Classes(("-10", "0", "10"))),
        ([f"{i % 10}" for i in range(ROWS)], Classes(tuple("0123456789"))),
        ([f"{i % 11}" for i in range(ROWS)], Values("y")),
        ([f"{i}" for i in range(ROWS)], Values("y")),
        ([f"{i % 2}.5" for i in range(ROWS)], Values("y")),
        ([f"1e{i % 2}" for i in range(ROWS)], Classes(("1", "10"))),
        ([f"{i % 2}a" for i in range(ROWS)], Classes(("0a", "1a"))),
    ],
    ids=["whole", "whole with a point", "ten", "eleven", "many", "halves", "exponents", "text"],
)
def test_what_a_target_is_follows_from_its_cells(write, cells, target):
    dataset = load(write(y=cells), "y")
    assert dataset.target == target
    numbers = {row[0]: cell for row, cell in everything(dataset)}
    for i, cell in enumerate(cells):
        value = numbers[20.0 + i]
        label = cell if isinstance(target, Values) else target.labels[value]
        assert label == cell or float(label) == float(cell)
        assert isinstance(target, Classes) or value == np.float32(cell)


def test_few_rows_of_whole_numbers_are_values(tmp_path):
    file = tmp_path / "few.csv"
    file.write_text("x,y\n" + "".join(f"{i},{i % 6}\n" for i in range(12)))
    assert load(file, "y").target == Values("y")


def test_several_targets_are_labels(write):
    flags = {"red": [f"{i % 2}" for i in range(ROWS)], "big": [f"{int(i > 5)}.0" for i in range(ROWS)]}
    dataset = load(write(**flags), "big, red")
    assert dataset.target == LabelSets(("big", "red"))
    assert [*dataset.content.columns] == ["age", "town", "paid", "kind"]
    assert {row[0]: held for row, held in everything(dataset)} == {20.0 + i: [int(i > 5), i % 2] for i in range(ROWS)}


def test_a_target_may_have_a_comma_in_its_name(write):
    file = write(**{"size, in cm": [f"{i}.5" for i in range(ROWS)]})
    file.write_text(file.read_text().replace("size, in cm", '"size, in cm"'))
    assert load(file, "size, in cm").target == Values("size, in cm")


def test_the_seed_decides_the_split(write):
    origins = [load(write(), seed=seed).origin() for seed in (0, 0, 1)]
    assert origins[0] == origins[1] != origins[2]


@pytest.mark.parametrize("column", ["age", "town", "paid", "kind"])
@pytest.mark.parametrize("row", [0, ROWS - 1])
def test_the_fingerprint_changes_with_any_cell(write, column, row):
    other = {"age": "99", "town": "Bonn" if row == 0 else "Köln", "paid": "", "kind": "no" if row == 0 else "yes"}
    assert load(write((column, row, other[column]))).origin().fingerprint != load(write()).origin().fingerprint


def numbers(count):
    return [f"{i}.25" for i in range(count)]


@pytest.mark.parametrize(
    ("changes", "more", "message"),
    [
        ([("age", 6, "old")], {}, "column 'age', line 8: 'old' is text in a numeric column; correct it, or leave"),
        (
            [("age", 6, "?"), ("age", 9, "?"), ("age", 2, "nan")],
            {},
            r"column 'age', line 8: '\?' is text in a numeric column \(and 2 more such cells\)",
        ),
        ([("paid", 0, "nan")], {}, "column 'paid', line 2: 'nan' is not a finite number of 32 bits"),
        ([("paid", 0, "-inf")], {}, "column 'paid', line 2: '-inf' is not a finite number"),
        ([("paid", 0, "1e39")], {}, "column 'paid', line 2: '1e39' is not a finite number"),
        ([("age", 6, "x" * 5000)], {}, "line 8: 'x{39}…' is text in a numeric column"),
        ([], {"gone": [""] * ROWS}, "the column 'gone' is empty in every row; remove it"),
        ([], {"id": [f"no. {i}" for i in range(ROWS)]}, "column 'id' holds 40 different texts in 40 rows, such as"),
        ([], {"cost": [f"{i},5" for i in range(ROWS)]}, "line 2 has 6 cells, the first line 5"),
        ([], {"cost": [f'"{i},5"' for i in range(ROWS)]}, "such as '0,5'; .* write them with a point and without"),
        ([], {"mixed": ["?"] * 5 + numbers(ROWS - 5)}, r"'mixed' holds 36 different .* such as '\?'; 20 are the most"),
        ([("kind", 5, "")], {}, "the target 'kind' is empty in line 7; fill it in, or remove the rows"),
        ([("kind", i, " ") for i in range(8)], {}, "'kind' is empty in lines 2, 3, 4, 5, 6 and 3 more"),
        ([("kind", i, "no") for i in range(ROWS)], {}, "the target 'kind' is 'no' in every row: there is nothing"),
        ([("kind", 5, "perhaps")], {}, r"'kind' is 'perhaps' in a single row \(line 7\); a class needs two or more"),
        ([("kind", 5, '"a\tb"'), ("kind", 6, '"a\tb"')], {}, "line 7: the class 'a.*b' has signs that can't be"),
    ],
    ids=[
        "text", "several", "nan", "inf", "too large", "huge text", "empty", "ids", "ragged", "decimal commas",
        "markers", "empty target", "many empty targets", "constant target", "single class", "class with a tab",
    ],
)  # fmt: skip
def test_cells_that_break_the_rule_are_named(write, changes, more, message):
    file = write(*changes, **more)
    with pytest.raises(DataError, match=message) as caught:
        load(file)
    assert str(caught.value).startswith(f"{file}: ")
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (["7"] * ROWS, "the target 'y' is '7' in every row"),
        (["1", "1.0"] * (ROWS // 2), "the target 'y' is '1' in every row"),
        (["a few", *numbers(ROWS - 1)], "column 'y', line 2: 'a few' is text in a numeric column"),
        ([f"p{i}" for i in range(ROWS)], "the column 'y' holds 40 different texts"),
        (["0"] * (ROWS - 1) + ["1"], r"the target 'y' is '1' in a single row \(line 41\)"),
    ],
    ids=["constant", "constant number", "text", "names", "single class"],
)
def test_targets_that_cannot_be_learnt_are_refused(write, cells, message):
    with pytest.raises(DataError, match=message):
        load(write(y=cells), "y")


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (["0", "1", "2", "1"] * 10, "column 'y', line 4: '2' is not 0 or 1, which several targets must be"),
        (["a", "b"] * 20, "column 'y', line 2: 'a' is not 0 or 1"),
        (["1"] * ROWS, "the target 'y' is '1' in every row"),
    ],
)
def test_several_targets_hold_or_not(write, cells, message):
    with pytest.raises(DataError, match=message):
        load(write(y=cells, z=["0", "1"] * 20), "y,z")


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (None, "say which column is the target with --target; there are: age, town, paid, kind"),
        ("knid", r"unknown target 'knid' \(did you mean 'kind'\?\); choose from: age, kind, paid, town"),
        ("kind,", "unknown target ''"),
        ("", "unknown target ''"),
        ("age,town,paid,kind", "has 0 columns besides the target"),
    ],
)
def test_the_target_must_be_a_column(write, target, message):
    with pytest.raises(DataError, match=message):
        load(write(), target)


def test_lines_are_those_of_the_file(tmp_path):
    file = tmp_path / "table.csv"
    rows = [f'{i},"a\nb",{"xy"[i % 2]}\n\n' for i in range(12)]
    file.write_text("n,text,kind\n" + "".join(rows))
    dataset = load_dataset(f"csv:{file}", 0, "kind")
    names = {
        item[0]: name for split in dataset.splits.values() for item, name in zip(split.items, split.names, strict=True)
    }
    assert names == {float(i): f"{file}:{2 + 3 * i}" for i in range(12)}
    file.write_text("n,text,kind\n" + "".join([*rows[:10], *(row.replace("10,", "?,") for row in rows[10:])]))
    with pytest.raises(DataError, match=r"column 'n', line 32: '\?' is text"):
        load_dataset(f"csv:{file}", 0, "kind")


def test_a_table_of_many_columns_lists_some():
    from zoo.data._tables import names_of

    assert names_of([f"c{i}" for i in range(300)]).endswith("c19, … (300 in all)")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "needs a line with the columns' names and at least one row"),
        (b"x,kind\n", "needs a line with the columns' names and at least one row"),
        (b"x,kind\n1,a\n2,b\n", "has 2 rows; 10 are the least to train and validate with"),
        (b"x,kind\n1,a\n2\n", "line 3 has 1 cells, the first line 2"),
        (b"x,kind\n1,a,3\n", "line 2 has 3 cells, the first line 2"),
        (b"x,x,kind\n1,2,a\n", "the first line must name each column, all different; got x, x, kind"),
        (b"x,,kind\n1,2,a\n", "the first line must name each column"),
        ("größe,kind\n1,ä\n".encode("latin-1"), "can't be read as UTF-8 text"),
        ("x,kind\n1,a\n".encode("utf-16"), "can't be read as UTF-8 text"),
        (b'x,kind\n1,"a\n2,b\n', "not a CSV file"),
        (b"x,kind\n1," + b"a" * (MAX_FIELD + 1) + b"\n", "not a CSV file"),
        (b"\x89PNG\r\n\x1a\n", "can't be read as UTF-8 text"),
        (None, "can't be read as UTF-8 text"),
    ],
    ids=[
        "empty", "header only", "few rows", "short row", "long row", "same names", "no name", "Latin 1", "UTF-16",
        "open quote", "huge cell", "an image", "absent",
    ],
)  # fmt: skip
def test_files_that_are_no_table_are_refused(tmp_path, content, message):
    file = tmp_path / "table.csv"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        load(file)
    assert str(caught.value).startswith(f"{file}: ")


def test_a_table_needs_a_path():
    with pytest.raises(DataError, match="csv:PATH"):
        load_dataset("csv", 0, "kind")


def columns(dataset):
    return {column.name: column for column in dataset.columns}


def test_columns_are_described_as_they_were_read(write):
    half = ["" if i % 2 else "0.5" for i in range(ROWS)]
    columns_by_name = columns(load(write(("age", 3, ""), half=half, same=["7"] * ROWS)))
    assert (columns_by_name["age"].kind, columns_by_name["age"].holds) == ("whole numbers", "20 to 59, mean 39.92")
    assert columns_by_name["age"].missing == pytest.approx(1 / ROWS)
    assert (columns_by_name["town"].kind, columns_by_name["town"].holds) == ("categories", "3: Bonn, Köln, Ulm")
    assert columns_by_name["paid"].kind == "numbers"
    assert (columns_by_name["half"].missing, columns_by_name["half"].remark) == (0.5, "")
    assert columns_by_name["same"].remark == "the same in every row"


@pytest.mark.parametrize(
    ("name", "cells", "expected"),
    [
        ("customer_id", [f"{7919 * i % 1009}" for i in range(ROWS)], "looks like an id"),
        ("customerId", [f"{7919 * i % 1009}" for i in range(ROWS)], "looks like an id"),
        ("line", [f"{1000 + 3 * i}" for i in range(ROWS)], "looks like an id"),
        ("width", [f"{7919 * i % 1009}" for i in range(ROWS)], ""),
        ("humid", [f"{i * 0.37:.2f}" for i in range(ROWS)], ""),
        ("paid_back", [f"{(1 + i % 2) * 1.5}" for i in range(ROWS)], "tells the target by itself"),
        ("state", [("open", "shut")[i % 2] for i in range(ROWS)], "tells the target by itself"),
        ("noise", [("open", "shut", "ajar")[i * i % 3] for i in range(ROWS)], ""),
    ],
)
def test_ids_and_columns_that_tell_the_target_are_suspected(write, name, cells, expected):
    remark = columns(load(write(**{name: cells})))[name].remark
    assert remark.startswith(expected) if expected else remark == ""


def test_a_column_that_is_the_target_in_another_unit_is_suspected(write):
    columns_by_name = columns(load(write(euros=[f"{i * 150 + 3}" for i in range(ROWS)]), "paid"))
    assert "tells the target by itself" in columns_by_name["euros"].remark
    assert columns_by_name["town"].remark == ""


def test_columns_can_be_left_out(write):
    names = [f"customer {i}" for i in range(ROWS)]
    file = write(**{"name": names, '"a, b"': names})
    with pytest.raises(DataError, match="remove it if it holds names or ids"):
        load(file)
    dataset = load_dataset(f"csv:{file}", 0, "kind", ["name", "a, b"])
    assert [*dataset.content.columns] == ["age", "town", "paid"]
    assert [*load_dataset(f"csv:{file}", 0, "kind", ["name,town", "a, b"]).content.columns] == ["age", "paid"]
    for drop, expected in (
        (["nmae"], "unknown column to drop: 'nmae' .did you mean 'name'"),
        (["kind"], "the target 'kind' is among the columns to drop"),
        (["name", "a, b", "age,town,paid"], "has 0 columns besides the target"),
    ):
        with pytest.raises(DataError, match=expected):
            load_dataset(f"csv:{file}", 0, "kind", drop)
    with pytest.raises(OptionError, match="iris has no columns to leave out; leave out --drop"):
        load_dataset("iris", 0, None, ["petal"])
