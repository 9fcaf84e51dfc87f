"""Which cell of a detector answers for which box in training, and how sure of it the cell should be."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class BoxTargets:
    """The boxes of a batch of images, filled up to the same number.

    Args:
        corners: ``float32 [batch, boxes, 4]``: left, top, right and bottom in pixels of the network's input.
        labels: ``int64 [batch, boxes]``: the index of each box's label; any valid index where there is no box.
        present: ``bool [batch, boxes]``: False where there is no box.
    """

    corners: Tensor
    labels: Tensor
    present: Tensor


@dataclass(frozen=True)
class Alignment:
    """How well a cell suits a box: ``probability ** score_power * iou ** iou_power``, of what the network gives now.

    Args:
        cells: How many of its best cells a box takes.
        score_power: Of the probability of the box's label; alpha in the paper.
        iou_power: Of the intersection over union of the cell's box and the box; beta in the paper, which has 6 for
            trainings of a hundred thousand steps. With that, the best cell of a box is hard to tell beforehand in a
            short training, and few cells answer at all (docs/log.md, "Training detectors").
    """

    cells: int = 10
    score_power: float = 1.0
    iou_power: float = 2.0


@dataclass(frozen=True)
class Assignment:
    """What cells should answer.

    Args:
        assigned: ``bool [batch, cells]``: whether the cell answers for a box; the others are background.
        boxes: ``int64 [batch, cells]``: the index of the cell's box; 0 where there is none.
        quality: ``float32 [batch, cells]``, 0 to 1: the probability that the cell should give the box's label; 0 where
            there is no box.
    """

    assigned: Tensor
    boxes: Tensor
    quality: Tensor


@torch.no_grad()
def assign(
    corners: Tensor, scores: Tensor, targets: BoxTargets, centers: Tensor, strides: Tensor, alignment: Alignment
) -> Assignment:
    """Return the task-aligned assignment (TOOD, Feng et al. 2021, section 3.2).

    A box's candidates are the cells whose centers lie inside it. A box so small that it contains no center of the
    finest stride has the nearest cell of that stride, too, which is reserved for it. Of its candidates it takes the
    best aligned. A cell that several boxes take goes to the one that it is reserved for, or else has the larger
    intersection over union. The quality of a box's cells is their alignment, scaled so that the greatest equals the
    greatest intersection over union among them.

    Memory grows with ``batch * boxes * cells``.

    Args:
        corners: The boxes that the network gives, ``float32 [batch, cells, 4]``, in pixels of its input.
        scores: Its logits ``float32 [batch, cells, labels]``.
        targets: The right boxes; there may be none.
        centers: The cells' centers ``float32 [cells, 2]``, as `runtime.boxes.cell_centers` orders them.
        strides: The cells' strides ``float32 [cells]``.
        alignment: How a box chooses its cells.
    """
    batch, boxes = targets.labels.shape
    cells = len(centers)
    if not boxes:
        nothing = torch.zeros(batch, cells, device=scores.device)
        return Assignment(nothing.bool(), nothing.long(), nothing)
    candidates, reserved = _candidates(targets, centers, strides)
    labels = targets.labels[:, :, None].expand(-1, -1, cells)
    probabilities = scores.sigmoid().transpose(1, 2).gather(1, labels)
    ious = intersections_over_unions(targets.corners[:, :, None], corners[:, None])
    fit = probabilities**alignment.score_power * ious**alignment.iou_power

    best = fit.masked_fill(~candidates, -1).topk(min(alignment.cells, cells), dim=2).indices
    assigned = torch.zeros_like(candidates).scatter_(2, best, value=True) & candidates
    owner = (ious + reserved).masked_fill(~assigned, -1).argmax(1)
    assigned &= torch.arange(boxes, device=owner.device)[:, None] == owner[:, None]

    fit, ious = fit * assigned, ious * assigned
    scale = ious.amax(2, keepdim=True) / fit.amax(2, keepdim=True).clamp(min=torch.finfo(fit.dtype).tiny)
    return Assignment(assigned.any(1), owner, (fit * scale).amax(1))


def intersections_over_unions(one: Tensor, other: Tensor) -> Tensor:
    """Return the intersection over union ``[...]`` of boxes ``[..., 4]``, whose shapes are broadcast; 0 for no area."""
    sides = (torch.minimum(one[..., 2:], other[..., 2:]) - torch.maximum(one[..., :2], other[..., :2])).clamp(min=0)
    shared = sides.prod(-1)
    areas = [(each[..., 2:] - each[..., :2]).clamp(min=0).prod(-1) for each in (one, other)]
    return shared / (areas[0] + areas[1] - shared).clamp(min=torch.finfo(shared.dtype).tiny)


def _candidates(targets: BoxTargets, centers: Tensor, strides: Tensor) -> tuple[Tensor, Tensor]:
    """Return each box's candidates, and which of them are reserved for it: both ``bool [batch, boxes, cells]``."""
    lower, upper = targets.corners[:, :, None, :2], targets.corners[:, :, None, 2:]
    present, finest = targets.present[:, :, None], strides == strides.min()
    inside = ((centers > lower) & (centers < upper)).all(-1) & present
    distances = (centers - (lower + upper) / 2).square().sum(-1).masked_fill(~finest, torch.inf)
    nearest = torch.zeros_like(inside).scatter_(2, distances.argmin(2, keepdim=True), value=True)
    reserved = nearest & ~(inside & finest).any(2, keepdim=True) & present
    return inside | reserved, reserved
