"""A series and its next 12 steps: `series` makes an hourly load; `series:PATH` with `--target COLUMN` reads a CSV."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from runtime.errors import DataError
from runtime.printable import is_printable
from zoo.data import Dataset, Sequences, Split, Values
from zoo.data._tables import Table, names_of, read_table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

LENGTH = 48
HORIZON = 12
HOURS = 2_400
WINDOWS = 2_500
"""About so many are made; those of a longer series start up to a horizon apart."""
TRAINING_SHARE = 0.8
LEAST_ROWS = 5 * (LENGTH + HORIZON)
"""So that a window fits into the part for validation."""


def load(path: Path | None, seed: int, target: str | None = None, drop: Sequence[str] = ()) -> Dataset:
    """Return windows of a series, each with what came next; the last fifth of the time is validation.

    Args:
        path: A CSV file whose rows follow each other in time, evenly. Every column of numbers is a feature, the target
            too; columns of text, such as dates, are left out. None makes a series: a trend, a daily and a weekly
            season, and noise.
        seed: Not used: the split follows time.
        target: The column to foretell; needn't be named where only one holds numbers.
        drop: Columns to leave out; each text names one, or several with commas between them.

    Raises:
        DataError: If the file can't be read, has empty cells or is too short.
    """
    if path is None:
        if drop:
            raise DataError("the series that is made here has a single column; leave out --drop")
        if target not in (None, "load"):
            raise DataError(f"the series that is made here has no column {target!r}; leave out --target")
        return _dataset(
            "series", {"load": _load()}, "load", "kW", "made by edgezoo: trend, seasons, noise", "Apache-2.0"
        )
    table = read_table(path).without(drop)
    columns = dict(_numeric(table))
    if target is None and len(columns) == 1:
        target = next(iter(columns))
    if target not in columns:
        wrong = "say which column is the target with --target" if target is None else f"no column of numbers {target!r}"
        raise DataError(f"{path}: {wrong}; there are: {names_of([*columns])}")
    values = columns[target]
    if len(values) < LEAST_ROWS:
        raise DataError(f"{path}: has {len(values)} rows; {LEAST_ROWS} are the least for windows of {LENGTH + HORIZON}")
    if values.min() == values.max():
        raise DataError(f"{path}: the target {target!r} is {values[0]:g} in every row: there is nothing to learn")
    if not is_printable(target):
        raise DataError(f"{path}: the target's name {target!r} has signs that can't be printed; rename it")
    return _dataset(path.stem, columns, target, "", "a CSV file", "not stated", table.names())


def _load() -> NDArray[np.float32]:
    """Return the mean load of each hour; rounded, so that it is the same wherever it is made."""
    hours = np.arange(HOURS)
    trend = 40 + 0.004 * hours
    seasons = 12 * np.sin(2 * np.pi * (hours - 8) / 24) + 6 * np.sin(2 * np.pi * hours / (7 * 24))
    noise = np.random.default_rng(0).normal(0, 1.5, HOURS)
    load: NDArray[np.float32] = np.round(trend + seasons + noise, 2).astype(np.float32)
    return load


def _numeric(table: Table) -> Iterator[tuple[str, NDArray[np.float32]]]:
    for name in table.columns:
        values = table.numbers(name)
        if values is None:
            continue
        empty = np.flatnonzero(np.isnan(values)).tolist()
        if empty:
            raise DataError(
                f"{table.path}: column {name!r} is empty in {table.lines_of(empty)}: a series can't have gaps; fill "
                "them in, or remove the column"
            )
        yield name, values.astype(np.float32)


def _dataset(
    name: str,
    columns: dict[str, NDArray[np.float32]],
    target: str,
    unit: str,
    source: str,
    licence: str,
    names: Sequence[str] = (),
) -> Dataset:
    steps = np.stack([*columns.values()], axis=1)
    border = int(TRAINING_SHARE * len(steps))
    stride = min(HORIZON, math.ceil(len(steps) / WINDOWS))
    splits = {
        "train": _windows(steps[:border], columns[target][:border], stride, names[:border]),
        "validation": _windows(steps[border:], columns[target][border:], stride, names[border:]),
    }
    return Dataset(name, Sequences(tuple(columns), LENGTH), Values(target, unit, HORIZON), splits, source, licence)


def _windows(steps: NDArray[np.float32], targets: NDArray[np.float32], stride: int, names: Sequence[str]) -> Split:
    """Return windows ``[LENGTH, features]`` that lie within the steps, and the `HORIZON` targets after each.

    A window goes by the name of its first step, where steps have names.
    """
    starts = range(0, len(steps) - LENGTH - HORIZON + 1, stride)
    items = [steps[start : start + LENGTH] for start in starts]
    following = np.stack([targets[start + LENGTH : start + LENGTH + HORIZON] for start in starts])
    return Split(items, following, [names[start] for start in starts] if names else ())
