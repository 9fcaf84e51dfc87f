"""Average precision of detections, by COCO's own rules in the package faster-coco-eval."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from runtime.errors import MissingExtraError
from runtime.frozen_dataclass import frozen_dataclass

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_DETECTIONS = 100
"""How many of its best detections of a label an image is measured by; COCO's own number."""


@frozen_dataclass
class LabeledBoxes:
    """The boxes of one image.

    Args:
        corners: ``float [boxes, 4]``: left, top, right and bottom.
        labels: ``int [boxes]``: the index of each box's label.
        scores: ``float [boxes]``, the surest highest, for detections; None for what is right.
    """

    corners: NDArray[Any]
    labels: NDArray[Any]
    scores: NDArray[Any] | None = None


@frozen_dataclass
class AveragePrecision:
    """Average precision, 0 to 1: the area under the curve of precision over recall.

    Args:
        mean: The mean over the labels that have boxes and over ten thresholds of intersection over union, 0.5 to 0.95:
            mAP. 0 where no label has a box.
        at_50: The mean over these labels at the threshold 0.5: mAP50.
        labels: Each label's own mean over the thresholds; None for a label without boxes.
        labels_at_50: Each label's own at the threshold 0.5.
    """

    mean: float
    at_50: float
    labels: tuple[float | None, ...]
    labels_at_50: tuple[float | None, ...]


def average_precision(
    detections: Sequence[LabeledBoxes], targets: Sequence[LabeledBoxes], labels: int
) -> AveragePrecision:
    """Measure detections as COCO does (Lin et al. 2014).

    Args:
        detections: Of each image; all of them down to low scores, for the curve needs its tail.
        targets: The right boxes of each image.
        labels: The number of labels.

    Raises:
        MissingExtraError: If faster-coco-eval is not installed.
    """
    try:
        from faster_coco_eval import COCO, COCOeval_faster
    except ImportError:
        raise MissingExtraError("faster-coco-eval, which measures detectors,", "train") from None

    images, truth, answers = (
        [{"id": image, "width": 0, "height": 0} for image in range(len(targets))],
        _annotations(targets),
        _annotations(detections),
    )
    if not truth:
        return AveragePrecision(0.0, 0.0, (None,) * labels, (None,) * labels)
    categories = [{"id": label, "name": str(label)} for label in range(labels)]
    known = COCO({"info": {}, "images": images, "categories": categories, "annotations": truth})
    evaluation = COCOeval_faster(known, known.loadRes(answers), "bbox")
    evaluation.params.maxDets = [MAX_DETECTIONS]
    evaluation.params.areaRng, evaluation.params.areaRngLbl = evaluation.params.areaRng[:1], ["all"]
    evaluation.evaluate()
    evaluation.accumulate()
    precision = evaluation.eval["precision"][..., 0, 0]  # [thresholds, recalls, labels]; -1 for a label without boxes
    present = precision[0, 0] >= 0
    by_threshold = precision.mean(1)
    return AveragePrecision(
        float(by_threshold[:, present].mean()),
        float(by_threshold[0, present].mean()),
        _own(by_threshold.mean(0), present),
        _own(by_threshold[0], present),
    )


def _annotations(images: Sequence[LabeledBoxes]) -> list[dict[str, Any]]:
    """Return boxes in COCO's form: left, top, width and height, numbered from 1, for it takes 0 as "no box"."""
    annotations: list[dict[str, Any]] = []
    for image, boxes in enumerate(images):
        corners = np.asarray(boxes.corners, np.float64).reshape(-1, 4)
        sizes = corners[:, 2:] - corners[:, :2]
        scores = np.ones(len(corners)) if boxes.scores is None else boxes.scores
        for corner, size, label, score in zip(corners[:, :2], sizes, boxes.labels, scores, strict=True):
            annotations.append(
                {
                    "id": len(annotations) + 1, "image_id": image, "category_id": int(label), "score": float(score),
                    "bbox": [*corner.tolist(), *size.tolist()], "area": float(size.prod()), "iscrowd": 0,
                }
            )  # fmt: skip
    return annotations


def _own(values: NDArray[np.float64], present: NDArray[np.bool_]) -> tuple[float | None, ...]:
    return tuple(float(value) if there else None for value, there in zip(values, present, strict=True))
