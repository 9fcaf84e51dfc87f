"""Checks of annotated pictures before the first epoch; what they find is in one report."""

from __future__ import annotations

import os
from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from zoo.data import hash_item
from zoo.data._annotations.findings import (
    EMPTY_CLASS,
    FLAT,
    LEAK,
    LISTED_TWICE,
    OUTSIDE,
    REPEATED,
    REVERSED,
    TOO_MANY,
    UNTRAINED_CLASS,
    Findings,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from zoo.data._annotations.pictures import Annotations, Picture

SLACK = 1.0
"""Pixels by which tools round a box out of its picture; such a box is clipped."""
MAX_BOXES = 1000
"""Boxes of a picture. Targets of all pictures have room for as many as the fullest one has, and each training step
compares each box with every cell of the network. COCO's fullest picture has 93."""


def check(annotations: Annotations, findings: Findings) -> Annotations:
    """Return the pictures that can be learned from; `findings` takes the others.

    A picture with a box that can't be right is left out as a whole: the box marks some object, and a picture without
    it would teach that the object is background. Boxes of no area and repeated ones mark no further object, so they
    alone are left out. Pictures without boxes are allowed: they teach what is background.
    """
    single = _listed_once(annotations.pictures, findings)
    checked = [kept for picture in single if (kept := _checked(picture, findings)) is not None]
    pictures = _without_leaks(checked, findings)
    counts = {split: np.zeros(len(annotations.labels), np.int64) for split in ("train", "validation", "test", None)}
    for picture in pictures:
        counts[picture.split] += np.bincount(picture.classes, minlength=len(annotations.labels))
    trained = counts["train"] + counts[None]
    for i in np.flatnonzero(trained == 0).tolist():
        total = sum(count[i] for count in counts.values())
        findings.add(UNTRAINED_CLASS if total else EMPTY_CLASS, annotations.labels[i])
    return replace(annotations, pictures=tuple(pictures))


def _listed_once(pictures: Sequence[Picture], findings: Findings) -> list[Picture]:
    """Return the first picture of each path in a split: the data doesn't tell whose boxes are right."""
    first: dict[tuple[Path, str | None], Picture] = {}
    for picture in pictures:
        key = picture.path, picture.split
        if first.setdefault(key, picture) is not picture:
            findings.add(LISTED_TWICE, f"{picture.path} in {picture.split or 'the data'}")
    return list(first.values())


def _checked(picture: Picture, findings: Findings) -> Picture | None:
    """Return a picture with boxes inside of it, or None with a finding."""
    boxes, classes, path = picture.boxes, picture.classes, picture.path
    if len(boxes) > MAX_BOXES:
        findings.add(TOO_MANY, f"{path}: {len(boxes)}; at most {MAX_BOXES}")
        return None
    size = np.array([picture.width, picture.height] * 2, np.float32)
    is_reversed = (boxes[:, 2:] < boxes[:, :2]).any(1)
    is_outside = ~is_reversed & ((boxes < -SLACK) | (boxes > size + SLACK)).any(1)
    for kind, wrong in ((REVERSED, is_reversed), (OUTSIDE, is_outside)):
        for box in boxes[wrong]:
            findings.add(kind, f"{path}: {_edges(box)} in {picture.width}x{picture.height}")
    if is_reversed.any() or is_outside.any():
        return None
    clipped = np.clip(boxes, 0, size)
    is_flat = (clipped[:, 2:] <= clipped[:, :2]).any(1)
    for box in boxes[is_flat]:
        findings.add(FLAT, f"{path}: {_edges(box)}")
    rows = np.concatenate([clipped, classes[:, None].astype(np.float32)], axis=1)[~is_flat]
    first = np.sort(np.unique(rows, axis=0, return_index=True)[1])
    for i in sorted(set(range(len(rows))) - set(first.tolist())):
        findings.add(REPEATED, f"{path}: {_edges(rows[i, :4])}")
    return replace(picture, boxes=rows[first, :4], classes=classes[~is_flat][first])


def _edges(box: NDArray[np.float32]) -> str:
    return "[" + ", ".join(f"{edge:g}" for edge in box) + "]"


def _without_leaks(pictures: Sequence[Picture], findings: Findings) -> list[Picture]:
    """Return the pictures without copies of a file in another split; the training's copy is the one left out."""
    order = {"test": 0, "validation": 1, "train": 2, None: 3}
    leaked: set[int] = set()
    for copies in _copies([picture.path for picture in pictures]):
        first, *others = sorted(copies, key=lambda i: order[pictures[i].split])
        for i in others:
            if pictures[i].split != pictures[first].split:
                leaked.add(i)
                findings.add(LEAK, f"{pictures[i].path} in {pictures[i].split} and {pictures[first].path}")
    return [picture for i, picture in enumerate(pictures) if i not in leaked]


def _copies(paths: Sequence[Path]) -> list[list[int]]:
    """Return the indices of files of equal content; only files of equal length are read."""
    sizes: dict[int, list[int]] = defaultdict(list)
    for i, path in enumerate(paths):
        sizes[os.stat(path).st_size].append(i)  # noqa: PTH116
    hashes: dict[bytes, list[int]] = defaultdict(list)
    for indices in sizes.values():
        if len(indices) > 1:
            for i in indices:
                hashes[hash_item(paths[i])].append(i)
    return [indices for indices in hashes.values() if len(indices) > 1]
