"""A detector's raw tensors to boxes: centers of cells, corners, non-maximum suppression, and the map to the picture.

Boxes are corners ``float32 [boxes, 4]``: left, top, right and bottom in pixels from the left and top edges. Arithmetic
is in float32, one rounding an operation, and decisions compare scores as the graph gives them. The twin,
`mobile_demo/package/src/model/boxes.ts`, does the same operations in the same order, and gives the same boxes to the
last bit.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from runtime.errors import OptionError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from runtime.images.steps import Affine

MAX_CANDIDATES = 1000
"""How many candidates `non_max_suppression` compares with one another, which bounds its time whatever a graph gives.
RetinaNet (Lin et al. 2017, section 4.1) decodes as many of each level of its pyramid."""
BLOCK = 32
"""How many boxes are compared with all later ones at once. One at a time takes up to six times as long, and all at
once up to fourteen times (docs/log.md, "From tensors to boxes")."""
MAX_BOXES = 300
"""How many boxes a picture may have. COCO's metrics look at the best 100; crowded pictures, such as those of cells
under a microscope, hold more."""


@lru_cache(maxsize=32)
def cell_centers(height: int, width: int, strides: tuple[int, ...]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the centers ``float32 [cells, 2]`` (x and y) and the strides ``float32 [cells]`` of a pyramid's cells.

    Cells are ordered by stride as given, then row by row. A stride's grid has ``ceil(height / stride)`` rows and
    ``ceil(width / stride)`` columns, and its centers are at ``(column + 0.5) * stride`` and ``(row + 0.5) * stride``.

    Args:
        height: Height of the network's input in pixels.
        width: Width of the network's input in pixels.
        strides: Pixels from one cell to the next, for each level of the pyramid; at least 1.
    """
    centers, cell_strides = [], []
    for stride in strides:
        x = (np.arange(-(-width // stride), dtype=np.float32) + np.float32(0.5)) * np.float32(stride)
        y = (np.arange(-(-height // stride), dtype=np.float32) + np.float32(0.5)) * np.float32(stride)
        centers.append(np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2))
        cell_strides.append(np.full(len(x) * len(y), stride, np.float32))
    arrays = np.concatenate(centers), np.concatenate(cell_strides)
    for array in arrays:
        array.flags.writeable = False  # callers share them
    return arrays


def distances_to_corners(
    distances: NDArray[np.float32], centers: NDArray[np.float32], strides: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return the corners ``float32 [cells, 4]`` of each cell's box, in pixels of the network's input.

    A box is told by four distances from its cell's center (FCOS, Tian et al. 2019, equation 1), here in units of the
    cell's stride.

    Args:
        distances: ``float32 [cells, 4]``: to the left, top, right and bottom edge. Negative ones are taken as they are.
        centers: ``float32 [cells, 2]``, as `cell_centers` returns them.
        strides: ``float32 [cells]``, as `cell_centers` returns them.
    """
    sides = distances.T.copy()  # long rows take a quarter of the time of short ones
    with np.errstate(over="ignore"):
        sides *= strides
        np.subtract(centers.T, sides[:2], out=sides[:2])
        sides[2:] += centers.T
    return sides.T


def logit(confidence: float) -> np.float32:
    """Return the logit of a confidence threshold: ``log(confidence / (1 - confidence))`` in float64, then as float32.

    Candidates are chosen by this one number, and not by the sigmoid of each score: Python's and JavaScript's
    exponentials differ in the last bit. Their logarithms may, too, but rounding this one to float32 hides it.

    Raises:
        OptionError: If the confidence is not above 0 and below 1.
    """
    if not 0 < confidence < 1:
        raise OptionError(f"confidence must be above 0 and below 1, got {confidence}")
    return np.float32(math.log(confidence / (1 - confidence)))


def sigmoid(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the probability ``float32`` of each logit: ``1 / (1 + exp(-logit))`` in float64, rounded to float32.

    Python and JavaScript may differ in the last bit of the exponential. Rounding hides nearly all such differences and
    leaves one unit in the last place of float32 at most, so these scores are to be shown and never compared.
    """
    with np.errstate(over="ignore"):
        return np.asarray(1 / (1 + np.exp(-logits.astype(np.float64))), np.float32)


def have_area(corners: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Tell of each box ``float32 [boxes, 4]`` whether it is wider and higher than nothing."""
    return np.asarray((corners[:, 2] > corners[:, 0]) & (corners[:, 3] > corners[:, 1]))


def non_max_suppression(
    corners: NDArray[np.float32], scores: NDArray[np.float32], threshold: float | np.float32, iou: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return which boxes remain of each class: the indices of their cells and of their classes, best first.

    A candidate is a cell and a class whose score is at least `threshold`; one cell may be several. They are ordered
    by score, descending, and ties by cell and then class, ascending. In this order each box suppresses the later ones
    of its class whose intersection over union with it is above `iou`. Boxes without area are no candidates. At most
    the best `MAX_CANDIDATES` are compared, and the best `MAX_BOXES` are returned.

    Args:
        corners: ``float32 [cells, 4]``.
        scores: ``float32 [cells, classes]``, all of them finite: logits, or probabilities where the graph contains its
            sigmoid.
        threshold: The least score, in the unit of `scores`: `logit` of the confidence, or the confidence itself.
        iou: The intersection over union that two boxes of a class may have, 0 to 1.

    Returns:
        ``int64 [boxes]`` and ``int64 [boxes]``.

    Raises:
        OptionError: If `iou` is out of its range.
    """
    if not 0 <= iou <= 1:
        raise OptionError(f"iou must be 0 to 1, got {iou}")
    cells, classes = _candidates(corners, scores, np.float32(threshold))
    kept = _suppress(np.ascontiguousarray(corners[cells].T), classes, np.float32(iou))
    return cells[kept], classes[kept]


def corners_to_picture(corners: NDArray[np.float32], affine: Affine, width: int, height: int) -> NDArray[np.float32]:
    """Return corners in pixels of the picture, ``float32 [boxes, 4]``, clipped to it.

    A box that lies wholly outside the picture, in the padding, has no area on its edge then: `have_area` tells, so
    that a prediction can leave it out together with its score.

    Args:
        corners: ``float32 [boxes, 4]`` in pixels of the network's input.
        affine: What `runtime.images.steps.Resize.inverse` returns for the picture.
        width: Width of the picture as people see it, in pixels.
        height: Height of the picture as people see it, in pixels.
    """
    scale = np.array([affine.scale_x, affine.scale_y] * 2, np.float32)
    offset = np.array([affine.offset_x, affine.offset_y] * 2, np.float32)
    with np.errstate(over="ignore"):
        mapped = corners * scale
        mapped += offset
    return np.asarray(np.minimum(np.maximum(mapped, np.float32(0)), np.array([width, height] * 2, np.float32)))


def _candidates(
    corners: NDArray[np.float32], scores: NDArray[np.float32], threshold: np.float32
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return cells and classes of the best candidates, in order."""
    flat = scores.reshape(-1)
    candidates = np.flatnonzero(flat >= threshold)  # by cell, then class
    candidates = candidates[have_area(corners)[candidates // scores.shape[1]]]
    values = flat[candidates]
    if len(values) > MAX_CANDIDATES:  # a tenth of the time of sorting all, or less
        best = values >= np.partition(values, -MAX_CANDIDATES)[-MAX_CANDIDATES]
        candidates, values = candidates[best], values[best]
    order = np.argsort(-values, kind="stable")[:MAX_CANDIDATES]
    return np.divmod(candidates[order], scores.shape[1])


def _suppress(sides: NDArray[np.float32], classes: NDArray[np.int64], iou: np.float32) -> list[int]:
    """Return the indices of the boxes that no better one of their class suppresses.

    Args:
        sides: ``float32 [4, boxes]``, contiguous, best box first.
        classes: ``int64 [boxes]``.
        iou: The intersection over union that two boxes of a class may have.
    """
    suppressed = np.zeros(len(classes), bool)
    kept: list[int] = []
    for start in range(0, len(classes), BLOCK):
        boxes = start + np.flatnonzero(~suppressed[start : start + BLOCK])
        later = suppressed[start:]
        suppresses = intersections_over_unions(sides[:, boxes, None], sides[:, None, start:]) > iou
        suppresses &= classes[boxes, None] == classes[start:]
        for box, row in zip(boxes.tolist(), suppresses, strict=True):
            if suppressed[box]:
                continue
            kept.append(box)
            if len(kept) == MAX_BOXES:
                return kept
            later |= row
    return kept


def intersections_over_unions(one: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the intersection over union of boxes, whose shapes are broadcast.

    Sides beyond float32 give NaN, which is above no threshold.

    Args:
        one: ``float32 [4, ...]``: left, top, right and bottom.
        other: Others of the same kind.
    """
    with np.errstate(all="ignore"):
        shared = _overlaps(one[0], one[2], other[0], other[2])
        shared *= _overlaps(one[1], one[3], other[1], other[3])
        unions = (one[2] - one[0]) * (one[3] - one[1]) + (other[2] - other[0]) * (other[3] - other[1])
        unions -= shared
        shared /= unions
    return shared


def _overlaps(
    start: NDArray[np.float32], end: NDArray[np.float32], other_start: NDArray[np.float32],
    other_end: NDArray[np.float32],
) -> NDArray[np.float32]:  # fmt: skip
    """Return the lengths that intervals share."""
    lengths: NDArray[np.float32] = np.minimum(end, other_end)
    lengths -= np.maximum(start, other_start)
    return np.maximum(lengths, np.float32(0), out=lengths)
