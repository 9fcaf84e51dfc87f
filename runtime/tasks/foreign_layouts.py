"""Layouts of detectors that other projects made, whose graphs give boxes; see `runtime.tasks.box_layouts`.

Where a candidate has a score for each label, its best label alone counts, as it does for the tools of those projects.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from runtime.errors import EngineError
from runtime.frozen_dataclass import frozen_dataclass
from runtime.schema import check_types
from runtime.tensor_spec import MAX_ELEMENTS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from runtime.tensor_spec import TensorSpec

    Candidates = tuple[NDArray[np.float32], NDArray[np.float32]]


@frozen_dataclass
class Centers:
    """One tensor with a list of numbers for each candidate: center x and y, width, height, and the probabilities.

    YOLOv5 (github.com/ultralytics/yolov5) has an objectness before the probabilities, which are multiplied by it, and
    candidates in rows. YOLOv8 and YOLO11 have none, and candidates in columns.

    Args:
        layout: Always ``centers``.
        candidates_in: ``rows`` for ``[candidates, numbers]``, ``columns`` for ``[numbers, candidates]``.
        objectness: Whether the fifth number is one.
        normalized: Whether boxes are in shares of the input's sides, not in pixels.
    """

    layout: Literal["centers"]
    candidates_in: Literal["rows", "columns"]
    objectness: bool
    normalized: bool

    LOGITS: ClassVar[bool] = False

    def __post_init__(self) -> None:
        """Check the types."""
        check_types(self)

    def check(self, tensors: tuple[TensorSpec, ...], labels: int, height: int, width: int) -> None:
        """Check that a candidate has the numbers of a box and a probability of each label."""
        numbers = 4 + self.objectness + labels
        shape = _single(tensors)[:: 1 if self.candidates_in == "rows" else -1]
        if len(shape) != 2 or shape[1] != numbers:
            axes = f"candidates, {numbers}" if self.candidates_in == "rows" else f"{numbers}, candidates"
            raise ValueError(f"{labels} labels need one tensor [{axes}], got {_shapes(tensors)}")

    def candidates(self, arrays: Mapping[str, NDArray[Any]], height: int, width: int, labels: int) -> Candidates:
        """Return the corners and probabilities of all candidates."""
        (array,) = arrays.values()
        rows = array if self.candidates_in == "rows" else array.T
        scores = rows[:, 5:] * rows[:, 4:5] if self.objectness else rows[:, 4:]
        corners = _corners(rows[:, :4])
        return _pixels(corners, height, width) if self.normalized else corners, _best(scores, 0)

    def tolerances(self, slack: Mapping[str, float], height: int, width: int) -> tuple[float, float]:
        """Return the tolerances of corners, which lie half a side from the center, and of probabilities."""
        (both,) = slack.values()
        return 1.5 * both * (max(height, width) if self.normalized else 1), both


@frozen_dataclass
class Ranked:
    """One tensor ``[candidates, 6]`` of a graph that suppresses boxes itself: corners, score, and index of the label.

    Args:
        layout: Always ``ranked``.
        normalized: Whether corners are in shares of the input's sides, not in pixels.
    """

    layout: Literal["ranked"]
    normalized: bool

    LOGITS: ClassVar[bool] = False

    def __post_init__(self) -> None:
        """Check the types."""
        check_types(self)

    def check(self, tensors: tuple[TensorSpec, ...], labels: int, height: int, width: int) -> None:
        """Check the shape."""
        shape = _single(tensors)
        if len(shape) != 2 or shape[1] != 6:
            raise ValueError(f"ranked boxes need one tensor [candidates, 6], got {_shapes(tensors)}")
        _check_size(shape[0], labels)

    def candidates(self, arrays: Mapping[str, NDArray[Any]], height: int, width: int, labels: int) -> Candidates:
        """Return the corners, and the score of each candidate's label alone, in a table of as many labels as there are.

        Raises:
            EngineError: If an index is no label's.
        """
        (rows,) = arrays.values()
        corners = np.ascontiguousarray(rows[:, :4])
        return _pixels(corners, height, width) if self.normalized else corners, _table(rows[:, 4], rows[:, 5], labels)

    def tolerances(self, slack: Mapping[str, float], height: int, width: int) -> tuple[float, float]:
        """Return the tolerances of corners and scores."""
        (both,) = slack.values()
        return both * (max(height, width) if self.normalized else 1), both


@frozen_dataclass
class PostProcessed:
    """The four tensors of TensorFlow Lite's operator ``TFLite_Detection_PostProcess``, which suppresses boxes itself.

    Boxes ``[candidates, 4]`` are top, left, bottom and right in shares of the input's sides; then follow the indices of
    labels ``[candidates]``, scores ``[candidates]``, and how many of the candidates count, one number
    (tensorflow/lite/kernels/detection_postprocess.cc).
    """

    layout: Literal["post_processed"]

    LOGITS: ClassVar[bool] = False

    def __post_init__(self) -> None:
        """Check the types."""
        check_types(self)

    def check(self, tensors: tuple[TensorSpec, ...], labels: int, height: int, width: int) -> None:
        """Check the shapes."""
        shapes = [tensor.sizes for tensor in tensors]
        count = shapes[0][0] if shapes[0] else None
        if shapes != [(count, 4), (count,), (count,), ()]:
            raise ValueError(
                f"this layout needs tensors [candidates, 4], [candidates], [candidates] and [], got {_shapes(tensors)}"
            )
        _check_size(count, labels)

    def candidates(self, arrays: Mapping[str, NDArray[Any]], height: int, width: int, labels: int) -> Candidates:
        """Return the corners, and the score of each candidate's label alone, in a table of as many labels as there are.

        Raises:
            EngineError: If an index is no label's.
        """
        boxes, indices, scores, number = arrays.values()
        count = min(max(0, round(float(number))), len(boxes)) if np.isfinite(number) else 0
        corners = np.ascontiguousarray(boxes[:count, [1, 0, 3, 2]])
        return _pixels(corners, height, width), _table(scores[:count], indices[:count], labels)

    def tolerances(self, slack: Mapping[str, float], height: int, width: int) -> tuple[float, float]:
        """Return the tolerances of corners and scores."""
        boxes, _, scores, _ = slack.values()
        return boxes * max(height, width), scores

    def defined(self, batch: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Return a batch of outputs by name with zeros where the operator writes nothing: behind those that count."""
        *names, number = batch
        counts = np.nan_to_num(batch[number])[:, None]
        counted = np.arange(batch[names[0]].shape[1]) < counts
        return {
            **{
                name: np.where(
                    counted.reshape(counted.shape + (1,) * (batch[name].ndim - 2)), batch[name], np.float32(0)
                )
                for name in names
            },
            number: batch[number],
        }


