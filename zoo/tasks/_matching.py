"""Which of a detector's boxes are right, by the intersection over union with the right boxes of their label."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from runtime.boxes import intersections_over_unions

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from runtime.average_precision import LabeledBoxes

LEAST_OVERLAP = 0.5
"""The intersection over union from which on a box is right; Pascal VOC's (Everingham et al. 2010, section 4.2)."""


def hits(detections: LabeledBoxes, targets: LabeledBoxes) -> NDArray[np.bool_]:
    """Tell of each detection of a picture whether it is right.

    Each takes the box of its label that it overlaps most among those that no surer detection has taken.

    Args:
        detections: The surest first.
        targets: The right boxes.
    """
    right = np.zeros(len(detections.labels), np.bool_)
    if not len(targets.labels) or not len(right):
        return right
    corners, target_corners = (np.ascontiguousarray(each.corners, np.float32).T for each in (detections, targets))
    overlaps = intersections_over_unions(corners[:, :, None], target_corners[:, None])
    overlaps[detections.labels[:, None] != targets.labels] = 0
    for i, row in enumerate(overlaps):
        best = int(row.argmax())
        if row[best] >= LEAST_OVERLAP:
            right[i] = True
            overlaps[:, best] = 0
    return right
