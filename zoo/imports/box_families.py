"""Families of detectors: which outputs hold the boxes, and what their numbers mean, by what is said and by answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from runtime.errors import unknown
from runtime.tasks.box_layouts import Layout
from runtime.tasks.foreign_layouts import Centers, PostProcessed, Queries, Ranked

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Answers = Mapping[str, NDArray[Any]]
    """What a file's outputs are for some samples, by name."""

PIXELS, NORMALIZED = "-pixels", "-normalized"
LARGEST_SHARE, SMALLEST_SIDE = 2.0, 8.0
"""Coordinates up to the one are shares of the input's sides, and from the other on pixels: a network whose boxes reach
no further than 8 pixels would see nothing of a picture."""


class Family(NamedTuple):
    """A family of detectors.

    Args:
        confidence: The score from which on its own tools show a box.
        iou: Their threshold of suppression; 1 where the graph suppresses boxes itself, or the network needs none.
        fit: How they bring pictures to the input's shape.
        units: Whether its boxes may be in pixels as well as in shares of the sides.
    """

    confidence: float
    iou: float
    fit: Literal["pad", "stretch"]
    units: bool


FAMILIES = {
    "yolov8": Family(0.25, 0.7, "pad", True),
    "yolov5": Family(0.25, 0.45, "pad", True),
    "ranked": Family(0.25, 1.0, "pad", True),
    "ssd": Family(0.5, 1.0, "stretch", False),
    "detr": Family(0.5, 1.0, "stretch", False),
    "rt-detr": Family(0.5, 1.0, "stretch", False),
}
"""Thresholds of Ultralytics' and YOLOv5's ``predict``, and of Transformers' ``post_process_object_detection``."""
CHOICES = tuple(
    name + unit for name, family in FAMILIES.items() for unit in ("", PIXELS, NORMALIZED)[: 3 if family.units else 1]
)
"""What `--boxes` may be. A name without a unit leaves that to the answers."""


@dataclass(frozen=True)
class Reading:
    """How a file's boxes are read.

    Args:
        boxes: One of `CHOICES`.
        layout: The layout.
        names: The outputs that it reads, in its order.
        labels: How many labels they tell apart; None where they don't say.
    """

    boxes: str
    layout: Layout
    names: tuple[str, ...]
    labels: int | None


def split(boxes: str) -> tuple[str, str]:
    """Return the family and the unit of one of `CHOICES`; the unit may be empty.

    Raises:
        ValueError: If it is none.
    """
    if boxes not in CHOICES:
        raise ValueError(f"--boxes: {unknown('layout', boxes, CHOICES)}")
    for unit in (PIXELS, NORMALIZED):
        if boxes.endswith(unit):
            return boxes.removesuffix(unit), unit
    return boxes, ""


def read(boxes: str | None, answers: Answers, labels: int | None) -> Reading:
    """Return how the outputs of a detector are read.

    Args:
        boxes: What is said of them, one of `CHOICES`; None where nothing is said.
        answers: Its outputs for some samples, in the graph's order.
        labels: How many labels are known; None if there are none.

    Raises:
        ValueError: If the outputs leave it open, or don't fit what is said.
    """
    family, unit = split(boxes) if boxes else ("", "")
    if family == "ssd":
        return Reading("ssd", PostProcessed("post_processed"), tuple(answers), None)
    if family in ("detr", "rt-detr"):
        return _queries(family, answers, labels)
    tables = [name for name, array in answers.items() if array.ndim == 3]
    if len(tables) != 1:
        raise ValueError(
            f"it gives {_listed(answers)}: choose the one that holds boxes and scores with --output, or say how boxes "
            f"are read with --boxes; {', '.join(CHOICES)}"
        )
    (name,) = tables
    array = answers[name]
    family = family or _family(array, labels, answers)
    if family == "ranked":
        corners = array[array[:, :, 4] > 0][:, :4] if array.shape[2] == 6 else array[..., :0]
        normalized = _normalized(family, unit, corners)
        return Reading(family + _unit(normalized), Ranked("ranked", normalized), (name,), None)
    objectness = family == "yolov5"
    numbers = labels and 4 + objectness + labels
    rows = array.shape[2] == numbers if numbers in array.shape[1:] else array.shape[2] < array.shape[1]
    table = array if rows else array.swapaxes(1, 2)
    normalized = _normalized(family, unit, table[:, :, :4])
    layout = Centers("centers", "rows" if rows else "columns", objectness, normalized)
    return Reading(family + _unit(normalized), layout, (name,), table.shape[2] - 4 - objectness)


def _family(array: NDArray[Any], labels: int | None, answers: Answers) -> str:
    """Return the family that the only table tells with the number of labels."""
    families = [] if labels is None else [
        name for name, numbers in (("yolov8", 4 + labels), ("yolov5", 5 + labels)) if numbers in array.shape[1:]
    ]  # fmt: skip
    if array.shape[2] == 6:
        families.append("ranked")
    if len(families) == 1 and labels is not None:
        return families[0]
    why = "say how its boxes are read with --boxes" if labels else "name its labels with --labels, or say --boxes"
    raise ValueError(f"it gives {_listed(answers)}, which may be of several kinds: {why}; {', '.join(CHOICES)}")


def _queries(family: str, answers: Answers, labels: int | None) -> Reading:
    """Return the reading of logits and boxes of queries."""
    no_object = family == "detr"
    tables = {name: array for name, array in answers.items() if array.ndim == 3}
    boxes = [name for name, array in tables.items() if array.shape[2] == 4]
    if len(boxes) > 1:  # shares of the sides are never below 0, as logits are
        boxes = [name for name in boxes if tables[name].min() >= 0 and tables[name].max() <= LARGEST_SHARE]
    wanted = None if labels is None else labels + no_object
    logits = [name for name, array in tables.items() if name not in boxes and wanted in (None, array.shape[2])]
    if len(boxes) != 1 or len(logits) != 1:
        raise ValueError(
            f"it gives {_listed(answers)}: {family} has logits [queries, {wanted or 'labels'}] and boxes [queries, 4]; "
            "give its --labels if there are others"
        )
    count = tables[logits[0]].shape[2] - no_object
    return Reading(family, Queries("queries", no_object), (logits[0], boxes[0]), count)


def _normalized(family: str, unit: str, coordinates: NDArray[Any]) -> bool:
    """Tell whether coordinates are in shares of the input's sides.

    Raises:
        ValueError: If nothing is said, and their sizes leave it open.
    """
    if unit:
        return unit == NORMALIZED
    largest = float(np.abs(coordinates).max(initial=0))
    if not coordinates.size or LARGEST_SHARE < largest < SMALLEST_SIDE:
        raise ValueError(
            f"its boxes for the samples reach up to {largest:.3g}, so they may be in pixels or in shares of the sides: "
            f"say which, with --boxes {family}{PIXELS} or --boxes {family}{NORMALIZED}"
        )
    return largest <= LARGEST_SHARE


def _unit(normalized: bool) -> str:
    return NORMALIZED if normalized else PIXELS


def _listed(answers: Answers) -> str:
    return ", ".join(f"{name!r} {list(array.shape[1:])}" for name, array in answers.items())
