"""Object detection: boxes with labels and scores, in pixels of the picture as people see it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

import numpy as np

from runtime.average_precision import AveragePrecision, LabeledBoxes, average_precision
from runtime.box_agreement import Detections, Tolerances, same_boxes
from runtime.box_targets import unpack
from runtime.boxes import corners_to_picture, have_area, logit, non_max_suppression, sigmoid
from runtime.errors import InputError
from runtime.frozen_dataclass import frozen_dataclass
from runtime.images.placement import Placement
from runtime.images.preprocess import preprocess
from runtime.images.steps import Flatten, Mode, Orient
from runtime.schema import check_types
from runtime.tasks.box_layouts import Layout
from runtime.tasks.classes import check_labels
from runtime.tasks.foreign_layouts import PostProcessed
from runtime.tasks.prediction import Better, Prediction
from runtime.tensor_spec import SeveralTensors, TensorSpec, check_tensors
from runtime.tensors import by_name, select, size

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL.Image import Image

    from runtime.images.preprocess import Source
    from runtime.tensors import Tensors

CORNER_TOLERANCE = 0.01
"""Pixels that a corner may be from PyTorch's and count as the same: no picture shows a hundredth of a pixel."""
LEAST_CONFIDENCE = 0.001
"""The confidence from which on boxes count for average precision, whose curve needs its tail."""
MAX_SIDE = 4096
LEAST_SHOWN = 320
"""The longer side in pixels from which on an input is shown as it is."""


class Box(NamedTuple):
    """A detected object.

    Args:
        label: What it is.
        score: How sure the model is, 0 to 1.
        left: Its left edge in pixels from the picture's left edge; the first pixel reaches from 0 to 1.
        top: Its upper edge in pixels from the picture's upper edge.
        right: Its right edge.
        bottom: Its lower edge.
    """

    label: str
    score: float
    left: float
    top: float
    right: float
    bottom: float


