"""Files in one folder per class, below train/, val/ and test/ or without: what is a class, a split and a file of it."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from runtime.errors import DataError, one_line, shown
from runtime.printable import is_printable
from zoo.data import Split, split_apart
from zoo.files import find

SPLITS = {
    "train": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
}
OUTSIDE = "outside of the classes' folders"


def find_parts(path: Path, skipped: dict[str, list[str]]) -> dict[str, Path]:
    """Return the folder of each split that is told apart below `path`, by the split's name; `path` by "" without any.

    Args:
        path: The folder of a data set.
        skipped: Where what is left out is added, by the reason.

    Raises:
        DataError: If there is no such folder, it can't be read, or two folders name the same split.
    """
    if not path.is_dir():
        raise DataError(f"{path}: {'not a folder' if path.exists() else 'no such folder'}")
    named = [folder for folder in folders(path) if folder.name in SPLITS]
    parts = {SPLITS[folder.name]: folder for folder in named}
    if len(parts) < len(named):
        raise DataError(f"{path}: two folders name the same split: {', '.join(folder.name for folder in named)}")
    if "train" not in parts:
        return {"": path}
    if beside := sorted(str(each) for each in _entries(path) if each not in named):
        skipped["beside the splits"] = beside
    return parts


def folders(path: Path) -> list[Path]:
    """Return the folders in a folder, but hidden ones.

    Raises:
        DataError: If it can't be read.
    """
    return sorted(each for each in _entries(path) if each.is_dir() and not each.name.startswith("."))


def _entries(path: Path) -> list[Path]:
    try:
        return [*path.iterdir()]
    except OSError as problem:
        raise DataError(f"{path}: can't be read ({one_line(problem)})") from None


def class_labels(path: Path, parts: dict[str, Path]) -> tuple[str, ...]:
    """Return the names of the classes' folders in any part of a data set; none where there are no folders.

    Raises:
        DataError: If one can't be read, or its name can't be printed.
    """
    labels = tuple(sorted({folder.name for part in parts.values() for folder in folders(part)}))
    check_printable(path, labels, "the name of the class folder")
    return labels


def check_printable(path: Path, labels: Sequence[str], what: str) -> None:
    """Refuse labels that would turn a terminal's state.

    Args:
        path: The data set.
        labels: Names that others may have made.
        what: What they are.

    Raises:
        DataError: If one holds signs that can't be printed.
    """
    if bad := [label for label in labels if not is_printable(label)]:
        raise DataError(f"{path}: {what} {shown(bad[0])} holds control characters; rename it")


def folder_label(file: Path) -> str | None:
    """Return the class folder that a file lies in or below; None for one that lies in none."""
    label, *below = file.parts
    return label if below else None


def list_files(
    path: Path,
    suffixes: tuple[str, ...],
    skipped: dict[str, list[str]],
    label_of: Callable[[Path], str | None] = folder_label,
    unlabeled: str = OUTSIDE,
) -> dict[Path, str]:
    """Return the files of a part of a data set with their labels, sorted.

    Args:
        path: The part's folder.
        suffixes: What the files end in, in lower case.
        skipped: Where what is left out is added, by the reason.
        label_of: Returns the label of a file by its path from there; None for one to leave out.
        unlabeled: The reason for leaving out files without a label.

    Raises:
        DataError: If a folder below can't be read.
    """
    files = find([str(path)], suffixes)
    listed: dict[Path, str] = {}
    for name in files.paths:
        problem = files.problems.get(name)
        if problem and name != str(path) and not os.path.islink(name):  # noqa: PTH114
            raise DataError(f"{name}: {problem}")
        if name == str(path):
            continue
        label = label_of(Path(name).relative_to(path))
        if label is None:
            skipped.setdefault(unlabeled, []).append(name)
        else:
            listed[Path(name)] = label
    for reason, names in files.skipped.items():
        skipped.setdefault(reason, []).extend(names)
    return dict(sorted(listed.items()))


def to_splits(listed: dict[str, dict[Path, str]], labels: tuple[str, ...], seed: int) -> dict[str, Split]:
    """Return the files of the parts as splits; validation is taken from the training where no part is for it.

    Args:
        listed: The files of each part, with their labels.
        labels: All labels.
        seed: Decides which files are validation.
    """
    splits = {
        name: Split([*files], np.array([labels.index(label) for label in files.values()], np.int64))
        for name, files in listed.items()
    }
    if "validation" in splits:
        return splits
    whole = splits.pop("" if "" in splits else "train")
    return split_apart(whole.items, whole.targets, seed) | splits
