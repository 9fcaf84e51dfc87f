"""How the columns of a table were read, and which of them look like a mistake."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from runtime.humanize import number
from zoo.data import Column

if TYPE_CHECKING:
    from numpy.typing import NDArray

ID_NAME = re.compile(r"(^|[\W_])(id|key|index|idx|nr|no|number|uuid|row)$|[a-z](Id|ID|Key|Index)$", re.IGNORECASE)
SAME = 0.9999
"""The correlation from which a column of numbers is taken for the target in other words."""
LEAST_ROWS = 20
"""With fewer rows, chance separates classes."""
MOSTLY = 0.5
SHOWN = 5


def numeric_column(name: str, values: Sequence[float | None], targets: NDArray[Any]) -> Column:
    """Describe a column of numbers, of which None is an empty cell.

    Args:
        name: Its name.
        values: A cell for each row.
        targets: The target of each row: whole numbers are classes or sets of labels, others are values.
    """
    filled = np.array([value is not None for value in values])
    numbers = np.array([value for value in values if value is not None], np.float64)
    whole = bool((numbers == np.rint(numbers)).all())
    distinct = len(np.unique(numbers))
    holds = f"{number(numbers.min(), 6)} to {number(numbers.max(), 6)}, mean {number(numbers.mean())}"
    remarks = _common_remarks(distinct, filled)
    if whole and distinct == len(numbers) >= LEAST_ROWS:
        steps = np.diff(numbers)
        if ID_NAME.search(name) or (steps > 0).all() or (steps < 0).all():
            remarks.append("looks like an id: another whole number in each row")
    if filled.all() and len(numbers) >= LEAST_ROWS and distinct > 1 and _tells_target(numbers, targets):
        remarks.append("tells the target by itself: is it known beforehand?")
    return Column(name, "whole numbers" if whole else "numbers", holds, 1 - filled.mean(), "; ".join(remarks))


def category_column(name: str, cells: Sequence[str], categories: Sequence[str], targets: NDArray[Any]) -> Column:
    """Describe a column of categories, of which an empty text is an empty cell; see `numeric_column`."""
    filled = np.array([bool(cell) for cell in cells])
    named = [category for category in categories if category]
    holds = f"{len(named)}: {', '.join(named[:SHOWN])}{', …' if len(named) > SHOWN else ''}"
    remarks = _common_remarks(len(categories), filled)
    if targets.ndim == 1 and targets.dtype.kind in "iu" and len(cells) >= LEAST_ROWS and len(named) > 1:
        rows = np.array(cells)
        pure = all(len(np.unique(targets[rows == category])) == 1 for category in categories)
        if pure and 2 * len(categories) <= len(cells):
            remarks.append("tells the target by itself: is it known beforehand?")
    return Column(name, "categories", holds, 1 - filled.mean(), "; ".join(remarks))


def _common_remarks(distinct: int, filled: NDArray[np.bool_]) -> list[str]:
    remarks = ["the same in every row"] if distinct == 1 and filled.all() else []
    return [*remarks, "mostly empty"] if filled.mean() < MOSTLY else remarks


def _tells_target(numbers: NDArray[np.float64], targets: NDArray[Any]) -> bool:
    """Say whether a line through the numbers gives the values, or thresholds between them give the classes."""
    if targets.ndim > 1:
        return any(_tells_target(numbers, column) for column in targets.T)
    if targets.dtype.kind not in "iu":
        return abs(float(np.corrcoef(numbers, targets)[0, 1])) >= SAME
    order = np.lexsort((targets, numbers))
    ordered, classes = numbers[order], targets[order]
    changes = np.flatnonzero(np.diff(classes) != 0)
    parted = (ordered[changes] < ordered[changes + 1]).all()
    return bool(parted and len(changes) == len(np.unique(targets)) - 1)
