"""Your own images, `folder:PATH`: one folder per class, any sizes and modes, split here or by train/ and val/."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from runtime.errors import DataError, one_line, shown
from runtime.printable import is_printable
from zoo.data import Classes, Dataset, Images, Split, split_apart
from zoo.files import IMAGES, find, tell

SPLITS = {
    "train": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
}


def load(path: Path | None, seed: int) -> Dataset:
    """Return the images below `path`, listed but not yet read.

    Raises:
        DataError: If there is no such folder, or it has no class folders.
    """
    if path is None:
        raise DataError("folder needs a path, one folder per class in it: folder:PATH")
    if not path.is_dir():
        raise DataError(f"{path}: {'not a folder' if path.exists() else 'no such folder'}")
    try:
        named = [place for place in _folders(path) if place.name in SPLITS]
        parts = {SPLITS[place.name]: place for place in named}
        if len(parts) < len(named):
            raise DataError(f"{path}: two folders name the same split: {', '.join(place.name for place in named)}")
        skipped: dict[str, list[str]] = {}
        if "train" not in parts:
            parts = {"": path}
        elif beside := sorted(str(place) for place in path.iterdir() if place not in named):
            skipped["beside the splits"] = beside
        labels = tuple(sorted({place.name for part in parts.values() for place in _folders(part)}))
    except OSError as problem:
        raise DataError(f"{path}: can't be read ({one_line(problem)})") from None
    bad = [label for label in labels if not is_printable(label)]
    if bad:
        raise DataError(f"{path}: the name of the class folder {shown(bad[0])} holds control characters; rename it")
    if not labels:
        raise DataError(f"{path}: has no folders; put the images of each class into a folder named after it")
    found = {name: _list(part, labels, skipped) for name, part in parts.items()}
    tell(skipped)
    splits = split_apart(found[""].items, found[""].targets, seed) if "" in found else found
    if "validation" not in splits:
        splits = split_apart(splits["train"].items, splits["train"].targets, seed) | {
            name: split for name, split in splits.items() if name != "train"
        }
    return Dataset(
        name=path.resolve().name,
        content=Images("RGB", None),
        target=Classes(labels),
        splits=splits,
        source="a folder of images",
        licence="not stated",
    )


def _folders(path: Path) -> list[Path]:
    return sorted(place for place in path.iterdir() if place.is_dir() and not place.name.startswith("."))


def _list(path: Path, labels: tuple[str, ...], skipped: dict[str, list[str]]) -> Split:
    """Return the images of the classes in a folder; add what is left out to `skipped`.

    Raises:
        DataError: If a folder below can't be read.
    """
    found = find([str(path)], IMAGES)
    items, targets = [], []
    for name in found.paths:
        problem = found.problems.get(name)
        if problem and name != str(path) and not os.path.islink(name):  # noqa: PTH114
            raise DataError(f"{name}: {problem}")
        label, *below = Path(name).relative_to(path).parts or ("",)
        if below:
            items.append(Path(name))
            targets.append(labels.index(label))
        elif label:
            skipped.setdefault("outside of the classes' folders", []).append(name)
    for reason, names in found.skipped.items():
        skipped.setdefault(reason, []).extend(names)
    order = sorted(range(len(items)), key=items.__getitem__)
    return Split(items, np.array(targets, np.int64)).keep(order)
