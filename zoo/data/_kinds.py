"""Kinds of items and of targets that a data set may have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Images:
    """Items are paths of image files, or arrays ``uint8 [height, width]`` or ``[height, width, 3]``.

    Args:
        mode: Gray (``L``) or color (``RGB``).
        size: The height and width that all images have, or None.
        ground: The color to lay transparent images on, and to fill up with.
    """

    mode: Literal["L", "RGB"]
    size: tuple[int, int] | None
    ground: tuple[int, int, int] = (255, 255, 255)


@dataclass(frozen=True)
class Rows:
    """Items are tuples of cells in the order of `columns`: a float or None (empty) for numbers, a text for categories.

    Args:
        columns: For each column its categories, or None where it holds numbers.
    """

    columns: dict[str, tuple[str, ...] | None]


@dataclass(frozen=True)
class Sequences:
    """Items are arrays ``float32 [length, features]``.

    Args:
        features: The name of each feature.
        length: How many steps each item has.
    """

    features: tuple[str, ...]
    length: int


@dataclass(frozen=True)
class Audio:
    """Items are paths of recordings, or arrays ``float32 [samples]`` at `rate`, full scale -1 to 1.

    Args:
        rate: The commonest rate of the recordings, at most 16,000 Hz.
        seconds: A length that nearly all of them fit in.
        background: The labels that stand for no word, such as silence.
    """

    rate: int
    seconds: float
    background: tuple[str, ...] = ()


@dataclass(frozen=True)
class Classes:
    """Targets are the number of each item's label, ``int64 [items]``."""

    labels: tuple[str, ...]


@dataclass(frozen=True)
class LabelSets:
    """Targets are 1 for each label that holds and 0 for the others, ``int64 [items, labels]``."""

    labels: tuple[str, ...]


@dataclass(frozen=True)
class Values:
    """Targets are numbers, ``float32 [items]``; or those of the next steps, ``float32 [items, horizon]``.

    Args:
        name: What they are values of.
        unit: Their unit; empty where they have none.
        horizon: How many steps, or None for a number by itself.
    """

    name: str
    unit: str = ""
    horizon: int | None = None


@dataclass(frozen=True)
class Texts:
    """Targets are places in the alphabet, ``int64 [items, longest]``, filled up with -1."""

    alphabet: str


@dataclass(frozen=True)
class Boxes:
    """Targets are the boxes of each picture, ``float32 [items, most, 5]``, filled up with rows of -1.

    A row is the number of the box's label, and its left, top, right and bottom edge in pixels of the upright picture.

    Args:
        labels: What the boxes are around.
        mirrored: Whether a picture with left and right exchanged bears the same labels; digits don't.
    """

    labels: tuple[str, ...]
    mirrored: bool = True


Content = Images | Rows | Sequences | Audio
Target = Classes | LabelSets | Values | Texts | Boxes
