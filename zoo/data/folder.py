"""Your own images, `folder:PATH`: one folder per class, any sizes and modes, split here or by train/ and val/."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from runtime.errors import DataError, one_line, shown
from runtime.printable import is_printable
from zoo.data import Classes, Dataset, Images, Split, split_apart
from zoo.files import IMAGES, find, warn_of_skipped

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
        named = [folder for folder in _folders(path) if folder.name in SPLITS]
        parts = {SPLITS[folder.name]: folder for folder in named}
        if len(parts) < len(named):
            raise DataError(f"{path}: two folders name the same split: {', '.join(folder.name for folder in named)}")
        skipped: dict[str, list[str]] = {}
        if "train" not in parts:
            parts = {"": path}
        elif beside := sorted(str(folder) for folder in path.iterdir() if folder not in named):
            skipped["beside the splits"] = beside
        labels = tuple(sorted({folder.name for part in parts.values() for folder in _folders(part)}))
    except OSError as problem:
        raise DataError(f"{path}: can't be read ({one_line(problem)})") from None
    bad = [label for label in labels if not is_printable(label)]
    if bad:
        raise DataError(f"{path}: the name of the class folder {shown(bad[0])} holds control characters; rename it")
    if not labels:
        raise DataError(f"{path}: has no folders; put the images of each class into a folder named after it")
    listed = {name: _list(part, labels, skipped) for name, part in parts.items()}
    warn_of_skipped(skipped)
    splits = split_apart(listed[""].items, listed[""].targets, seed) if "" in listed else listed
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
    return sorted(folder for folder in path.iterdir() if folder.is_dir() and not folder.name.startswith("."))


def _list(path: Path, labels: tuple[str, ...], skipped: dict[str, list[str]]) -> Split:
    """Return the images of the classes in a folder; add what is left out to `skipped`.

    Raises:
        DataError: If a folder below can't be read.
    """
    files = find([str(path)], IMAGES)
    items, targets = [], []
    for name in files.paths:
        problem = files.problems.get(name)
        if problem and name != str(path) and not os.path.islink(name):  # noqa: PTH114
            raise DataError(f"{name}: {problem}")
        label, *below = Path(name).relative_to(path).parts or ("",)
        if below:
            items.append(Path(name))
            targets.append(labels.index(label))
        elif label:
            skipped.setdefault("outside of the classes' folders", []).append(name)
    for reason, names in files.skipped.items():
        skipped.setdefault(reason, []).extend(names)
    order = sorted(range(len(items)), key=items.__getitem__)
    return Split(items, np.array(targets, np.int64)).keep(order)
