"""The right boxes of a detector's samples, as callers give them and as `Detection.measure` takes them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from runtime.errors import ExportError, shown, unknown

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from runtime.images.placement import Placement

NO_BOX = -1
"""The label's index in rows that fill up pictures of fewer boxes."""


def as_boxes(values: Sequence[Any] | NDArray[Any], labels: tuple[str, ...]) -> NDArray[np.float32]:
    """Return the boxes of each picture as rows ``float32 [pictures, most, 5]``.

    Args:
        values: For each picture its boxes, as rows of the label's name or index, left, top, right and bottom in pixels
            of the upright picture. Rows of a negative index are no box.
        labels: The labels of the model.

    Returns:
        Rows of the label's index and the corners, filled up with rows of `NO_BOX`.

    Raises:
        ExportError: If a row is no such box; names the picture.
    """
    pictures = [
        [_row(row, labels, f"targets of sample {number}") for row in rows] for number, rows in enumerate(values)
    ]
    boxes = np.full((len(pictures), max(1, *map(len, pictures)), 5), NO_BOX, np.float32)
    for filled, rows in zip(boxes, pictures, strict=True):
        if rows:
            filled[: len(rows)] = rows
    return boxes


def _row(row: Any, labels: tuple[str, ...], where: str) -> list[float]:
    try:
        label, *corners = row
        index = labels.index(label) if isinstance(label, str) else int(label)
        left, top, right, bottom = map(float, corners)
    except (TypeError, ValueError):
        if isinstance(row, Sequence) and row and isinstance(row[0], str) and row[0] not in labels:
            raise ExportError(f"{where}: {unknown('label', row[0], labels)}") from None
        raise ExportError(f"{where}: a box is a label, left, top, right and bottom, got {shown(row)}") from None
    if index < 0:
        return [NO_BOX] * 5
    if index >= len(labels) or not (np.isfinite(corners).all() and left < right and top < bottom):
        raise ExportError(
            f"{where}: a box needs a label below {len(labels)}, left < right and top < bottom, got {shown(list(row))}"
        )
    return [index, left, top, right, bottom]


def to_input(boxes: NDArray[np.float32], placement: Placement) -> NDArray[np.float32]:
    """Return boxes ``float32 [boxes, 5]`` of a picture in pixels of the model's input; rows of `NO_BOX` stay."""
    mapped = boxes.copy()
    mapped[:, 1:] = np.where(boxes[:, :1] < 0, boxes[:, 1:], placement.to_input(boxes[:, 1:]))
    return mapped
