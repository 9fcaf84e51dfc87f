"""Boxes of objects, each with a label: task-aligned assignment, overlap and cross-entropy; average precision."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from runtime.box_targets import unpack
from runtime.boxes import sigmoid
from runtime.errors import OptionError
from runtime.inputs import ImageInput
from runtime.tasks import Detection
from runtime.tasks.box_layouts import Distances
from runtime.tensor_spec import TensorSpec
from zoo.data import Boxes
from zoo.tasks._classes import described, per_class
from zoo.tasks._matching import hits

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch
    from numpy.typing import NDArray

    from runtime.average_precision import LabeledBoxes
    from runtime.inputs import Input
    from zoo.data import Dataset, Target
    from zoo.recipes import Training

    Raw = dict[str, NDArray[np.float32]]

BY_METRIC = True
COSTLY_METRIC = True
"""Boxes of a batch are decoded and matched in half the time of its gradients."""
CONFIDENCE, IOU = 0.3, 0.6
"""The thresholds of a network that is not trained yet; `finish` chooses them."""
IOUS = (0.4, 0.5, 0.6, 0.7)
"""The thresholds of non-maximum suppression that `finish` tries."""
CONFIDENCES = (0.01, 0.99)
"""The least and the greatest confidence that `finish` chooses."""
TOGETHER = 16
"""Pictures whose loss is computed at once: its memory grows with pictures times boxes times cells."""
NEVER = -20.0
"""The logit of an object that isn't there."""


def suits(target: Target) -> bool:
    """Take boxes."""
    return isinstance(target, Boxes)


def convert(dataset: Dataset, training: Training) -> Dataset:
    """Return the data set as it is.

    Raises:
        OptionError: If its targets are no boxes.
    """
    if suits(dataset.target):
        return dataset
    raise OptionError(f"task=detection needs boxes; the targets of {dataset.name!r} are {described(dataset)}")


def problems(dataset: Dataset) -> list[str]:
    """Return the splits without a box."""
    return [
        f"no readable picture in {name} has a box"
        for name in ("train", "validation")
        if not (dataset.splits[name].targets[..., 0] >= 0).any()
    ]


