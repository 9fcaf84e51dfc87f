"""Whether two outputs of a detector mean the same boxes, where differences of rounding may decide a tie otherwise."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from runtime.boxes import intersections_over_unions

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Detections(NamedTuple):
    """The candidates of one picture, and which of them were selected.

    Args:
        corners: ``float32 [candidates, 4]`` in pixels of the network's input.
        scores: ``float32 [candidates, labels]``.
        boxes: ``int64 [boxes]``: the index of each selected box, best first.
        labels: ``int64 [boxes]``: the index of its label.
    """

    corners: NDArray[np.float32]
    scores: NDArray[np.float32]
    boxes: NDArray[np.int64]
    labels: NDArray[np.int64]


class Tolerances(NamedTuple):
    """How far corners (in pixels) and scores may be apart, and the thresholds of the selection."""

    corner: float
    score: float
    threshold: float
    iou: float


def same_boxes(reference: Detections, outputs: Detections, allowed: Tolerances) -> bool:
    """Tell whether two results have the same boxes in number, label, order and corners.

    A box without a counterpart counts as the same where rounding decides whether it is selected: its score is at the
    threshold, or a box of its label that is as good or better overlaps it by the threshold of suppression.
    """
    if np.array_equal(reference.boxes, outputs.boxes) and np.array_equal(reference.labels, outputs.labels):
        gap = np.abs(reference.corners[reference.boxes] - outputs.corners[outputs.boxes])
        if not gap.size or gap.max() <= allowed.corner:
            return True
    return _explained(reference, outputs, allowed) and _explained(outputs, reference, allowed)


def _explained(one: Detections, other: Detections, allowed: Tolerances) -> bool:
    """Tell whether each box of the one result has a counterpart in the other, or is a tie."""
    free = np.ones(len(other.boxes), bool)
    for box, label in zip(one.boxes, one.labels, strict=True):
        near = np.abs(other.corners[other.boxes] - one.corners[box]).max(axis=1, initial=0) <= allowed.corner
        near &= (other.labels == label) & free
        near &= np.abs(other.scores[other.boxes, other.labels] - one.scores[box, label]) <= 2 * allowed.score
        if near.any():
            free[np.argmax(near)] = False
        elif not _is_tie(one, int(box), int(label), allowed):
            return False
    return True


def _is_tie(detections: Detections, box: int, label: int, allowed: Tolerances) -> bool:
    """Tell whether rounding may decide that a box is not selected."""
    corners, scores = detections.corners, detections.scores[:, label]
    score = scores[box]
    if score <= allowed.threshold + 2 * allowed.score:
        return True
    rivals = (scores >= score - 2 * allowed.score) & (scores >= allowed.threshold)
    rivals[box] = False
    side = max(float((corners[box, 2:] - corners[box, :2]).min()), 1e-6)
    overlaps = intersections_over_unions(corners[rivals].T, corners[box][:, None])
    return bool((overlaps > allowed.iou - 4 * allowed.corner / side).any())
