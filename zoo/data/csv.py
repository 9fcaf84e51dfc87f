"""Your own table, `csv:PATH` with `--target COLUMN`: a header, then rows of numbers and categories."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from runtime.errors import DataError
from runtime.humanize import counted
from runtime.inputs.table import MAX_CATEGORIES, MAX_COLUMNS
from runtime.printable import is_printable
from zoo.data import Classes, Column, Dataset, LabelSets, Rows, Target, Values, split_apart
from zoo.data._columns import category_column, numeric_column
from zoo.data._tables import Table, named_columns, names_of, number, read_table, shown

if TYPE_CHECKING:
    from collections.abc import Sequence, Sized

    from numpy.typing import NDArray

LEAST_ROWS = 10
FEW = 10
"""Whole numbers of at most so many different values are classes, if each has `ROWS_EACH` rows on average."""
ROWS_EACH = 3


def load(path: Path | None, seed: int, target: str | None = None, drop: Sequence[str] = ()) -> Dataset:
    """Return a table's rows; what each column holds follows from its cells in all rows.

    Args:
        path: A CSV file whose first line names the columns. Empty cells are missing values.
        seed: Decides the split.
        target: The column to tell from the others: text and few whole numbers are classes, other numbers are values.
            Several columns of 0 and 1, with commas between their names, are labels of which any number may hold.
        drop: Columns to leave out, such as ids; each text names one, or several with commas between them.

    Raises:
        DataError: If the file can't be read or learnt from; names the column, and the line where it is one.
    """
    if path is None:
        raise DataError("csv needs a path: csv:PATH")
    whole = read_table(path)
    chosen = _chosen(path, [*whole.columns], target)
    table = whole.without(drop)
    if any(name not in table.columns for name in chosen):
        raise DataError(f"{path}: the target {chosen[0]!r} is among the columns to drop; choose another --target")
    features = [name for name in table.columns if name not in chosen]
    if not 0 < len(features) <= MAX_COLUMNS:
        raise DataError(
            f"{path}: has {counted(len(features), 'column')} besides the target; there must be 1 to {MAX_COLUMNS}"
        )
    count = len(table.lines)
    if count < LEAST_ROWS:
        raise DataError(f"{path}: has {counted(count, 'row')}; {LEAST_ROWS} are the least to train and validate with")
    for name in chosen:
        _check_target(table, name)
    kind, targets = _classes_or_values(table, chosen[0]) if len(chosen) == 1 else _label_sets(table, chosen)
    kinds: dict[str, tuple[str, ...] | None] = {}
    columns: list[list[Any]] = []
    described: list[Column] = []
    for name in features:
        categories, values = _feature(table, name)
        kinds[name] = categories
        columns.append(values)
        described.append(
            numeric_column(name, values, targets)
            if categories is None
            else category_column(name, values, categories, targets)
        )
    rows = list(zip(*columns, strict=True))
    splits = split_apart(rows, targets, seed, names=table.names())
    return Dataset(path.stem, Rows(kinds), kind, splits, "a CSV file", "not stated", tuple(described))


def _chosen(path: Path, columns: list[str], target: str | None) -> list[str]:
    if target is None:
        raise DataError(f"{path}: say which column is the target with --target; there are: {names_of(columns)}")
    return named_columns(path, columns, target, "target")


def _check_target(table: Table, name: str) -> None:
    path = table.path
    if not is_printable(name):
        raise DataError(f"{path}: the target's name {shown(name)} has signs that can't be printed; rename it")
    empty = [row for row, cell in enumerate(table.columns[name]) if not cell]
    if empty:
        raise DataError(
            f"{path}: the target {name!r} is empty in {table.lines_of(empty)}; fill it in, or remove the rows"
        )


def _check_varied(table: Table, name: str, distinct: Sized) -> None:
    if len(distinct) == 1:
        cell = shown(table.columns[name][0])
        raise DataError(f"{table.path}: the target {name!r} is {cell} in every row: there is nothing to learn")


def _classes_or_values(table: Table, name: str) -> tuple[Target, NDArray[Any]]:
    cells, values = table.columns[name], table.numbers(name)
    if values is None:
        return _classes(table, name, cells, sorted(set(cells)))
    values = values.astype(np.float32)
    distinct = np.unique(values)
    _check_varied(table, name, distinct)
    if len(distinct) > min(FEW, len(cells) // ROWS_EACH) or (distinct != np.rint(distinct)).any():
        return Values(name), values
    return _classes(table, name, [str(int(value)) for value in values], [str(int(value)) for value in distinct])


def _classes(table: Table, name: str, cells: list[str], labels: list[str]) -> tuple[Classes, NDArray[np.int64]]:
    _check_varied(table, name, labels)
    _check_categories(table, name, cells, len(labels))
    bad = next((row for row, cell in enumerate(cells) if not is_printable(cell)), None)
    if bad is not None:
        raise DataError(
            f"{table.path}: {table.lines_of([bad])}: the class {shown(cells[bad])} has signs that can't be printed"
        )
    single = [label for label, rows in Counter(cells).items() if rows == 1]
    if single:
        line = table.lines_of([cells.index(single[0])])
        raise DataError(
            f"{table.path}: the target {name!r} is {shown(single[0])} in a single row ({line}); a class needs two or "
            "more: add some, or remove it"
        )
    indices = {label: i for i, label in enumerate(labels)}
    return Classes(tuple(labels)), np.array([indices[cell] for cell in cells], np.int64)


def _label_sets(table: Table, names: list[str]) -> tuple[LabelSets, NDArray[np.int64]]:
    held = []
    for name in names:
        values = table.numbers(name)
        wrong = 0 if values is None else next((i for i, value in enumerate(values) if value not in (0, 1)), None)
        if values is None or wrong is not None:
            wrong = wrong or 0
            raise DataError(
                f"{table.path}: column {name!r}, {table.lines_of([wrong])}: {shown(table.columns[name][wrong])} is not "
                "0 or 1, which several targets must be; name a single target for others"
            )
        _check_varied(table, name, set(values))
        held.append(values)
    return LabelSets(tuple(names)), np.stack(held, axis=1).astype(np.int64)


def _feature(table: Table, name: str) -> tuple[tuple[str, ...] | None, list[Any]]:
    """Return a column's categories, or None where it holds numbers, and its cells."""
    cells, values = table.columns[name], table.numbers(name)
    if values is not None:
        return None, [None if np.isnan(value) else value for value in values.tolist()]
    categories = tuple(sorted(set(cells)))
    _check_categories(table, name, cells, len(categories))
    return categories, cells


def _check_categories(table: Table, name: str, cells: list[str], distinct: int) -> None:
    most = min(MAX_CATEGORIES, max(FEW, len(cells) // 2))
    if distinct > most:
        text = next(cell for cell in cells if cell and number(cell) is None)
        raise DataError(
            f"{table.path}: the column {name!r} holds {distinct} different texts in {len(cells)} rows, such as "
            f"{shown(text)}; {most} are the most: remove it if it holds names or ids (--drop leaves it out); if it "
            "holds numbers, write them with a point and without units, and leave missing ones empty"
        )
