"""Your own images, `folder:PATH`: one folder per class, any sizes and modes, split here or by train/ and val/."""

from __future__ import annotations

from pathlib import Path

from runtime.errors import DataError
from zoo.data import Classes, Dataset, Images
from zoo.data._class_folders import class_labels, find_parts, list_files, to_splits
from zoo.files import IMAGES, warn_of_skipped


def load(path: Path | None, seed: int) -> Dataset:
    """Return the images below `path`, listed but not yet read.

    Raises:
        DataError: If there is no such folder, or it has no class folders.
    """
    if path is None:
        raise DataError("folder needs a path, one folder per class in it: folder:PATH")
    skipped: dict[str, list[str]] = {}
    parts = find_parts(path, skipped)
    labels = class_labels(path, parts)
    if not labels:
        raise DataError(f"{path}: has no folders; put the images of each class into a folder named after it")
    listed = {name: list_files(part, IMAGES, skipped) for name, part in parts.items()}
    warn_of_skipped(skipped)
    return Dataset(
        name=path.resolve().name,
        content=Images("RGB", None),
        target=Classes(labels),
        splits=to_splits(listed, labels, seed),
        source="a folder of images",
        licence="not stated",
    )
