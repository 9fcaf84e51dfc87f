"""Data sources, one file each, found by being here, and what each returns: raw items with targets in named splits.

A source is a module with ``load(path, seed)``, which returns a `Dataset`; one whose columns can be the target has
``load(path, seed, target)``. Files whose names begin with an underscore are what several sources share.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from runtime.bundle import DataOrigin
from runtime.errors import DataError, OptionError, unknown
from runtime.regular_files import open_regular
from zoo.data._kinds import (
    Audio,
    Boxes,
    Classes,
    Content,
    Images,
    LabelSets,
    Rows,
    Sequences,
    Target,
    Texts,
    Values,
)
from zoo.registry import descriptions, load_module

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "Audio",
    "Boxes",
    "Classes",
    "Column",
    "Content",
    "DataSource",
    "Dataset",
    "Images",
    "LabelSets",
    "Rows",
    "Sequences",
    "Split",
    "Target",
    "Texts",
    "Values",
    "find_source",
    "fold",
    "hash_item",
    "join",
    "load_dataset",
    "refusal",
    "split_apart",
]

VALIDATION_SHARE = 0.2
BLOCK = 2**20
"""Bytes of a file that are hashed at a time."""


@dataclass(frozen=True)
class Split:
    """Raw items and their targets.

    Args:
        items: What `Dataset.content` says.
        targets: What `Dataset.target` says, ``[items, ...]``.
        names: Where each item comes from, such as ``houses.csv:7``, where items don't say so themselves.
        groups: What each item shares with others, such as its speaker; see `Dataset.group`.
    """

    items: Sequence[Any]
    targets: NDArray[Any]
    names: Sequence[str] = ()
    groups: Sequence[str] = ()

    def keep(self, chosen: Sequence[int]) -> Split:
        """Return the items at the chosen places."""
        names, groups = ([texts[i] for i in chosen] if texts else () for texts in (self.names, self.groups))
        return Split([self.items[i] for i in chosen], self.targets[list(chosen)], names, groups)

    def name(self, i: int) -> str:
        """Return what to call an item: its path, where it comes from, or its number, from 1."""
        item = self.items[i]
        return str(item) if isinstance(item, Path) else self.names[i] if self.names else f"item {i + 1}"


def join(splits: Sequence[Split]) -> Split:
    """Return all items of splits as one."""
    return Split(
        [item for split in splits for item in split.items],
        np.concatenate([split.targets for split in splits]),
        [name for split in splits for name in split.names] if all(split.names for split in splits) else (),
        [group for split in splits for group in split.groups] if all(split.groups for split in splits) else (),
    )


@dataclass(frozen=True)
class Column:
    """How a column of a table was read.

    Args:
        name: Its name.
        kind: ``numbers``, ``whole numbers`` or ``categories``.
        holds: The range of its numbers, or how many categories it has and which.
        missing: The share of its cells that are empty, 0 to 1.
        remark: What makes it look like a mistake; empty for most.
    """

    name: str
    kind: str
    holds: str
    missing: float
    remark: str


@dataclass(frozen=True)
class Dataset:
    """A data set, not yet read or checked.

    Args:
        name: What users call it, such as ``digits``.
        content: What its items are.
        target: What is to be told from them.
        splits: ``train``, ``validation`` and perhaps ``test``.
        source: Where it comes from.
        licence: Under which licence it stands.
        columns: How the columns of a user's table were read, besides the target.
        bad: What is wrong with items that the source has left out; `zoo.train.prepare.prepare` refuses such a set
            unless they may be skipped.
        group: What the `Split.groups` are, such as ``speaker``; empty where nothing tells.
    """

    name: str
    content: Content
    target: Target
    splits: dict[str, Split]
    source: str
    licence: str
    columns: tuple[Column, ...] = ()
    bad: tuple[str, ...] = ()
    group: str = ""

    def origin(self) -> DataOrigin:
        """Return the data set's identity: sizes and a hash over every item and target of every split."""
        digest = hashlib.sha256(repr((self.content, self.target)).encode())
        for name, split in self.splits.items():
            digest.update(f"{name} {len(split.items)}".encode())
            targets = np.ascontiguousarray(split.targets)
            digest.update(targets.astype(targets.dtype.newbyteorder("<")).tobytes())
            for item in split.items:
                digest.update(hash_item(item))
        sizes = {name: len(split.items) for name, split in self.splits.items()}
        return DataOrigin(self.name, self.source, self.licence, sizes, digest.hexdigest(), self.balance())

    def balance(self) -> dict[str, dict[str, int]]:
        """Return how many items, or boxes, of each split bear each label; empty where the target has no labels."""
        if isinstance(self.target, Classes):
            counts = {k: np.bincount(s.targets, minlength=len(self.target.labels)) for k, s in self.splits.items()}
        elif isinstance(self.target, LabelSets):
            counts = {k: s.targets.sum(0) for k, s in self.splits.items()}
        elif isinstance(self.target, Boxes):
            numbers = {k: s.targets[..., 0].astype(np.int64) for k, s in self.splits.items()}
            counts = {k: np.bincount(n[n >= 0], minlength=len(self.target.labels)) for k, n in numbers.items()}
        else:
            return {}
        return {k: dict(zip(self.target.labels, c.tolist(), strict=True)) for k, c in counts.items()}


