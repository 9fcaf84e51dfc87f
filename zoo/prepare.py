"""Read, check and preprocess a whole data set before the first epoch, with the pixels that devices will see."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from runtime.engines import usable_cpus
from runtime.errors import DataError, InputError
from runtime.preprocess import Step, preprocess
from zoo.dataset import Dataset, Split, hash_item

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Prepared:
    """A checked data set.

    Args:
        dataset: The data set, without the files that were skipped.
        pixels: Of each split, ``uint8 [items, height, width, channels]``.
        skipped: What was left out, and why.
    """

    dataset: Dataset
    pixels: dict[str, NDArray[np.uint8]]
    skipped: tuple[str, ...]

    def targets(self, split: str) -> NDArray[np.int64]:
        """Return a split's targets, ``int64 [items]``."""
        return self.dataset.splits[split].targets


def prepare(
    dataset: Dataset,
    steps: tuple[Step, ...],
    skip_bad: bool = False,
    on_progress: Callable[[str, int, int], None] = lambda what, done, total: None,
) -> Prepared:
    """Read every image and check the set as a whole.

    Args:
        dataset: What to read.
        steps: The preprocessing.
        skip_bad: Leave out unreadable files and copies across splits instead of refusing the set.
        on_progress: Called with what is being done, how much is done, and how much there is.

    Raises:
        DataError: Lists every offender: unreadable files, the same image in training and validation, and, which
            nothing can skip, empty classes and sets of a single class.
    """
    bad: list[str] = []
    kept: dict[str, Split] = {}
    pixels: dict[str, NDArray[np.uint8]] = {}
    total = sum(len(split.items) for split in dataset.splits.values())
    done = 0
    with ThreadPoolExecutor(usable_cpus()) as pool:
        for name, split in dataset.splits.items():
            readable: list[int] = []
            store: NDArray[np.uint8] | None = None
            for i, result in enumerate(pool.map(lambda item: _read(item, steps), split.items)):
                if isinstance(result, str):
                    bad.append(result)
                else:
                    store = _room(len(split.items), result.shape) if store is None else store
                    store[len(readable)] = result
                    readable.append(i)
                done += 1
                if done % 16 == 0 or done == total:
                    on_progress("read", done, total)
            kept[name] = split.keep(readable)
            pixels[name] = np.empty((0,), np.uint8) if store is None else store[: len(readable)]
    leaks = _leaks(kept)
    bad += [f"{_name(kept['train'].items[i])}: the same image is in validation ({other})" for i, other in leaks]
    if leaks:
        left = sorted(set(range(len(kept["train"].items))) - {i for i, _ in leaks})
        kept["train"], pixels["train"] = kept["train"].keep(left), pixels["train"][left]
    fatal = _lacks(dataset.labels, kept)
    if fatal or (bad and not skip_bad):
        _refuse(dataset.name, fatal, bad)
    return Prepared(replace(dataset, splits=kept), pixels, tuple(bad))


def _read(item: Path | NDArray[np.uint8], steps: tuple[Step, ...]) -> NDArray[np.uint8] | str:
    try:
        return preprocess(item, steps)
    except InputError as problem:
        return str(problem)


def _room(count: int, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """Return an array on disk, so that a large set needn't fit into memory."""
    with tempfile.TemporaryFile() as file:
        return np.memmap(file, np.uint8, "w+", shape=(count, *shape))


def _leaks(splits: dict[str, Split]) -> list[tuple[int, str]]:
    """Return the training items that validation holds too, with their name there."""
    held = {hash_item(item): _name(item) for item in splits["validation"].items}
    found = ((i, held.get(hash_item(item))) for i, item in enumerate(splits["train"].items))
    return [(i, name) for i, name in found if name is not None]


def _lacks(labels: tuple[str, ...], splits: dict[str, Split]) -> list[str]:
    if len(labels) < 2:
        return [f"there is a single class ({labels[0]!r}): a classifier needs two or more"]
    problems = []
    for name in ("train", "validation"):
        counts = np.bincount(splits[name].targets, minlength=len(labels))
        lacking = [label for label, count in zip(labels, counts, strict=True) if count == 0]
        if lacking:
            hint = "add images, two or more a class, or remove the class's folder"
            problems.append(f"no readable images in {name} of: {', '.join(lacking)} ({hint})")
    return problems


def _refuse(name: str, fatal: list[str], bad: list[str]) -> None:
    problems = [*fatal, *bad]
    count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
    advice = "" if fatal else "; repair or remove them, or leave them out with --skip-bad"
    raise DataError(f"{name}: {count}: {'; '.join(problems)}{advice}")


def _name(item: Path | NDArray[np.uint8]) -> str:
    return str(item) if isinstance(item, Path) else f"an image of {item.shape[1]}x{item.shape[0]} pixels"
