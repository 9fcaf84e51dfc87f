"""The right boxes of a detector's samples, as callers give them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from runtime.box_targets import NO_BOX, pack, unpack
from runtime.errors import ExportError, shown, unknown

if TYPE_CHECKING:
    from numpy.typing import NDArray


def as_boxes(values: Sequence[Any] | NDArray[Any], labels: tuple[str, ...]) -> NDArray[np.float32]:
    """Return the boxes of each picture as `runtime.box_targets.pack` does.

    Args:
        values: For each picture its boxes, as rows of the label's name or index, left, top, right and bottom in pixels
            of the upright picture. Rows of a negative index are no box.
        labels: The labels of the model.

    Returns:
        ``float32 [pictures, most, 5]``.

    Raises:
        ExportError: If a row is no such box; names the picture.
    """
    pictures = [
        [_row(row, labels, f"targets of sample {number}") for row in rows] for number, rows in enumerate(values)
    ]
    boxes = [unpack(np.array(rows, np.float32).reshape(-1, 5)) for rows in pictures]
    return pack(boxes, max(1, *(len(each.labels) for each in boxes)))


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