def hash_item(item: Any) -> bytes:
    """Return a hash of an item's content; an unreadable file counts as empty, the check reports it."""
    if isinstance(item, np.ndarray):
        content = item.astype(item.dtype.newbyteorder("<"), copy=False)
        return hashlib.sha256(repr((item.shape, content.dtype.str)).encode() + content.tobytes()).digest()
    if not isinstance(item, Path):
        return hashlib.sha256(repr(item).encode()).digest()
    digest = hashlib.sha256()
    try:
        with open_regular(item) as file:
            while block := file.read(BLOCK):
                digest.update(block)
    except OSError:
        return hashlib.sha256().digest()
    return digest.digest()


def split_apart(
    items: Sequence[Any],
    targets: NDArray[Any],
    seed: int,
    share: float = VALIDATION_SHARE,
    names: Sequence[str] = (),
) -> dict[str, Split]:
    """Split into ``train`` and ``validation``, each class by itself; copies of one item stay together.

    Args:
        items: All items.
        targets: Their targets; whole numbers of one axis are classes, 0 and 1 of two axes are sets of labels, of
            which an item's rarest is its class here.
        seed: Decides which items go where.
        share: Of each class, what goes to validation; at least one item where there are two.
        names: Where each item comes from; see `Split`.
    """
    chosen: list[int] = []
    for stratum, copies in _strata(items, targets).items():
        order = np.random.default_rng([seed, stratum]).permutation(len(copies))
        wanted = min(len(copies) - 1, max(1, round(share * len(copies))))
        chosen += [i for index in order[:wanted] for i in copies[index]]
    return _parted(Split(items, targets, names), set(chosen))


def fold(dataset: Dataset, k: int, i: int, seed: int) -> Dataset:
    """Split training and validation anew for cross-validation; ``test`` stays as it is.

    Args:
        dataset: The data set.
        k: Into how many folds, of about the same size and balance; copies of one item stay together.
        i: The fold that is the validation, 0 to k - 1; the others are the training.
        seed: Decides which items go where; the same for all folds.

    Raises:
        OptionError: If there are fewer items than folds, `i` is none of them, or items share parts with others, as
            the windows of a series and composed lines of text do.
    """
    target = dataset.target
    if isinstance(target, Texts) or (isinstance(target, Values) and target.horizon is not None):
        parts = "digits" if isinstance(target, Texts) else "steps"
        raise OptionError(f"{dataset.name!r} can't be split into folds: its items share {parts} with each other")
    if k < 2 or not 0 <= i < k:
        raise OptionError(f"folds are 2 or more, numbered from 0; got fold {i} of {k}")
    parted = [dataset.splits[name] for name in ("train", "validation")]
    whole = join(parted)
    strata = _strata(whole.items, whole.targets)
    for stratum, copies in strata.items():
        if isinstance(target, Classes) and len(copies) < k:
            raise OptionError(f"{k} folds need {k} different items of {target.labels[stratum]!r}; it has {len(copies)}")
    total = sum(map(len, strata.values()))
    if total < k:
        raise OptionError(f"{k} folds need {k} different items; {dataset.name!r} has {total}")
    chosen: set[int] = set()
    dealt = 0
    for stratum, copies in strata.items():
        order = np.random.default_rng([seed, stratum]).permutation(len(copies))
        for index in order[(i - dealt) % k :: k]:
            chosen.update(copies[index])
        dealt += len(copies)
    return replace(dataset, splits=dataset.splits | _parted(whole, chosen))