@frozen_dataclass
class DetectionPrediction(Prediction):
    """The objects in a picture.

    Args:
        boxes: The objects, the surest first.
        placement: Where the model's input lies in the picture, and the picture's size.
        labels: All labels that the model knows.
    """

    boxes: tuple[Box, ...]
    placement: Placement
    labels: tuple[str, ...]

    @property
    def width(self) -> int:
        """Width in pixels of the picture as people see it, upright."""
        return self.placement.width

    @property
    def height(self) -> int:
        """Height in pixels of the picture as people see it."""
        return self.placement.height

    @property
    def summary(self) -> str:
        """The number of objects of each label, with the best score."""
        counts: dict[str, list[float]] = {}
        for box in self.boxes:
            counts.setdefault(box.label, []).append(box.score)
        listed = ", ".join(f"{len(scores)} {label} ({scores[0]:.2f})" for label, scores in counts.items())
        return listed or "no objects"

    def to_dict(self) -> dict[str, Any]:
        """Return ``boxes``, a list of dicts, and the picture's ``width`` and ``height`` in pixels."""
        return {"width": self.width, "height": self.height, "boxes": [box._asdict() for box in self.boxes]}

    def image(self, picture: Source | None = None) -> Image:
        """Return the picture with the boxes drawn.

        Args:
            picture: The picture that was predicted: a path, bytes, a file, a Pillow image or an array. By default the
                boxes are drawn on what the model saw of it; a small input is enlarged by a whole number, so that
                labels have room.

        Raises:
            InputError: If the picture can't be read, or has another size than the predicted one.
        """
        from PIL import Image

        from runtime.images.draw_boxes import DrawnBox, draw_boxes

        pixels: Any = self.input if picture is None else preprocess(picture, (Orient(), Flatten(), Mode()))
        image = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels).convert("RGB")
        if picture is not None and image.size != (self.width, self.height):
            raise InputError(
                f"the picture is {image.width}x{image.height} pixels, the predicted one was {self.width}x{self.height}"
            )
        corners = np.array([box[2:] for box in self.boxes]).reshape(-1, 4)
        if picture is None:
            scale = -(-LEAST_SHOWN // max(image.size))
            image = image.resize((scale * image.width, scale * image.height), Image.Resampling.NEAREST)
            corners = scale * self.placement.to_input(corners)
        draw_boxes(
            image,
            [
                DrawnBox(f"{box.label} {box.score:.2f}", self.labels.index(box.label), sides)
                for box, sides in zip(self.boxes, map(tuple, corners.tolist()), strict=True)
            ],
        )
        return image

    def _repr_html_(self) -> str:
        """Return the picture with its boxes for notebooks."""
        from runtime.notebook import prediction_html

        return prediction_html(np.asarray(self.image()), [], self.summary)


@frozen_dataclass
class Detection(SeveralTensors):
    """Boxes of objects, from raw tensors that stand for them as `layout` says.

    Decoding and non-maximum suppression are no part of the graph: `runtime.boxes` and its twin in TypeScript do both.

    Args:
        task: Always ``detection``.
        tensors: The graph's outputs, in the layout's order.
        labels: What each class index stands for.
        height: Height of the network's input in pixels.
        width: Width of the network's input in pixels.
        layout: What the tensors' numbers mean.
        confidence: The score, above 0 and below 1, from which on a box is an answer.
        iou: The intersection over union, 0 to 1, above which a box suppresses a less sure one of its label; 1
            suppresses none.
    """

    task: Literal["detection"]
    tensors: tuple[TensorSpec, ...]
    labels: tuple[str, ...]
    height: int
    width: int
    layout: Layout
    confidence: float
    iou: float

    PLACED: ClassVar[bool] = True
    metric: ClassVar[str] = "mAP50"
    better: ClassVar[Better] = "max"

    def __post_init__(self) -> None:
        """Check the types, the thresholds, and the tensors against the layout."""
        check_types(self)
        check_tensors(self.tensors)
        check_labels(self.labels, least=1)
        if not (1 <= self.height <= MAX_SIDE and 1 <= self.width <= MAX_SIDE):
            raise ValueError(f"height and width must be 1 to {MAX_SIDE}, got {self.height} and {self.width}")
        if not 0 < self.confidence < 1 or not 0 <= self.iou <= 1:
            raise ValueError(
                f"confidence must be above 0 and below 1, and iou 0 to 1; got {self.confidence} and {self.iou}"
            )
        if any(tensor.dynamic for tensor in self.tensors):
            raise ValueError("the tensors of a detector have axes of fixed length")
        self.layout.check(self.tensors, len(self.labels), self.height, self.width)

    def decode(self, raw: Tensors, seen: Tensors, k: int) -> list[Prediction]:
        """Return the boxes of each picture.

        Args:
            raw: The graph's outputs.
            seen: The inputs: an array, or as `runtime.inputs.ImageInput.read_placed` gives them, with their placement.
                Without one the boxes are in pixels of the network's input.
            k: Is of no use here.
        """
        predictions: list[Prediction] = []
        for i, detections in enumerate(self._detections(raw, self.confidence)):
            image, placement = Placement.split(select(seen, i))
            corners = corners_to_picture(
                detections.corners[detections.boxes], placement.affine, placement.width, placement.height
            )
            scores = detections.scores[detections.boxes, detections.labels]
            inside = have_area(corners)  # a box in the padding is none
            boxes = tuple(
                Box(self.labels[label], score, *sides)
                for label, score, sides in zip(
                    detections.labels[inside].tolist(),
                    (sigmoid(scores) if self.layout.LOGITS else scores)[inside].tolist(),
                    corners[inside].tolist(),
                    strict=True,
                )
            )
            predictions.append(DetectionPrediction(image, boxes, placement, self.labels))
        return predictions

    def defined(self, raw: Tensors) -> Tensors:
        """Return raw outputs without what the graph leaves undefined."""
        if isinstance(self.layout, PostProcessed) and isinstance(raw, dict):
            return self.layout.defined({name: raw[name] for name in self.names})
        return raw

    def agreement(self, reference: Tensors, outputs: Tensors, slack: Mapping[str, float] | float) -> NDArray[np.bool_]:
        """Tell whether the boxes of a picture are the same in number, label, order and corners; see `same_boxes`."""
        corner, score = self.layout.tolerances(self.slack_of_each(slack), self.height, self.width)
        allowed = Tolerances(max(CORNER_TOLERANCE, corner), score, float(self._threshold(self.confidence)), self.iou)
        pairs = zip(
            self._detections(reference, self.confidence), self._detections(outputs, self.confidence), strict=True
        )
        return np.array([same_boxes(one, other, allowed) for one, other in pairs], np.bool_)

    def measure(self, raw: Tensors, targets: NDArray[np.float32]) -> float:
        """Return mAP50 against targets; see `average_precision`."""
        return self.average_precision(raw, targets).at_50

    def average_precision(self, raw: Tensors, targets: NDArray[np.float32]) -> AveragePrecision:
        """Return the average precision of raw outputs by COCO's rules.

        Intersections over unions don't depend on the pixels that boxes are measured in, so it is measured in pixels of
        the network's input.

        Args:
            raw: The graph's outputs.
            targets: The right boxes in pixels of the network's input, as `runtime.box_targets.pack` gives them.

        Raises:
            MissingExtraError: If faster-coco-eval is not installed.
        """
        return average_precision(self.labeled_boxes(raw), list(map(unpack, targets)), len(self.labels))

    def labeled_boxes(self, raw: Tensors, confidence: float = LEAST_CONFIDENCE) -> list[LabeledBoxes]:
        """Return the boxes of each picture from a confidence on, in pixels of the network's input, clipped to it."""
        limits = np.array([self.width, self.height] * 2, np.float32)
        return [
            LabeledBoxes(
                np.clip(each.corners[each.boxes], 0, limits), each.labels, each.scores[each.boxes, each.labels]
            )
            for each in self._detections(raw, confidence)
        ]

    def _detections(self, raw: Tensors, confidence: float) -> Iterator[Detections]:
        """Yield the candidates and selected boxes of each picture."""
        threshold = self._threshold(confidence)
        arrays = by_name(raw, self.names)
        for i in range(size(raw)):
            corners, scores = self.layout.candidates(
                {name: arrays[name][i] for name in self.names}, self.height, self.width, len(self.labels)
            )
            yield Detections(corners, scores, *non_max_suppression(corners, scores, threshold, self.iou))

    def _threshold(self, confidence: float) -> np.float32:
        """Return a confidence in the unit of the scores."""
        return logit(confidence) if self.layout.LOGITS else np.float32(confidence)
