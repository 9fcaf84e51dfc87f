"""Columns of CSV files for training: what each holds, and the cell that breaks the rule."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from runtime.csv_file import read_csv
from runtime.errors import DataError, InputError, unknown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

MOST_TEXT = 0.1
"""A column of whose filled cells no larger share is text is one of numbers, and those cells are mistakes."""
KNOWN = 100_000
"""How many different cells of a table share their texts, as those of categories do."""
LARGEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True)
class Table:
    """A CSV file's columns.

    Args:
        path: The file.
        columns: The cells of each column by its name, without spaces around them.
        lines: The line of the file in which each row begins.
    """

    path: Path
    columns: dict[str, list[str]]
    lines: Sequence[int]

    def numbers(self, name: str) -> NDArray[np.float64] | None:
        """Return a column's numbers, NaN for empty cells, or None if it holds text.

        Raises:
            DataError: If the column is empty, or holds numbers but for a few cells; names the first.
        """
        cells = self.columns[name]
        values = np.full(len(cells), np.nan)
        filled = [i for i, cell in enumerate(cells) if cell]
        if not filled:
            raise DataError(f"{self.path}: the column {name!r} is empty in every row; remove it")
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
                f"{self.path}: column {name!r}, {self.lines_of([bad])}: {shown(cells[bad])} is {what}{more}; correct "
                "it, or leave the cell empty"
            )
        return values

    def without(self, drop: Sequence[str]) -> Table:
        """Return the table without the columns that `drop` names; see `named_columns`."""
        dropped = {name for text in drop for name in named_columns(self.path, [*self.columns], text, "column to drop:")}
        columns = {name: cells for name, cells in self.columns.items() if name not in dropped}
        return Table(self.path, columns, self.lines)

    def lines_of(self, rows: Sequence[int]) -> str:
        """Return the lines of rows, numbered from 0, in words: ``line 2``, ``lines 2, 5, 9 and 4 more``."""
        first = ", ".join(str(self.lines[row]) for row in rows[:5])
        more = f" and {len(rows) - 5} more" if len(rows) > 5 else ""
        return f"line{'s' if len(rows) > 1 else ''} {first}{more}"

    def names(self) -> list[str]:
        """Return what each row is called: the file and the line."""
        return [f"{self.path}:{line}" for line in self.lines]


def read_table(path: Path) -> Table:
    """Read a CSV file by columns.

    Raises:
        DataError: If it can't be read; see `runtime.csv_file.read_csv`.
    """
    try:
        parsed = read_csv(path)
    except InputError as problem:
        raise DataError(str(problem)) from None
    columns: list[list[str]] = [[] for _ in parsed.header]
    known: dict[str, str] = {}
    for row in parsed.rows:
        for cells, cell in zip(columns, row, strict=True):
            text = cell.strip()
            cells.append(known.setdefault(text, text) if len(known) < KNOWN else known.get(text, text))
    return Table(path, dict(zip(parsed.header, columns, strict=True)), parsed.lines)


def named_columns(path: Path, columns: Sequence[str], text: str, kind: str) -> list[str]:
    """Return the columns that an option names: one, or several with commas between them.

    Raises:
        DataError: If there is no such column; `kind` says what was looked for.
    """
    names = [text] if text in columns else [name.strip() for name in text.split(",")]
    absent = [name for name in names if name not in columns]
    if absent:
        raise DataError(f"{path}: {unknown(kind, absent[0], columns)}")
    return list(dict.fromkeys(names))


def number(cell: str) -> float | None:
    """Return the number that a cell holds, which may be infinite or NaN, or None if it is text."""
    try:
        return float(cell)
    except ValueError:
        return None


def names_of(columns: Sequence[str]) -> str:
    """Return the names of columns as a list of at most twenty."""
    return ", ".join(columns[:20]) + (f", … ({len(columns)} in all)" if len(columns) > 20 else "")


def shown(cell: str) -> str:
    """Return a cell for a message, shortened."""
    return repr(cell if len(cell) <= 40 else cell[:39] + "…")