def _strata(items: Sequence[Any], targets: NDArray[Any]) -> dict[int, list[list[int]]]:
    """Return where the items of each class stand, the copies of one item in one list.

    Where most rows of a table repeat, as with a few columns of categories, they are no copies but equal observations.
    """
    keys: list[Any] = [hash_item(item) for item in items]
    if len(items) and isinstance(items[0], tuple) and 2 * len(set(keys)) < len(keys):
        keys = list(range(len(items)))
    strata = np.zeros(len(items), np.int64)
    if targets.dtype.kind in "iu" and targets.ndim == 1:
        strata = targets
    elif targets.dtype.kind in "iu" and np.isin(targets, (0, 1)).all():
        held = targets > 0
        rarest = np.where(held, held.sum(0), len(items) + 1).argmin(1)
        strata = np.where(held.any(1), rarest, targets.shape[1])
    groups: dict[int, list[list[int]]] = {}
    for stratum in np.unique(strata).tolist():
        copies: dict[Any, list[int]] = {}
        for i in np.flatnonzero(strata == stratum).tolist():
            copies.setdefault(keys[i], []).append(i)
        groups[stratum] = list(copies.values())
    return groups


def _parted(whole: Split, held: set[int]) -> dict[str, Split]:
    return {
        "train": whole.keep([i for i in range(len(whole.items)) if i not in held]),
        "validation": whole.keep(sorted(held)),
    }


@dataclass(frozen=True)
class DataSource:
    """A data set that is loaded when it is first used, and only once.

    Args:
        path: Where its files are; None for data that is found without a path.
        load: Loads it.
    """

    path: Path | None
    load: Callable[[], Any]

    @cached_property
    def dataset(self) -> Dataset:
        """The data set; raises a DataError if it can't be read."""
        loaded = self.load()
        assert isinstance(loaded, Dataset)  # noqa: S101  # what every module in the folder returns
        return loaded

    def check(self) -> None:
        """Refuse a path at which there is nothing, without reading any data; see `load_dataset`."""
        if self.path is not None and not self.path.exists():
            self.load()  # says what is missing in its own words


def load_dataset(spec: str, seed: int, target: str | None = None, drop: Sequence[str] = ()) -> Dataset:
    """Load a data set; see `find_source` for the arguments and further errors.

    Raises:
        DataError: If the source can't be read.
    """
    return find_source(spec, seed, target, drop).dataset


def find_source(spec: str, seed: int = 0, target: str | None = None, drop: Sequence[str] = ()) -> DataSource:
    """Return the source of a data set, ``name`` or ``name:path``, of which nothing is read yet.

    Args:
        spec: The data set.
        seed: Decides the split.
        target: The column to tell from the others, of a source that has columns.
        drop: Columns to leave out, of a source that has columns.

    Raises:
        OptionError: If no data source has the name, or `target` or `drop` is given to a source without columns.
    """
    import inspect

    name, _, text = spec.partition(":")
    known = descriptions("zoo.data")
    if name not in known:
        folder = os.path.isdir(spec)  # noqa: PTH112
        hint = f"; for a folder of images write folder:{spec}, of recordings audio:{spec}" if folder else ""
        hint = f"; for a table write csv:{spec}" if spec.lower().endswith(".csv") else hint
        raise OptionError(unknown("data set", name, known) + hint)
    load = load_module("zoo.data", name).load
    extra: dict[str, Any] = {} if target is None else {"target": target}
    extra |= {"drop": tuple(drop)} if drop else {}
    for option in extra:
        if option not in inspect.signature(load).parameters:
            what = "to choose a target from" if option == "target" else "to leave out"
            raise OptionError(f"{name} has no columns {what}; leave out --{option}")
    path = Path(text).expanduser() if text else None
    return DataSource(path, partial(load, path, seed, **extra))


def refusal(name: str, fatal: list[str], bad: list[str], most: int | None = None) -> DataError:
    """Return the error that lists a data set's offenders: what nothing can skip, and what can be left out.

    Args:
        name: The data set.
        fatal: What it lacks.
        bad: What is wrong with items.
        most: How many to list; all by default.
    """
    problems = [*fatal, *bad]
    count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
    advice = "" if fatal else "; repair or remove them, or leave them out with --skip-bad"
    more = "" if most is None or len(problems) <= most else f"; and {len(problems) - most} more"
    return DataError(f"{name}: {count}: {'; '.join(problems[:most])}{more}{advice}")
