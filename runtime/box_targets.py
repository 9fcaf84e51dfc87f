"""The right boxes of pictures as arrays, one row a box: the targets of a detector's data set."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from runtime.average_precision import LabeledBoxes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from runtime.images.placement import Placement

NO_BOX = -1.0
"""The values of rows that fill up pictures of fewer boxes."""


def pack(pictures: Sequence[LabeledBoxes], most: int) -> NDArray[np.float32]:
    """Return the boxes of pictures as targets.

    Args:
        pictures: The boxes of each picture; see `unpack`.
        most: The rows of each picture; boxes beyond them are left out.

    Returns:
        ``float32 [pictures, most, 5]``: the index of the label, left, top, right and bottom; filled up with `NO_BOX`.
    """
    targets = np.full((len(pictures), most, 5), NO_BOX, np.float32)
    for target, (corners, labels) in zip(targets, ((each.corners, each.labels) for each in pictures), strict=True):
        count = min(len(corners), most)
        target[:count, 0] = labels[:count]
        target[:count, 1:] = corners[:count]
    return targets


def unpack(target: NDArray[np.float32]) -> LabeledBoxes:
    """Return the boxes, ``float32 [boxes, 4]``, and labels, ``int64 [boxes]``, of one picture's target."""
    rows = target[target[:, 0] >= 0]
    return LabeledBoxes(rows[:, 1:], rows[:, 0].astype(np.int64))


def to_input(target: NDArray[np.float32], placement: Placement) -> NDArray[np.float32]:
    """Return the target of a picture in pixels of the model's input; rows without a box stay."""
    mapped = target.copy()
    mapped[:, 1:] = np.where(target[:, :1] < 0, target[:, 1:], placement.to_input(target[:, 1:]))
    return mapped
