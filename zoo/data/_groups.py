"""Groups of items that one split must hold whole, such as the recordings of a speaker: else validation flatters."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from runtime.errors import DataError, OptionError
from zoo.data import Dataset, Split, join

if TYPE_CHECKING:
    from numpy.typing import NDArray

FOLDS = 5
"""Into so many parts the groups are dealt where no number of folds is asked for; one is the validation."""


def shared_groups(dataset: Dataset, split: str = "validation") -> list[str]:
    """Return the groups that training and another split have in common, sorted."""
    splits = dataset.splits
    return sorted({*splits["train"].groups} & {*splits[split].groups}) if split in splits else []


def check_group(dataset: Dataset, group: str) -> None:
    """Refuse a group that the items of a data set are not known by.

    Raises:
        OptionError: If it is not what `Dataset.group` says.
    """
    if group != dataset.group:
        known = f"write group={dataset.group}, or leave" if dataset.group else "its names tell no groups: leave"
        raise OptionError(f"the items of {dataset.name!r} have no {group!r}; {known} out group={group}")


def split_by_group(dataset: Dataset, seed: int, fold: tuple[int, int] | None = None) -> Dataset:
    """Split training and validation so that no group is in both; ``test`` stays as it is.

    Splits that have no group in common stay as they are, unless a fold is asked for. Otherwise the validation is the
    part of `FOLDS` whose size is the nearest to an equal share, of those that leave training the most classes.

    Args:
        dataset: The data set, whose items have groups.
        seed: Decides which groups go together.
        fold: ``(i, k)``: the i-th of k parts is the validation, counted from 0.

    Raises:
        DataError: If there are fewer groups than parts.
    """
    if fold is None and not shared_groups(dataset):
        return dataset
    whole = join([dataset.splits["train"], dataset.splits["validation"]])
    names, numbers = np.unique(whole.groups, return_inverse=True)
    count = min(FOLDS, len(names)) if fold is None else fold[1]
    if len(names) < max(2, count):
        raise DataError(
            f"{dataset.name}: {max(2, count)} parts of which each has its own {dataset.group}s need as many of them; "
            f"there {'is 1' if len(names) == 1 else f'are {len(names)}'}"
        )
    parts = _dealt(np.bincount(numbers), count, seed)[numbers]
    chosen = _nearest(whole, parts, count) if fold is None else fold[0]
    splits = {
        "train": whole.keep(np.flatnonzero(parts != chosen).tolist()),
        "validation": whole.keep(np.flatnonzero(parts == chosen).tolist()),
    }
    return replace(dataset, splits=dataset.splits | splits)


def _dealt(sizes: NDArray[np.int64], count: int, seed: int) -> NDArray[np.int64]:
    """Return the part of each group, ``int64 [groups]``: one after the other joins the smallest part."""
    parts = np.zeros(len(sizes), np.int64)
    totals = np.zeros(count, np.int64)
    for group in np.random.default_rng(seed).permutation(len(sizes)):
        parts[group] = totals.argmin()
        totals[parts[group]] += sizes[group]
    return parts


def _nearest(whole: Split, parts: NDArray[np.int64], count: int) -> int:
    """Return the part whose size is the nearest to an equal share, of those without which most classes remain."""

    def rank(part: int) -> tuple[int, float]:
        kept = np.unique(whole.targets[parts != part], axis=0)
        return -len(kept), abs(float((parts == part).mean()) - 1 / count)

    return min(range(count), key=rank)
