"""YOLO folders: `data.yaml` and a text file a picture (https://docs.ultralytics.com/datasets/detect)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from runtime.errors import DataError, MissingExtraError, one_line, shown
from runtime.regular_files import MAX_TEXT, read_regular
from zoo.data._annotations.findings import (
    BACKGROUND,
    DAMAGED,
    LEAVES_FOLDER,
    UNKNOWN_CLASS,
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
    locate,
    measure,
    subfolder,
)
from zoo.files import IMAGES
from zoo.files import find as find_files

FORMAT = "a YOLO folder"
LOOKED_FOR = "data.yaml with the names of the classes, and labels/ beside images/"
ADVICE = (
    "labels/ holds classes as numbers, whose names stand in data.yaml: write one with "
    "'names: [first, second]', 'train: images/train' and 'val: images/val' (or 'train: images')"
)
MAX_YAML = 256 * 2**10
"""Bytes of data.yaml, which PyYAML reads at about 100 kB a second."""
MAX_DEPTH = 8

Source = tuple[Path, dict[str, Any]]


def find(root: Path) -> Source | None:
    """Return the file that names the classes, and its content; None where there is none.

    Raises:
        DataError: If it can't be read, or is not the only one.
        MissingExtraError: If PyYAML is not installed.
    """
    paths = [path for path in entries(root, (".yaml", ".yml")) if not path.name.startswith(("README", "hyp"))]
    named = [path for path in paths if path.stem == "data"] or paths
    if not named:
        return None
    documents = {path: _parse(root, path) for path in named}
    datasets = {path: text for path, text in documents.items() if isinstance(text, dict) and "names" in text}
    if len(datasets) > 1:
        raise DataError(f"{root}: several files name classes: {', '.join(path.name for path in datasets)}; keep one")
    return next(iter(datasets.items()), None)


def lacks_names(root: Path) -> bool:
    """Say whether a folder has label files but nothing that names their classes."""
    labels = subfolder(root, "labels")
    return labels is not None and any(labels.rglob("*.txt"))


def _parse(root: Path, path: Path) -> Any:
    """Return the content of a YAML file.

    Refused before it is built are aliases, with which a small file grows without end, and deep nesting, for which
    PyYAML takes quadratic time.
    """
    try:
        import yaml
    except ImportError:
        raise MissingExtraError("PyYAML", "train") from None
    if not is_inside(root, path):
        raise DataError(f"{path}: is a link that leads out of {root}")
    try:
        text = read_regular(path, MAX_YAML).decode("utf-8-sig")
        depth = 0
        for event in yaml.parse(text, yaml.SafeLoader):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if isinstance(event, yaml.AliasEvent):
                raise DataError(f"{path}: has an alias (*name); write its value instead")
            if depth > MAX_DEPTH:
                raise DataError(f"{path}: is nested in more than {MAX_DEPTH} levels")
        return yaml.safe_load(text)
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as problem:
        raise DataError(f"{path}: can't be read as YAML ({one_line(problem)})") from None


def read(root: Path, source: Source, findings: Findings) -> Annotations:
    """Return the pictures of the splits that the YAML file names, with the boxes of their label files.

    ``train``, ``val`` and ``test`` are folders, lists of pictures (``.txt``), or several of them, relative to ``path``
    or to the file; where ``../`` leads out of the folder, as in Roboflow's exports, it is left out. The label file of
    ``images/a.jpg`` is ``labels/a.txt``; a picture without one has no objects, as in Ultralytics' training. Polygons
    count as the boxes around them.

    Raises:
        DataError: If the names are damaged, no split is there, or the labels are of another task.
    """
    path, content = source
    labels = _labels(path, content)
    if "kpt_shape" in content:
        raise DataError(f"{path}: kpt_shape says that these are poses; give boxes")
    pictures: list[Picture] = []
    for key, split in SPLITS.items():
        if content.get(key) is not None:
            images = _images(root, source, key, findings)
            pictures += [picture for image in images if (picture := _picture(root, image, labels, split, findings))]
    if not any(content.get(key) is not None for key in SPLITS):
        raise DataError(f"{path}: names no folder of pictures; add 'train: images/train' and 'val: images/val'")
    return Annotations(FORMAT, labels, tuple(pictures))


def _labels(path: Path, content: dict[str, Any]) -> tuple[str, ...]:
    names = content["names"]
    if isinstance(names, dict):
        if sorted(names, key=str) != sorted(range(len(names)), key=str):
            raise DataError(f"{path}: names must be numbered from 0, got {shown(list(names))}")
        names = [names[i] for i in range(len(names))]
    if not isinstance(names, list):
        raise DataError(f"{path}: names must be a list or a table of numbers and names, got {shown(names)}")
    names = [str(name) if type(name) in (int, float) else name for name in names]  # digits are names, too
    if any(isinstance(name, bool) or name is None for name in names):
        raise DataError(f"{path}: names such as no, yes and null mean something else in YAML; put them into quotes")
    check_labels(names, path)
    if content.get("nc", len(names)) != len(names):
        raise DataError(f"{path}: nc is {shown(content['nc'])}, but there are {len(names)} names")
    return tuple(names)


def _images(root: Path, source: Source, key: str, findings: Findings) -> Iterator[Path]:
    """Yield the pictures of a split.

    Raises:
        DataError: If a folder or a list is not there.
    """
    path, content = source
    stated = content[key]
    for text in stated if isinstance(stated, list) else [stated]:
        if not isinstance(text, str):
            raise DataError(f"{path}: {key} must be a folder or a list of folders, got {shown(text)}")
        target = _resolved(root, source, text)
        if target is None:
            raise DataError(f"{path}: {key}: no {shown(text)} inside of {root}; folders are relative to data.yaml")
        if target.is_file():
            for line in read_lines(root, target):
                if image := locate(root, target.parent, line, str(target), findings):
                    yield image
            continue
        for name in find_files([str(target)], IMAGES).paths:
            if Path(name) == target:
                raise DataError(f"{path}: {key}: {target} has no pictures")
            if not is_inside(root, Path(name)):
                findings.add(LEAVES_FOLDER, name)
            else:
                yield Path(name)


def _resolved(root: Path, source: Source, text: str) -> Path | None:
    """Return the folder or list that an entry means, or None where none of its readings is inside of `root`."""
    path, content = source
    base = content.get("path")
    bases = [path.parent / base] if isinstance(base, str) else []
    trimmed = text
    while trimmed.startswith(("./", "../")):
        trimmed = trimmed.partition("/")[2]
    readings = [each / text for each in (*bases, path.parent)] + [path.parent / trimmed]
    return next((each for each in readings if "\0" not in str(each) and each.exists() and is_inside(root, each)), None)


def _picture(root: Path, image: Path, labels: tuple[str, ...], split: str, findings: Findings) -> Picture | None:
    size = measure(image, None, findings)
    label_file = _label_file(root, image)
    if size is None:
        return None
    if not label_file.exists():
        findings.add(BACKGROUND, str(image))
        return Picture(image, *size, as_boxes([]), np.zeros(0, np.int64), split)
    if not is_inside(root, label_file):
        findings.add(LEAVES_FOLDER, str(label_file))
        return None
    try:
        lines = read_regular(label_file, MAX_TEXT).decode("utf-8-sig").splitlines()
        objects = [_object(line, number) for number, line in enumerate(lines, 1) if line.strip()]
    except (OSError, ValueError) as problem:
        findings.add(DAMAGED, f"{label_file}: {one_line(problem)}")
        return None
    for index, _ in objects:
        if index >= len(labels):
            findings.add(UNKNOWN_CLASS, f"{label_file}: {index}")
            return None
    width, height = size
    edges = np.array([edges for _, edges in objects]).reshape(-1, 4) * (width, height, width, height)
    return Picture(image, *size, as_boxes(edges.tolist()), np.array([index for index, _ in objects], np.int64), split)


def _label_file(root: Path, image: Path) -> Path:
    """Return the label file of a picture: the last folder ``images`` of its path is ``labels``."""
    parts = list(image.relative_to(root).with_suffix(".txt").parts)
    places = [i for i, part in enumerate(parts[:-1]) if part == "images"]
    if places:
        parts[places[-1]] = "labels"
    return root.joinpath(*parts)


def _object(line: str, number: int) -> tuple[int, tuple[float, float, float, float]]:
    """Return the class and the edges, as shares of the picture, of a line: a box, or the points of a polygon.

    Raises:
        ValueError: If it is neither.
    """
    fields = line.split()
    try:
        index, *values = map(float, fields)
    except ValueError:
        raise ValueError(f"line {number} has something else than numbers: {shown(line)}") from None
    polygon = len(values) >= 6 and len(values) % 2 == 0
    if not (len(values) == 4 or polygon) or not all(map(math.isfinite, (index, *values))):
        raise ValueError(f"line {number} is not 'CLASS X Y WIDTH HEIGHT': {shown(line)}")
    if index < 0 or index != int(index):
        raise ValueError(f"line {number} has no whole number as its class: {shown(line)}")
    if polygon:
        return int(index), (min(values[::2]), min(values[1::2]), max(values[::2]), max(values[1::2]))
    x, y, width, height = values
    return int(index), (x - width / 2, y - height / 2, x + width / 2, y + height / 2)
