"""The loss of a detector's raw distances and scores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional as F

from runtime.boxes import cell_centers
from zoo.tasks._assignment import Alignment, BoxTargets, assign

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class LossWeights:
    """How much each part of the loss counts; the ratio is TOOD's (Feng et al. 2021, section 4)."""

    boxes: float = 2.0
    """Generalized intersection over union of boxes."""
    classes: float = 1.0
    """Binary cross-entropy of class scores."""


def detection_loss(
    size: tuple[int, int], strides: tuple[int, ...], weights: LossWeights, alignment: Alignment
) -> Callable[[Tensor, Tensor, BoxTargets], Tensor]:
    """Return the loss ``(distances, scores, targets) -> float32 []``.

    Cells and boxes are matched by `zoo.tasks._assignment.assign`. A cell's scores should be its assignment's quality
    for its box's label and 0 for all others: binary cross-entropy with such soft targets, as in varifocal loss (Zhang
    et al. 2021), without its weights. A cell's box is compared with its box by generalized intersection over union
    (Rezatofighi et al. 2019), which has a gradient for boxes that don't overlap, too; it counts as much as the quality.
    Both sums are divided by the sum of all qualities, or 1 where that is less.

    Args:
        size: Height and width of the network's input in pixels.
        strides: The strides of its cells.
        weights: How much each part counts.
        alignment: How a box chooses its cells.

    Returns:
        A function of the raw distances ``[batch, cells, 4]``, the logits ``[batch, cells, labels]`` and the targets.
    """
    centers, cell_strides = (torch.tensor(array) for array in cell_centers(*size, strides))

    def loss(distances: Tensor, scores: Tensor, targets: BoxTargets) -> Tensor:
        from torchvision.ops import generalized_box_iou_loss

        distances, scores = distances.float(), scores.float()  # mixed precision has too few digits for pixels
        at, stride = centers.to(scores.device), cell_strides.to(scores.device)
        corners = corners_of(distances, at, stride)
        assignment = assign(corners, scores, targets, at, stride, alignment)
        total = assignment.quality.sum().clamp(min=1)

        image, cell = assignment.assigned.nonzero(as_tuple=True)
        box, quality = assignment.boxes[image, cell], assignment.quality[image, cell]
        wanted = torch.zeros_like(scores)
        wanted[image, cell, targets.labels[image, box]] = quality
        classes = F.binary_cross_entropy_with_logits(scores, wanted, reduction="sum")
        distances_apart = generalized_box_iou_loss(corners[image, cell], targets.corners[image, box])
        boxes: Tensor = (distances_apart * quality).sum()
        return (weights.boxes * boxes + weights.classes * classes) / total

    return loss


def corners_of(distances: Tensor, centers: Tensor, strides: Tensor) -> Tensor:
    """Return the corners ``[batch, cells, 4]`` in pixels, as `runtime.boxes.distances_to_corners` does for one image.

    Args:
        distances: ``[batch, cells, 4]``, in strides.
        centers: ``[cells, 2]``.
        strides: ``[cells]``.
    """
    pixels = distances * strides[:, None]
    return torch.cat([centers - pixels[..., :2], centers + pixels[..., 2:]], dim=-1)
