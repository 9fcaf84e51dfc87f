"""Tables: rows of numbers and categories, encoded as the manifest's columns say."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from runtime.csv_file import CSVRow, CSVRows, read_csv
from runtime.data_frames import is_frame, row_of, rows_of
from runtime.deprecation import renamed_method
from runtime.errors import InputError, one_line, unknown
from runtime.frozen_dataclass import frozen_dataclass
from runtime.schema import check_types
from runtime.tensor_spec import OneTensor

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_COLUMNS = 10_000
MAX_CATEGORIES = 1_000
FLOAT32_MAX = float(np.finfo(np.float32).max)


@frozen_dataclass
class NumericColumn:
    """A column of numbers: one feature, as it is.

    Args:
        kind: Always ``numeric``.
        name: The column's name.
        mean: Of the training rows; the graph subtracts it.
        std: Of the training rows; the graph divides by it.
        low: The smallest training value.
        high: The largest training value.
        missing: What stands in for an empty cell; None if there was none in training, so that none is taken.
    """

    kind: Literal["numeric"]
    name: str
    mean: float
    std: float
    low: float
    high: float
    missing: float | None = None

    width: ClassVar[int] = 1

    def __post_init__(self) -> None:
        """Check the types and the ranges."""
        check_types(self)
        if not self.std > 0 or self.low > self.high:
            raise ValueError(f"column {self.name!r} needs std above 0 and low up to high, got {self}")

    def encode(self, cell: Any) -> list[float]:
        """Return the feature of a cell.

        Raises:
            InputError: If it is no finite number.
        """
        if is_missing(cell):
            if self.missing is None:
                raise InputError(f"column {self.name!r} is empty; it had a value in every training row")
            return [self.missing]
        try:
            value = float(cell)
        except (TypeError, ValueError, OverflowError):
            value = math.nan
        if not math.isfinite(value) or abs(value) > FLOAT32_MAX:
            raise InputError(f"column {self.name!r} must be a number, got {_shown(cell)}")
        return [value]


@frozen_dataclass
class CategoricalColumn:
    """A column of names: one feature for each category, 1 for the one that the cell holds and 0 for the others.

    Args:
        kind: Always ``categorical``.
        name: The column's name.
        categories: Every category of the training rows; an empty text stands for an empty cell.
    """

    kind: Literal["categorical"]
    name: str
    categories: tuple[str, ...]

    def __post_init__(self) -> None:
        """Check the types and the categories."""
        check_types(self)
        if not 0 < len(self.categories) <= MAX_CATEGORIES or len(set(self.categories)) != len(self.categories):
            raise ValueError(
                f"column {self.name!r} needs 1 to {MAX_CATEGORIES} different categories, got {len(self.categories)}"
            )

    @property
    def width(self) -> int:
        """How many features it makes."""
        return len(self.categories)

    def encode(self, cell: Any) -> list[float]:
        """Return the features of a cell.

        Raises:
            InputError: If it holds a category that was not in training.
        """
        text = "" if is_missing(cell) else str(cell).strip()
        if isinstance(cell, float | np.floating) and text not in self.categories and float(cell).is_integer():
            text = str(int(cell))  # data frames turn whole numbers into floats where a cell is empty
        if text not in self.categories:
            raise InputError(unknown(f"category of column {self.name!r}:", text, self.categories))
        return [float(text == category) for category in self.categories]


Column = NumericColumn | CategoricalColumn


@frozen_dataclass
class TableInput(OneTensor):
    """A row of a table: ``float32 [batch, features]``, numbers unscaled.

    Args:
        kind: Always ``table``.
        name: The graph's input name.
        columns: How each column becomes features, in the graph's order.
    """

    kind: Literal["table"]
    name: str
    columns: tuple[Column, ...]

    AXES: ClassVar[tuple[str, ...]] = ("feature",)

    def __post_init__(self) -> None:
        """Check the types and the columns."""
        check_types(self)
        names = [column.name for column in self.columns]
        if not 0 < len(names) <= MAX_COLUMNS or len(set(names)) != len(names):
            raise ValueError(f"a table needs 1 to {MAX_COLUMNS} columns with different names, got {names[:8]}")

    @cached_property
    def shape(self) -> tuple[int, ...]:
        """The number of features."""
        return (sum(column.width for column in self.columns),)

    def read(self, source: Any) -> NDArray[np.float32]:
        """Encode a row.

        Args:
            source: A mapping from column name to cell, of which other keys are ignored, or a row of a data frame
                (pandas' Series); the cells in the order of `columns`; or a JSON object or list of those as bytes.
                Empty text, None, NaN, and pandas' NA and NaT are empty cells.

        Returns:
            ``float32 [features]``.

        Raises:
            InputError: If a column is missing, or a cell can't be encoded; names it, and the line of a CSV file.
        """
        if isinstance(source, CSVRow):
            try:
                return self.read(dict(source))
            except InputError as problem:
                raise InputError(f"{source.path}:{source.line}: {problem}") from None
        if isinstance(source, bytes):
            try:
                source = json.loads(source)
            except (ValueError, RecursionError) as problem:
                raise InputError(f"the row is not JSON ({one_line(problem)})") from None
        source = row_of(source)
        if isinstance(source, Mapping):
            lacking = [column.name for column in self.columns if column.name not in source]
            if lacking:
                raise InputError(f"the row lacks the column {lacking[0]!r}; it has: {', '.join(map(str, source))}")
            cells = [source[column.name] for column in self.columns]
        elif isinstance(source, Sequence | np.ndarray) and not isinstance(source, str):
            if np.ndim(np.asarray(source, object)) != 1 or len(source) != len(self.columns):
                raise InputError(
                    f"a row has {len(self.columns)} cells ({', '.join(c.name for c in self.columns[:8])} …), "
                    f"got {list(np.shape(np.asarray(source, object)))}"
                )
            cells = list(source)
        else:
            raise InputError(f"expected a row as a dict or a list of cells, got {type(source).__name__}")
        features = [value for column, cell in zip(self.columns, cells, strict=True) for value in column.encode(cell)]
        return np.array(features, np.float32)

    def several(self, inputs: Any) -> Iterable[Any] | None:
        """Return the rows of a CSV file, a data frame, a list of rows or an array of two axes; None for a single row.

        Raises:
            InputError: If the CSV file or the data frame can't be read.
        """
        if is_frame(inputs):
            return self._with_columns(rows_of(inputs))
        if isinstance(inputs, str | os.PathLike):
            return self.rows(inputs)
        if isinstance(inputs, np.ndarray):
            return inputs if inputs.ndim == 2 else None
        holds_rows = isinstance(inputs, list | tuple) and all(
            isinstance(row_of(row), Mapping | list | tuple | np.ndarray) for row in inputs
        )
        return inputs if holds_rows else None

    def rows(self, path: str | os.PathLike[str], content: bytes | None = None) -> Sequence[CSVRow]:
        """Read a CSV file whose first line names the columns; others than ours are ignored.

        Args:
            path: See `runtime.csv_file.read_csv`.
            content: See `runtime.csv_file.read_csv`.

        Raises:
            InputError: If it can't be read or lacks a column.
        """
        table, name = read_csv(path, content), os.fspath(path)
        lacking = [column.name for column in self.columns if column.name not in table.header]
        if lacking:
            raise InputError(f"{name}: lacks the column {lacking[0]!r}; it has: {', '.join(table.header)}")
        return CSVRows(table, name)

    def _with_columns(self, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return rows after a look at the first, so that a column that all lack is named once."""
        if rows:
            lacking = [column.name for column in self.columns if column.name not in rows[0]]
            if lacking:
                there = ", ".join(map(str, rows[0]))
                raise InputError(f"the data frame lacks the column {lacking[0]!r}; it has: {there}")
        return rows

    def encode(self, sample: Any) -> bytes:
        """Return a row as JSON."""
        if isinstance(sample, bytes):
            sample = json.loads(sample)  # it may have cells of other columns
        sample = row_of(sample)
        if isinstance(sample, Mapping):
            sample = [sample[column.name] for column in self.columns]
        cells = [
            None if is_missing(cell) else float(cell) if isinstance(column, NumericColumn) else str(cell)
            for column, cell in zip(self.columns, sample, strict=True)
        ]
        return json.dumps(cells, ensure_ascii=False).encode()

    def edge_cases(self) -> NDArray[np.float32]:
        """Return rows of the lowest values, of the highest, and one at random, ``float32 [3, features]``."""
        random = np.random.default_rng(0)
        rows: list[list[Any]] = [[], [], []]
        for column in self.columns:
            if isinstance(column, NumericColumn):
                cells: Sequence[Any] = (column.low, column.high, random.uniform(column.low, column.high))
            else:
                chosen = column.categories[random.integers(len(column.categories))]
                cells = (column.categories[0], column.categories[-1], chosen)
            for row, cell in zip(rows, cells, strict=True):
                row.append(cell)
        return np.stack([self.read(row) for row in rows])

    hard = renamed_method("hard", "edge_cases")

    def scaling(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return mean and standard deviation of each feature; 0 and 1 for those of categories."""
        pairs = [
            (column.mean, column.std) if isinstance(column, NumericColumn) else (0.0, 1.0)
            for column in self.columns
            for _ in range(column.width)
        ]
        return np.array([mean for mean, _ in pairs]), np.array([std for _, std in pairs])


def is_missing(cell: Any) -> bool:
    """Tell whether a cell is empty: None, blank text, NaN, or pandas' NA and NaT."""
    if isinstance(cell, str):
        return not cell.strip()
    if cell is None or type(cell).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(cell, float | np.floating) and math.isnan(cell)


def _shown(cell: Any) -> str:
    text = repr(cell)
    return text if len(text) <= 60 else text[:59] + "…"
