"""Columns of CSV files for training: what each holds, and the cell that breaks the rule."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from runtime.errors import DataError, InputError
from runtime.inputs.table import read_csv

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

MOST_TEXT = 0.1
"""A column of whose filled cells no larger share is text is one of numbers, and those cells are mistakes."""
LARGEST = float(np.finfo(np.float32).max)
FIRST_ROW = 2
"""The line of the first row; line 1 names the columns."""


def read_columns(path: Path) -> dict[str, list[str]]:
    """Read a CSV file: the cells of each column by its name, without spaces around them.

    Raises:
        DataError: If it can't be read; see `runtime.inputs.table.read_csv`.
    """
    try:
        header, rows = read_csv(path)
    except InputError as problem:
        raise DataError(str(problem)) from None
    cells = zip(*rows, strict=True)
    return {name: [cell.strip() for cell in column] for name, column in zip(header, cells, strict=True)}


def numbers(path: Path, name: str, cells: Sequence[str]) -> NDArray[np.float64] | None:
    """Return a column's numbers, NaN for empty cells, or None if it holds text.

    Args:
        path: The file, for messages.
        name: The column.
        cells: Its cells.

    Raises:
        DataError: If the column is empty, or holds numbers but for a few cells; names the first.
    """
    values = np.full(len(cells), np.nan)
    filled = [i for i, cell in enumerate(cells) if cell]
    if not filled:
        raise DataError(f"{path}: the column {name!r} is empty in every row; remove it")
    texts, wrong = [], []
    for i in filled:
        value = number(cells[i])
        if value is None:
            texts.append(i)
        elif abs(value) <= LARGEST:
            values[i] = value
        else:
            wrong.append(i)
    if len(texts) > MOST_TEXT * len(filled):
        return None
    if texts or wrong:
        bad = (texts or wrong)[0]
        what = "text in a numeric column" if texts else "not a finite number of 32 bits"
        more = f" (and {len(texts) + len(wrong) - 1} more such cells)" if len(texts) + len(wrong) > 1 else ""
        raise DataError(
            f"{path}: column {name!r}, line {bad + FIRST_ROW}: {shown(cells[bad])} is {what}{more}; correct it, or "
            "leave the cell empty"
        )
    return values


def number(cell: str) -> float | None:
    """Return the number that a cell holds, which may be infinite or NaN, or None if it is text."""
    try:
        return float(cell)
    except ValueError:
        return None


def lines_of(rows: Sequence[int]) -> str:
    """Return the lines of rows, numbered from 0, in words: ``line 2``, ``lines 2, 5, 9 and 4 more``."""
    first = ", ".join(str(row + FIRST_ROW) for row in rows[:5])
    more = f" and {len(rows) - 5} more" if len(rows) > 5 else ""
    return f"line{'s' if len(rows) > 1 else ''} {first}{more}"


def names_of(columns: Sequence[str]) -> str:
    """Return the names of columns as a list of at most twenty."""
    return ", ".join(columns[:20]) + (f", … ({len(columns)} in all)" if len(columns) > 20 else "")


def shown(cell: str) -> str:
    """Return a cell for a message, shortened."""
    return repr(cell if len(cell) <= 40 else cell[:39] + "…")
