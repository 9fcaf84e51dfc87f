"""Rows of data frames (pandas, polars, PyArrow and others), without importing their libraries."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from runtime.errors import InputError, MissingExtraError, one_line, shown

_TO_ROWS: tuple[tuple[str, dict[str, str]], ...] = (
    ("to_dicts", {}),
    ("to_pylist", {}),
    ("to_dict", {"orient": "records"}),
)
"""How polars, PyArrow and pandas, and those that copy them, give rows as dicts."""


def is_frame(value: Any) -> bool:
    """Say whether a value has columns, and Arrow's PyCapsule interface or the older interchange protocol."""
    kind = type(value)
    exchanged = hasattr(kind, "__arrow_c_stream__") or hasattr(kind, "__dataframe__")
    return exchanged and (hasattr(kind, "columns") or hasattr(kind, "column_names") or "columns" in vars(value))


def rows_of(frame: Any) -> list[dict[str, Any]]:
    """Return the rows of a data frame, cells by the names of their columns.

    Raises:
        InputError: If two columns have the same name, or the library can't give its rows.
        MissingExtraError: If only Arrow's interface leads to the rows, and PyArrow is not installed.
    """
    names = list(frame.column_names if hasattr(type(frame), "column_names") else frame.columns)
    if all(isinstance(name, str) for name in names) and len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise InputError(f"the data frame has two columns {shown(twice)}: rename one")
    try:
        for method, options in _TO_ROWS:
            if hasattr(type(frame), method):
                return list(getattr(frame, method)(**options))
        try:
            import pyarrow
        except ImportError:
            raise MissingExtraError("PyArrow, which reads such data frames,", "parquet") from None
        return list(pyarrow.table(frame).to_pylist())
    except MissingExtraError:
        raise
    except Exception as problem:  # whatever the library raises
        raise InputError(f"the data frame's rows can't be read ({one_line(problem)})") from None


def row_of(value: Any) -> Any:
    """Return a row that a data frame's library gives, such as pandas' Series, as a dict; others as they are."""
    if isinstance(value, Mapping) or is_frame(value) or not hasattr(type(value), "to_dict"):
        return value
    return value.to_dict()


def each_row(values: Any) -> Any:
    """Return the rows of a data frame, and anything else as it is."""
    return rows_of(values) if is_frame(values) else values
