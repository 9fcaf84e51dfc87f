"""Annotated pictures of people's own in the field's three layouts: COCO JSON, YOLO folders and Pascal VOC XML.

`load_pictures` reads, checks and splits them. Each layout is a module with `find`, which returns its files, and `read`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from runtime.average_precision import LabeledBoxes
from runtime.box_targets import pack
from runtime.errors import DataError
from zoo.data import Split, split_apart
from zoo.data._annotations import coco, voc, yolo
from zoo.data._annotations.checks import check
from zoo.data._annotations.findings import Findings
from zoo.data._annotations.pictures import Annotations, Picture

LAYOUTS: tuple[Any, ...] = (coco, yolo, voc)


@dataclass(frozen=True)
class Report:
    """What is wrong with a data set, a line for each kind with the number and the first examples.

    Args:
        fatal: What nothing can skip.
        bad: Pictures that were left out because their annotation can't be right.
        notes: What changes no object, but is worth knowing.
    """

    fatal: tuple[str, ...]
    bad: tuple[str, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class LoadedPictures:
    """Checked pictures in splits.

    Args:
        format: The layout's name.
        labels: The names of the classes.
        splits: ``train``, ``validation`` and perhaps ``test``: paths, with targets as `zoo.data.Boxes` says.
        size: The height and width that all upright pictures have, or None.
        report: What is wrong; the splits hold what is left without it.
    """

    format: str
    labels: tuple[str, ...]
    splits: dict[str, Split]
    size: tuple[int, int] | None
    report: Report


def load_pictures(root: Path, seed: int) -> LoadedPictures:
    """Read, check and split the annotated pictures in a folder.

    Args:
        root: The folder.
        seed: Decides the split, where the data have none; where they have no validation, the training is split.

    Raises:
        DataError: If there is no such folder, it has none or several of the layouts, or what all pictures need can't
            be read. The report holds the problems of single pictures.
    """
    annotations, findings = read_annotations(root)
    checked = check(annotations, findings)
    fatal = findings.lines("fatal")
    splits = _splits(checked, seed)
    for name in ("train", "validation"):
        if name not in splits or not splits[name].items:
            fatal.append(f"no usable pictures for {name}")
    if not any(len(picture.boxes) for picture in checked.pictures):
        fatal.append("no boxes in any usable picture")
    report = Report(tuple(fatal), tuple(findings.lines("bad")), tuple(findings.lines("note")))
    sizes = {(picture.height, picture.width) for picture in checked.pictures}
    return LoadedPictures(checked.format, checked.labels, splits, sizes.pop() if len(sizes) == 1 else None, report)


def read_annotations(root: Path) -> tuple[Annotations, Findings]:
    """Read the annotated pictures in a folder, whichever layout they have; nothing is left out silently.

    Raises:
        DataError: See `load_pictures`.
    """
    if not root.is_dir():
        advice = "; give the folder that holds annotations and pictures" if root.exists() else ""
        raise DataError(f"{root}: {'not a folder' if root.exists() else 'no such folder'}{advice}")
    root = root.resolve()
    sources = [(layout, source) for layout in LAYOUTS if (source := layout.find(root))]
    if len(sources) > 1:
        names = " and ".join(layout.FORMAT for layout, _ in sources)
        raise DataError(f"{root}: holds {names}: put each into a folder of its own")
    if not sources and yolo.lacks_names(root):
        raise DataError(f"{root}: {yolo.ADVICE}")
    if not sources:
        looked_for = "; ".join(f"{layout.FORMAT}: {layout.LOOKED_FOR}" for layout in LAYOUTS)
        raise DataError(f"{root}: has no annotated pictures; looked for {looked_for}")
    findings = Findings()
    layout, source = sources[0]
    annotations: Annotations = layout.read(root, source, findings)
    return annotations, findings


def _splits(annotations: Annotations, seed: int) -> dict[str, Split]:
    parts: dict[str, list[Picture]] = {}
    for picture in annotations.pictures:
        parts.setdefault(picture.split or "train", []).append(picture)
    if "validation" not in parts and "train" in parts:
        known = {picture.path: picture for picture in parts["train"]}
        held = np.zeros((len(known), len(annotations.labels)), np.int64)
        for row, picture in zip(held, known.values(), strict=True):
            row[picture.classes] = 1
        apart = split_apart([*known], held, seed)
        parts |= {name: [known[path] for path in split.items] for name, split in apart.items()}
    most = max((len(picture.boxes) for picture in annotations.pictures), default=0)
    return {
        name: Split(
            [picture.path for picture in parts[name]],
            pack([LabeledBoxes(picture.boxes, picture.classes) for picture in parts[name]], most),
        )
        for name in ("train", "validation", "test")
        if name in parts
    }
