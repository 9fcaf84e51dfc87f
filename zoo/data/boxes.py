"""Your own pictures with boxes, `boxes:PATH`: COCO JSON, YOLO folders with a data.yaml, or Pascal VOC XML."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from runtime.errors import DataError, InputError, InputNote
from zoo.data import Boxes, Dataset, Images, refusal
from zoo.data._annotations import load_pictures
from zoo.data._box_geometry import GROUND

if TYPE_CHECKING:
    from pathlib import Path


def load(path: Path | None, seed: int) -> Dataset:
    """Return the pictures below `path`, with boxes that were checked; their pixels are not yet read.

    Raises:
        DataError: If there is no such folder, it has no annotations, or something is wrong that leaving out pictures
            wouldn't mend. The set's `bad` holds the problems of single pictures.
    """
    if path is None:
        raise DataError("boxes needs a path, a folder with annotated pictures: boxes:PATH")
    pictures = load_pictures(path, seed)
    report, name = pictures.report, path.resolve().name
    if report.fatal:
        raise refusal(name, list(report.fatal), list(report.bad))
    if report.notes:
        warnings.warn(str(InputError(f"{name}: {'; '.join(report.notes)}")), InputNote, stacklevel=2)
    return Dataset(
        name=name,
        content=Images("RGB", pictures.size, GROUND),
        target=Boxes(pictures.labels),
        splits=pictures.splits,
        source=f"a folder of pictures with boxes ({pictures.format})",
        licence="not stated",
        bad=report.bad,
    )
