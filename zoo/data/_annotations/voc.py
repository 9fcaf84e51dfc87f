"""Pascal VOC XML: one file a picture (Everingham et al. 2010: The Pascal Visual Object Classes Challenge)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from runtime.errors import DataError, one_line, shown
from runtime.regular_files import MAX_TEXT, read_regular
from zoo.data._annotations.findings import (
    DAMAGED,
    LEAVES_FOLDER,
    MISSING,
    UNANNOTATED,
    UNLISTED,
    WITHOUT_FILE,
    Findings,
)
from zoo.data._annotations.labels import check_labels
from zoo.data._annotations.lists import read_lines
from zoo.data._annotations.pictures import (
    SPLITS,
    Annotations,
    Picture,
    as_boxes,
    entries,
    is_inside,
    measure,
    subfolder,
    subfolders,
)
from zoo.data._annotations.voc_file import VocFile, parse_voc
from zoo.files import IMAGES

FORMAT = "Pascal VOC XML"
LOOKED_FOR = "*.xml in annotations/ with the pictures in images/ or JPEGImages/, or beside the pictures"


@dataclass(frozen=True)
class Source:
    """XML files, and where their pictures are.

    Args:
        files: The XML files.
        pictures: The folder of the pictures.
        split: The split that the folder's name tells, or None.
    """

    files: tuple[Path, ...]
    pictures: Path
    split: str | None


def find(root: Path) -> list[Source]:
    """Return the folders of XML files: ``annotations``, or one of each split, or the folder itself."""
    annotations = subfolder(root, "annotations")
    if annotations and (files := entries(annotations, (".xml",))):
        return [Source(tuple(files), subfolder(root, "jpegimages", "images", "img") or annotations, None)]
    parts = [(folder, SPLITS[folder.name.lower()]) for folder in subfolders(root) if folder.name.lower() in SPLITS]
    return [
        Source(tuple(files), folder, split)
        for folder, split in [*parts, (root, None)]
        if (files := entries(folder, (".xml",)))
    ]


def read(root: Path, sources: list[Source], findings: Findings) -> Annotations:
    """Return the pictures that the XML files annotate; a picture has the same name as its file.

    The classes are the names in all files, sorted. Boxes that are marked ``difficult`` are objects like others, as in
    Detectron2's training; VOC's own evaluation ignores them. Splits come from the folders, or from the lists
    ``train.txt``, ``val.txt`` and ``test.txt`` in the folder or in ``ImageSets/Main``.

    Raises:
        DataError: If no file names a class, or a list can't be read.
    """
    contents = {path: _read_file(root, path, findings) for source in sources for path in source.files}
    labels = tuple(sorted({name for content in contents.values() if content for name in content.names}))
    if not labels:
        raise DataError("; ".join([f"{root}: no annotation file names a class", *findings.lines("bad")]))
    check_labels(labels, root)
    listed = _listed(root)
    pictures: list[Picture] = []
    for source in sources:
        images = {path.stem: path for path in reversed(entries(source.pictures, IMAGES))}
        for stem in sorted(images.keys() - {path.stem for path in source.files}):
            findings.add(UNANNOTATED, str(images[stem]))
        for path in source.files:
            splits = listed.get(path.stem, []) if listed else [source.split]
            if not splits:
                findings.add(UNLISTED, str(path))
            elif content := contents[path]:
                pictures += _pictures(root, path, images.get(path.stem), content, labels, splits, findings)
    for stem in sorted(listed.keys() - {path.stem for path in contents}):
        findings.add(WITHOUT_FILE, f"{listed[stem][0]}: {shown(stem)}")
    return Annotations(FORMAT, labels, tuple(pictures))


def _read_file(root: Path, path: Path, findings: Findings) -> VocFile | None:
    if not is_inside(root, path):
        findings.add(LEAVES_FOLDER, str(path))
        return None
    try:
        return parse_voc(read_regular(path, MAX_TEXT))
    except (OSError, ValueError) as problem:
        findings.add(DAMAGED, f"{path}: {one_line(problem)}")
        return None


def _pictures(
    root: Path,
    path: Path,
    image: Path | None,
    content: VocFile,
    labels: tuple[str, ...],
    splits: list[str] | list[str | None],
    findings: Findings,
) -> Iterator[Picture]:
    """Yield the picture of a file once for each split that lists it."""
    if image is None:
        findings.add(MISSING, f"{path}: no picture {path.stem}.*")
    elif not is_inside(root, image):
        findings.add(LEAVES_FOLDER, str(image))
    elif size := measure(image, content.size, findings):
        classes = np.array([labels.index(name) for name in content.names], np.int64)
        for split in splits:
            yield Picture(image, *size, as_boxes(content.edges), classes, split)


def _listed(root: Path) -> dict[str, list[str]]:
    """Return the splits that list each name; ``trainval`` is the training where no list has a part of it.

    Raises:
        DataError: If a list can't be read.
    """
    sets = subfolder(root, "imagesets")
    folder = (sets and subfolder(sets, "main")) or root
    lists = {path.stem.lower(): path for path in entries(folder, (".txt",))}
    chosen = {name: split for name, split in SPLITS.items() if name in lists}
    if "trainval" in lists and not {"train", "validation"} & set(chosen.values()):
        chosen["trainval"] = "train"
    splits: dict[str, list[str]] = {}
    for name, split in chosen.items():
        for line in read_lines(root, lists[name]):
            stem = line.removesuffix(".xml")
            stem = next((stem.removesuffix(suffix) for suffix in IMAGES if stem.endswith(suffix)), stem)
            if split not in splits.setdefault(stem, []):
                splits[stem].append(split)
    return splits