@frozen_dataclass
class Queries:
    """Two tensors of a network of the DETR family: logits ``[queries, labels]``, and boxes ``[queries, 4]``.

    Boxes are center x and y, width and height in shares of the input's sides (Carion et al. 2020, section 3.1).

    Args:
        layout: Always ``queries``.
        no_object: Whether the last logit stands for no object, and a softmax is taken, as DETR does. Otherwise each
            logit is that of a sigmoid, as in Deformable DETR and RT-DETR.
    """

    layout: Literal["queries"]
    no_object: bool

    @property
    def LOGITS(self) -> bool:  # noqa: N802  # a constant of other layouts
        """Whether the scores are logits."""
        return not self.no_object

    def __post_init__(self) -> None:
        """Check the types."""
        check_types(self)

    def check(self, tensors: tuple[TensorSpec, ...], labels: int, height: int, width: int) -> None:
        """Check the shapes."""
        shapes = [tensor.sizes for tensor in tensors]
        count = shapes[0][0] if shapes[0] else None
        if shapes != [(count, labels + self.no_object), (count, 4)]:
            raise ValueError(
                f"{labels} labels need tensors [queries, {labels + self.no_object}] and [queries, 4], "
                f"got {_shapes(tensors)}"
            )

    def candidates(self, arrays: Mapping[str, NDArray[Any]], height: int, width: int, labels: int) -> Candidates:
        """Return the corners and scores of all queries."""
        logits, boxes = arrays.values()
        corners = _pixels(_corners(boxes), height, width)
        if not self.no_object:
            return corners, _best(logits, float(np.finfo(np.float32).min))
        powers = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
        shares = np.asarray(powers / powers.sum(axis=1, keepdims=True), np.float32)
        return corners, _best(shares[:, :-1], 0)

    def tolerances(self, slack: Mapping[str, float], height: int, width: int) -> tuple[float, float]:
        """Return the tolerances of corners, which lie half a side from the center, and of scores."""
        logits, boxes = slack.values()
        return 1.5 * boxes * max(height, width), logits


def _corners(centers: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return left, top, right and bottom ``[boxes, 4]`` of center x and y, width and height."""
    half = centers[:, 2:] * np.float32(0.5)
    return np.concatenate([centers[:, :2] - half, centers[:, :2] + half], axis=1)


def _pixels(corners: NDArray[np.float32], height: int, width: int) -> NDArray[np.float32]:
    """Return corners in pixels of those in shares of the input's sides."""
    return corners * np.array([width, height, width, height], np.float32)


def _best(scores: NDArray[np.float32], nothing: float) -> NDArray[np.float32]:
    """Return scores ``[candidates, labels]`` with `nothing` for all but each candidate's best label."""
    best = scores.argmax(axis=1)
    table = np.full(scores.shape, nothing, np.float32)
    rows = np.arange(len(scores))
    table[rows, best] = scores[rows, best]
    return table


def _table(scores: NDArray[np.float32], indices: NDArray[np.float32], labels: int) -> NDArray[np.float32]:
    """Return scores ``[candidates, labels]`` of those of one label each; rows without a score may have any index."""
    rows = np.flatnonzero(scores > 0)
    with np.errstate(invalid="ignore"):
        columns = np.rint(indices[rows]).astype(np.int64)
    wrong = columns[(columns < 0) | (columns >= labels)]
    if len(wrong):
        raise EngineError(f"the graph gives a box of label {wrong[0]}, and the manifest has {labels} labels")
    table = np.zeros((len(scores), labels), np.float32)
    table[rows, columns] = scores[rows]
    return table


def _check_size(candidates: int | None, labels: int) -> None:
    """Check that a table of scores has a size that can be held."""
    if candidates is not None and candidates * labels > MAX_ELEMENTS:
        raise ValueError(f"{candidates} candidates of {labels} labels are over {MAX_ELEMENTS} scores")


def _single(tensors: tuple[TensorSpec, ...]) -> tuple[int | None, ...]:
    """Return the shape of the only tensor; no shape where there are several."""
    return tensors[0].sizes if len(tensors) == 1 else ()


def _shapes(tensors: tuple[TensorSpec, ...]) -> str:
    return " and ".join(str(list(tensor.shape)) for tensor in tensors)
