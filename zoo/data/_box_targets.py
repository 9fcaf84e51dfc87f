"""The boxes of pictures as the targets of a data set, one row a box; see `zoo.data.Boxes`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

FILL = -1.0
"""The values of rows in which a picture has no further box."""


def pack(pictures: Sequence[tuple[NDArray[np.float32], NDArray[np.int64]]], most: int) -> NDArray[np.float32]:
    """Return the boxes of pictures as targets, ``float32 [pictures, most, 5]``, filled up with -1.

    Args:
        pictures: Of each the boxes, ``float32 [boxes, 4]``, and their classes, ``int64 [boxes]``; see `unpack`.
        most: The rows of each picture; boxes beyond them are left out.
    """
    targets = np.full((len(pictures), most, 5), FILL, np.float32)
    for target, (boxes, classes) in zip(targets, pictures, strict=True):
        count = min(len(boxes), most)
        target[:count, 0] = classes[:count]
        target[:count, 1:] = boxes[:count]
    return targets


def unpack(target: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return the boxes, ``float32 [boxes, 4]``, and classes, ``int64 [boxes]``, of one picture's target."""
    rows = target[target[:, 0] >= 0]
    return rows[:, 1:], rows[:, 0].astype(np.int64)