def output(dataset: Dataset, input_spec: Input, training: Training) -> Detection:
    """Return distances and scores of the cells of `zoo.recipes._detector.Detector`.

    Raises:
        OptionError: If the input is no image.
    """
    from zoo.recipes._detector import STRIDES

    if not isinstance(input_spec, ImageInput):
        raise OptionError(f"task=detection needs images; the recipe takes a {input_spec.kind}: choose detect")
    height, width, _ = input_spec.shape
    labels = dataset.target.labels  # type: ignore[union-attr]
    cells = sum(-(-height // stride) * -(-width // stride) for stride in STRIDES)
    distances = TensorSpec("distances", (cells, 4), axes=("cell", "side"))
    scores = TensorSpec("scores", (cells, len(labels)), axes=("cell", "label"))
    layout = Distances("distances", STRIDES)
    return Detection("detection", (distances, scores), labels, height, width, layout, CONFIDENCE, IOU)


def finish(output: Detection, answers: Callable[[str], tuple[Any, NDArray[np.float32]]]) -> Detection:
    """Return the specification with the thresholds of confidence and suppression that give the best F1 on validation.

    All labels count together. Where no box is right, the thresholds stay.

    Args:
        output: The specification.
        answers: Gives the trained network's outputs on a split, and the split's targets.
    """
    raw, targets = answers("validation")
    truth = list(map(unpack, targets))
    present = sum(len(boxes.labels) for boxes in truth)
    chosen, best = output, 0.0
    for iou in IOUS:
        tried = replace(output, iou=iou)
        detections = tried.labeled_boxes(raw)
        logits = np.concatenate([_scores(boxes) for boxes in detections])
        right = np.concatenate([hits(*pair) for pair in zip(detections, truth, strict=True)])
        order = np.argsort(-logits, kind="stable")
        logits, right = logits[order], right[order]
        f1 = 2 * right.cumsum() / (np.arange(1, 1 + len(right)) + present)
        if len(f1) and f1.max() > best:
            best, last = float(f1.max()), int(f1.argmax())
            between = sigmoid(logits[last : last + 2]).mean()  # of the last box that is kept and the next one
            chosen = replace(tried, confidence=round(float(np.clip(between, *CONFIDENCES)), 3))
    return chosen


def loss(
    output: Detection, training: Training, targets: NDArray[np.float32]
) -> Callable[[dict[str, torch.Tensor], torch.Tensor], torch.Tensor]:
    """Return the mean over pictures of overlap and cross-entropy; see `zoo.tasks._detection_loss`."""
    from zoo.tasks._assignment import Alignment, BoxTargets
    from zoo.tasks._detection_loss import LossWeights, detection_loss

    assert isinstance(output.layout, Distances)  # noqa: S101  # what `output` gives
    of_batch = detection_loss((output.height, output.width), output.layout.strides, LossWeights(), Alignment())

    def of_pictures(distances: torch.Tensor, scores: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
        present = wanted[..., 0] >= 0
        rows = int(present.sum(1).max())
        boxes, present = wanted[:, :rows], present[:, :rows]
        return of_batch(distances, scores, BoxTargets(boxes[..., 1:], boxes[..., 0].clamp(min=0).long(), present))

    def in_parts(raw: dict[str, torch.Tensor], wanted: torch.Tensor) -> torch.Tensor:
        import torch

        distances, scores = (raw[name] for name in output.names)
        parts = [slice(at, at + TOGETHER) for at in range(0, len(wanted), TOGETHER)]
        losses = [len(wanted[part]) * of_pictures(distances[part], scores[part], wanted[part]) for part in parts]
        return torch.stack(losses).sum() / len(wanted)

    return in_parts


def baseline(output: Detection, targets: NDArray[np.float32]) -> Raw:
    """Return that there is nothing."""
    return {
        tensor.name: np.full([size or 1 for size in tensor.sizes], value, np.float32)
        for tensor, value in zip(output.tensors, (0, NEVER), strict=True)
    }


def report(output: Detection, raw: Raw, targets: NDArray[np.float32]) -> dict[str, Any]:
    """Return average precision, and precision, recall and F1 at the thresholds: of all boxes and of each label."""
    precision = output.average_precision(raw, targets)
    detections, truth = output.labeled_boxes(raw, output.confidence), list(map(unpack, targets))
    right = [boxes.labels[hits(boxes, wanted)] for boxes, wanted in zip(detections, truth, strict=True)]
    hit, answered, present = (
        np.bincount(np.concatenate(labels), minlength=len(output.labels))
        for labels in (right, [boxes.labels for boxes in detections], [boxes.labels for boxes in truth])
    )
    classes: dict[str, dict[str, Any]] = per_class(output.labels, hit, answered, present)
    for row, at_50, mean in zip(classes.values(), precision.labels_at_50, precision.labels, strict=True):
        row |= {"ap50": at_50, "ap": mean}
    total = {"all": (hit.sum(), answered.sum(), present.sum())}
    whole = per_class(("all",), *(np.array([count]) for count in total["all"]))["all"]
    shares = {name: float(whole[name] or 0.0) for name in ("precision", "recall", "f1")}
    return {"metrics": {"mAP50": precision.at_50, "mAP": precision.mean, **shares}, "classes": classes}


def draw(output: Detection, raw: Raw, targets: NDArray[np.float32], title: str) -> dict[str, bytes]:
    """Return precision and recall of each label as bars."""
    from zoo.report import plots

    return {"labels.png": plots.label_bars(report(output, raw, targets)["classes"], title)}


def severity(output: Detection, raw: Raw, targets: NDArray[np.float32]) -> NDArray[Any]:
    """Return the number of boxes that are missing, and of those that are wrong, of each picture."""
    detections, truth = output.labeled_boxes(raw, output.confidence), list(map(unpack, targets))
    pairs = zip(detections, truth, strict=True)
    return np.array([len(boxes.labels) + len(wanted.labels) - 2 * hits(boxes, wanted).sum() for boxes, wanted in pairs])


def written(output: Detection, target: Any) -> str:
    """Return the number of boxes of each label."""
    numbers = target[target[:, 0] >= 0, 0].astype(np.int64)
    counts = np.bincount(numbers, minlength=len(output.labels)).tolist()
    return ", ".join(f"{count} {label}" for label, count in zip(output.labels, counts, strict=True) if count) or "none"


def _scores(boxes: LabeledBoxes) -> NDArray[np.float32]:
    assert boxes.scores is not None  # noqa: S101  # what detections have
    return boxes.scores
