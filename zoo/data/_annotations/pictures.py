"""Annotated pictures, and how every reader finds and measures the file of one."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING

import numpy as np

from runtime.errors import InputError, one_line, shown
from runtime.images.decoding import open_image, open_stream
from zoo.data._annotations.findings import LEAVES_FOLDER, MISSING, OTHER_SIZE, UNREADABLE, Findings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_ORIENTATION_TAG = 0x0112  # EXIF 2.3, section 4.6.4
_ON_ITS_SIDE = (5, 6, 7, 8)
"""Orientations of which width and height change places."""
SPLITS = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
}
"""What people call the splits."""
FARTHEST = 1e9
"""Pixels; edges that are farther away, which are wrong in any case, are put there so that float32 holds them."""


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture and the objects in it.

    Args:
        path: Its file, inside of the data set's folder.
        width: Pixels of the upright picture.
        height: The same.
        boxes: ``float32 [boxes, 4]``: left, top, right and bottom edge in pixels of the upright picture.
        classes: ``int64 [boxes]``: the index of each box's label.
        split: ``train``, ``validation`` or ``test``, or None where the data don't say.
    """

    path: Path
    width: int
    height: int
    boxes: NDArray[np.float32]
    classes: NDArray[np.int64]
    split: str | None


@dataclass(frozen=True, eq=False)
class Annotations:
    """Annotated pictures.

    Args:
        format: The format's name, such as ``COCO JSON``.
        labels: The names of the classes.
        pictures: In a fixed order.
    """

    format: str
    labels: tuple[str, ...]
    pictures: tuple[Picture, ...]


def as_boxes(edges: Sequence[Sequence[float]]) -> NDArray[np.float32]:
    """Return edges as ``float32 [boxes, 4]``, where there are none, too."""
    return np.clip(np.array(edges, np.float64).reshape(-1, 4), -FARTHEST, FARTHEST).astype(np.float32)


def split_of(name: str) -> str | None:
    """Return the split that a file's or folder's name tells: ``instances_val2017`` is the validation."""
    words = "".join(sign if sign.isalpha() else " " for sign in name.lower()).split()
    return next((SPLITS[word] for word in words if word in SPLITS), None)


def entries(folder: Path, suffixes: tuple[str, ...]) -> list[Path]:
    """Return a folder's visible files that end so, sorted; none where there is no such folder."""
    try:
        paths = sorted(folder.iterdir())
    except OSError:
        return []
    return [path for path in paths if path.name.lower().endswith(suffixes) and not path.name.startswith(".")]


def subfolder(folder: Path, *names: str) -> Path | None:
    """Return the first subfolder of one of these names in lower case, or None."""
    known = {each.name.lower(): each for each in subfolders(folder)}
    return next((known[name] for name in names if name in known), None)


def subfolders(folder: Path) -> list[Path]:
    """Return the visible folders in a folder, sorted; none where there is no such folder."""
    try:
        return sorted(each for each in folder.iterdir() if each.is_dir() and not each.name.startswith("."))
    except OSError:
        return []


def is_inside(root: Path, path: Path) -> bool:
    """Say whether a path stays in a folder, wherever its links lead."""
    real = os.path.realpath(root)
    return os.path.commonpath([real, os.path.realpath(path)]) == real


def locate(root: Path, folder: Path, name: str, where: str, findings: Findings) -> Path | None:
    """Return the file of a picture that an annotation names, or None with a finding.

    Args:
        root: The data set's folder; no name may lead out of it, neither by ``..`` nor by a link.
        folder: The folder that the name is relative to.
        name: The name, with ``/`` or Windows' separators.
        where: What names it.
        findings: Takes what is wrong.
    """
    name = name.replace("\\", "/")
    absolute = PurePosixPath(name).is_absolute() or PureWindowsPath(name).drive
    if absolute or "\0" in name or not is_inside(root, folder / name):
        findings.add(LEAVES_FOLDER, f"{where}: {shown(name)}")
        return None
    path = folder / name
    if not os.path.isfile(path):  # noqa: PTH113  # a name that is too long is no error here
        findings.add(MISSING, f"{where}: {shown(name)}")
        return None
    return path


def measure(path: Path, stated: tuple[float, float] | None, findings: Findings) -> tuple[int, int] | None:
    """Return width and height of the upright picture from its header, or None with a finding.

    Boxes are in pixels of the picture as people see it, turned as its EXIF orientation says: annotation tools show it
    so (labelImg: ``QImageReader.setAutoTransform``; browsers: ``image-orientation: from-image``), and so do peers
    (Ultralytics: ``exif_size``). An annotation that states another size was made for another picture, or for one that
    was not turned: the file doesn't tell which, so it is refused, as Detectron2's ``check_image_size`` does.

    Args:
        path: The picture.
        stated: Width and height that its annotation states; None, and sizes of 0, say nothing.
        findings: Takes what is wrong.
    """
    try:
        name, stream = open_stream(path)
        with stream:
            image = open_image(stream, name)
            stored = image.size
            # Pillow turns the size of a TIFF when it opens the file, that of other formats never
            turned = image.format != "TIFF" and image.getexif().get(_ORIENTATION_TAG) in _ON_ITS_SIDE
    except InputError as problem:
        findings.add(UNREADABLE, str(problem))
        return None
    except Exception as problem:  # of a damaged EXIF block
        findings.add(UNREADABLE, f"{path}: the image is damaged ({one_line(problem)})")
        return None
    width, height = stored[::-1] if turned else stored
    if stated and all(stated) and stated != (width, height):
        hint = ", not turned as its EXIF orientation says: save it without one" if stated == stored else ""
        findings.add(OTHER_SIZE, f"{path}: {width}x{height}, the annotation has {stated[0]:g}x{stated[1]:g}{hint}")
        return None
    return width, height
