"""CSV files: their cells, the line that each row begins in, and limits on their size."""

from __future__ import annotations

import io
import os
import re
from array import array
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TextIO

from runtime.errors import InputError, one_line
from runtime.frozen_dataclass import frozen_dataclass
from runtime.regular_files import open_regular

MAX_BYTES = 1 * 2**30
MAX_FIELD = 1 * 2**20
MAX_LINE = 16 * 2**20
SEPARATOR = "\0"
HEAD = 2**16
"""Characters of a CSV file of which the first line is looked at, to tell what stands between cells."""


class CSVRow(dict[str, str]):
    """A row of a CSV file, from column to cell, which knows the file and the line that it begins in, from 1."""

    def __init__(self, cells: Iterable[tuple[str, str]], path: str, line: int) -> None:
        super().__init__(cells)
        self.path, self.line = path, line


class CSVCells(Sequence[list[str]]):
    """The cells of rows: one text each, because a list of texts would take ten times the memory."""

    def __init__(self) -> None:
        self._rows: list[str] = []

    def append(self, cells: list[str]) -> None:
        """Add a row."""
        self._rows.append(SEPARATOR.join(cells))

    def __len__(self) -> int:
        """Return how many rows there are."""
        return len(self._rows)

    def __getitem__(self, at: Any) -> Any:
        """Return the cells of a row, or those of several."""
        row = self._rows[at]
        return row.split(SEPARATOR) if isinstance(row, str) else [each.split(SEPARATOR) for each in row]


@frozen_dataclass
class CSVTable:
    """The content of a CSV file.

    Args:
        header: The names of the columns.
        rows: The cells of each row, as many as the header has.
        lines: The line of the file in which each row begins, from 1.
    """

    header: list[str]
    rows: Sequence[list[str]]
    lines: Sequence[int]


class CSVRows(Sequence[CSVRow]):
    """The rows of a table, each made when it is asked for."""

    def __init__(self, table: CSVTable, path: str) -> None:
        self._table, self._path = table, path

    def __len__(self) -> int:
        """Return how many rows there are."""
        return len(self._table.rows)

    def __getitem__(self, at: Any) -> Any:
        """Return a row, or several."""
        if isinstance(at, slice):
            return [self[i] for i in range(*at.indices(len(self)))]
        table = self._table
        return CSVRow(zip(table.header, table.rows[at], strict=True), self._path, table.lines[at])


def read_csv(path: str | os.PathLike[str], content: bytes | None = None) -> CSVTable:
    """Read a CSV file (RFC 4180, UTF-8, with ``,`` ``;`` or tabs between cells). Blank lines are left out.

    Args:
        path: The file's path; its name alone where there is `content`.
        content: What the file holds, where it is not on the disk.

    Raises:
        InputError: If it can't be read, has no rows, or a row has another number of cells than the header.
    """
    name = os.fspath(path)
    try:
        with open_regular(path) if content is None else io.BytesIO(content) as file:
            head = file.read(HEAD).decode("utf-8-sig", "ignore")
            file.seek(0)
            records = _records(io.TextIOWrapper(file, "utf-8-sig", newline=""), head, name)
            header = [cell.strip() for cell in next(records, (0, [""]))[1]]
            rows, lines = CSVCells(), array("Q")
            for line, cells in records:
                if len(cells) != len(header):
                    raise InputError(f"{name}: line {line} has {len(cells)} cells, the first line {len(header)}")
                rows.append(cells)
                lines.append(line)
    except (OSError, ValueError) as problem:
        raise InputError(f"{name}: can't be read as UTF-8 text ({one_line(problem)})") from None
    if not rows:
        raise InputError(f"{name}: needs a line with the columns' names and at least one row")
    if len(set(header)) != len(header) or not all(header):
        raise InputError(f"{name}: the first line must name each column, all different; got {', '.join(header)}")
    return CSVTable(header, rows, lines)


def _records(file: TextIO, head: str, name: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the cells of each record of a CSV file with the line that it begins in; a cell may hold several lines."""
    import csv  # few processes read one

    head = re.sub(r'"[^"]*"', "", head).lstrip("\r\n ")
    separator = max(",;\t", key=re.split(r"[\r\n]", head, maxsplit=1)[0].count)
    csv.field_size_limit(MAX_FIELD)
    reader = csv.reader(_lines(file, name), delimiter=separator, strict=True)
    line, width = 1, 0
    try:
        for cells in reader:
            blank = not cells or (len(cells) == 1 and width != 1 and not cells[0].strip())
            if not blank:
                width = width or len(cells)
                yield line, cells
            line = reader.line_num + 1
    except csv.Error as problem:
        raise InputError(f"{name}: not a CSV file (line {line}: {one_line(problem)})") from None


def _lines(file: TextIO, name: str) -> Iterator[str]:
    """Yield the lines of a text file, within limits; `SEPARATOR` is in no text."""
    characters = 0
    while line := file.readline(MAX_LINE + 1):
        characters += len(line)
        if len(line) > MAX_LINE or characters > MAX_BYTES:
            what, limit = ("a line", MAX_LINE) if len(line) > MAX_LINE else ("the file", MAX_BYTES)
            raise InputError(f"{name}: {what} is too large; the limit is {limit / 2**20:.0f} MB")
        if SEPARATOR in line:
            raise InputError(f"{name}: holds characters of code 0, so that it is no text")
        yield line
