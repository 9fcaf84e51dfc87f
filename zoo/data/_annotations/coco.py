"""COCO JSON: ``images``, ``annotations`` and ``categories`` in one file a split (https://cocodataset.org/#format-data)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np

from runtime.errors import DataError, one_line, shown
from runtime.regular_files import read_regular
from runtime.schema import parse_json
from zoo.data._annotations.findings import CROWD, DAMAGED, UNKNOWN_CLASS, Findings
from zoo.data._annotations.labels import check_labels
from zoo.data._annotations.pictures import (
    Annotations,
    Picture,
    as_boxes,
    entries,
    is_inside,
    locate,
    measure,
    split_of,
    subfolder,
    subfolders,
)

FORMAT = "COCO JSON"
LOOKED_FOR = "*.json with images, annotations and categories, in it, in annotations/ or in a folder of each split"
MAX_JSON = 512 * 2**20
"""Bytes of a JSON file; COCO's own largest, ``instances_train2017.json``, has 448 MiB."""
KEYS = ("images", "annotations", "categories")
PROBED = 50
"""How many names of a file are looked up to see which folder they are relative to."""
LARGEST = 1e9

Sources = dict[Path, dict[str, Any]]


def find(root: Path) -> Sources:
    """Return the content of the JSON files below a folder that annotate boxes; ``instances*`` where there are such.

    Raises:
        DataError: If a JSON file can't be read.
    """
    folders = [folder for folder in (subfolder(root, "annotations"), root, *subfolders(root)) if folder]
    paths = [path for folder in dict.fromkeys(folders) for path in entries(folder, (".json",))]
    instances = [path for path in paths if path.name.startswith("instances")]
    documents = {path: _parse(root, path) for path in instances or paths}
    return {
        path: document
        for path, document in documents.items()
        if isinstance(document, dict) and all(isinstance(document.get(key), list) for key in KEYS)
    }


def _parse(root: Path, path: Path) -> Any:
    if not is_inside(root, path):
        raise DataError(f"{path}: is a link that leads out of {root}")
    try:
        return parse_json(read_regular(path, MAX_JSON), str(path), DataError)
    except OSError as problem:
        raise DataError(f"{path}: can't be read ({one_line(problem)})") from None


def read(root: Path, sources: Sources, findings: Findings) -> Annotations:
    """Return the pictures of each file's split; ``bbox`` is left, top, width and height.

    Boxes around crowds (``iscrowd``) are left out, as torchvision's and Detectron2's training does: they are no single
    object.

    Raises:
        DataError: If the categories are damaged, or two files have different ones.
    """
    tables = {path: _categories(path, document["categories"]) for path, document in sources.items()}
    first, *others = tables
    for path in others:
        if tables[path] != tables[first]:
            raise DataError(f"{path}: has other categories than {first}; give all files of a data set the same")
    indices = {number: i for i, number in enumerate(tables[first])}
    pictures: list[Picture] = []
    for path, document in sources.items():
        pictures += _pictures(root, path, document, indices, findings)
    return Annotations(FORMAT, tuple(tables[first].values()), tuple(pictures))


def _categories(path: Path, categories: list[Any]) -> dict[int, str]:
    """Return the names of the categories by their ids, in the order of the ids."""
    names: dict[int, str] = {}
    for category in categories:
        number = category.get("id") if isinstance(category, dict) else None
        if type(number) is not int or number in names:
            raise DataError(f"{path}: a category needs an id of its own and a name, got {shown(category)}")
        names[number] = category.get("name")
    check_labels(list(names.values()), path)
    return dict(sorted(names.items()))


def _pictures(
    root: Path, path: Path, document: dict[str, Any], indices: dict[int, int], findings: Findings
) -> list[Picture]:
    boxes = _boxes_by_image(path, document, indices, findings)
    split = split_of(path.stem) or split_of(path.parent.name)
    images = [image for image in document["images"] if isinstance(image, dict)]
    folder = _picture_folder(root, path, split, [image.get("file_name") for image in images])
    pictures: list[Picture] = []
    for image in document["images"]:
        number = image.get("id") if isinstance(image, dict) else None
        name = image.get("file_name") if isinstance(image, dict) else None
        if type(number) is not int or not isinstance(name, str):
            findings.add(DAMAGED, f"{path}: an image needs an id and a file_name, got {shown(image)}")
            continue
        objects = boxes.get(number, [])
        file = locate(root, folder, name, str(path), findings)
        if file is None or objects is None:
            continue
        stated = image.get("width"), image.get("height")
        size = measure(file, stated if all(map(_is_number, stated)) else None, findings)
        if size:
            edges = as_boxes([edges for edges, _ in objects])
            classes = np.array([index for _, index in objects], np.int64)
            pictures.append(Picture(file, *size, edges, classes, split))
    return pictures


def _boxes_by_image(
    path: Path, document: dict[str, Any], indices: dict[int, int], findings: Findings
) -> dict[int, list[tuple[tuple[float, ...], int]] | None]:
    """Return edges and class of the boxes of each image's id, or None where one of an image's boxes is damaged."""
    known = {image.get("id") for image in document["images"] if isinstance(image, dict) and _is_id(image.get("id"))}
    boxes: dict[int, list[tuple[tuple[float, ...], int]] | None] = {}
    for i, annotation in enumerate(document["annotations"]):
        where = f"{path}: annotation {i + 1}"
        image = annotation.get("image_id") if isinstance(annotation, dict) else None
        if not _is_id(image) or image not in known:
            findings.add(DAMAGED, f"{where} needs the image_id of an image, got {shown(image)}")
            continue
        box, category = annotation.get("bbox"), annotation.get("category_id")
        if not isinstance(box, list) or len(box) != 4 or not all(map(_is_number, box)):
            findings.add(DAMAGED, f"{where} needs a bbox of four numbers, got {shown(box)}")
            boxes[image] = None
        elif not _is_id(category) or category not in indices:
            findings.add(UNKNOWN_CLASS, f"{where}: category_id {shown(category)}")
        elif annotation.get("iscrowd"):
            findings.add(CROWD, where)
        elif (objects := boxes.setdefault(image, [])) is not None:
            left, top, width, height = map(float, box)
            objects.append(((left, top, left + width, top + height), indices[category]))
    return boxes


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= LARGEST


def _is_id(value: object) -> TypeGuard[int]:
    return type(value) is int


def _picture_folder(root: Path, path: Path, split: str | None, names: list[Any]) -> Path:
    """Return the folder in which most of the first names are files: people lay them out in many ways."""
    tops = [path.parent, root, *(folder for folder in (subfolder(root, "images"), subfolder(root, "data")) if folder)]
    below = [folder for top in tops[1:] for folder in subfolders(top) if split and split_of(folder.name) == split]
    candidates = [*tops, *below]
    probes = [name for name in names[:PROBED] if isinstance(name, str) and "\0" not in name]
    counts = [sum(os.path.isfile(folder / name) for name in probes) for folder in candidates]  # noqa: PTH113
    best = max(range(len(counts)), key=counts.__getitem__)
    images = subfolder(root, "images")
    return candidates[best] if counts[best] else images or root
