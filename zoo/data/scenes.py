"""Scenes of 1 to 6 handwritten digits on textured grounds, to detect: composed on the fly, ships with this package."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runtime.average_precision import LabeledBoxes
from runtime.box_targets import pack
from runtime.errors import DataError
from zoo.data import Boxes, Dataset, Images, Split
from zoo.data._box_geometry import GROUND
from zoo.data._scenes import LABELS, MOST, SIZE, Scenes, scenes

if TYPE_CHECKING:
    from pathlib import Path

COUNTS = {"train": 384, "validation": 48, "test": 192}
"""The scenes of each split."""


def load(path: Path | None, seed: int) -> Dataset:
    """Return scenes, ``uint8 [96, 96, 3]``; no digit is in two splits, and the test is the same for every seed.

    Raises:
        DataError: If a path is given, or the embedded digits are damaged.
    """
    if path is not None:
        raise DataError("scenes takes no path: its digits ship with this package")
    return Dataset(
        name="scenes",
        content=Images("RGB", (SIZE[1], SIZE[0]), GROUND),
        target=Boxes(LABELS, mirrored=False),
        splits={name: _composed(split, COUNTS[name]) for name, split in scenes(seed).items()},
        source="scenes composed of LeCun, Cortes and Burges: The MNIST database of handwritten digits",
        licence="CC BY-SA 3.0",
    )


def _composed(split: Scenes, count: int) -> Split:
    composed = [split[index] for index in range(count)]
    boxes = [LabeledBoxes(scene.boxes, scene.classes) for scene in composed]
    return Split([scene.image for scene in composed], pack(boxes, MOST))
