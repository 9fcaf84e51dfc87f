"""Changes that a picture and its boxes share, as functions of numbers: whoever calls them draws those."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

LEAST_SHARE = 0.25
"""Of a box's area, what must stay in the picture; a box of which less stays is left out, for too little of it shows."""
GROUND = (114, 114, 114)
"""The color outside of a picture, 0-255: gray, as in Ultralytics' letterbox."""

Window = tuple[float, float, float, float]
"""Left, top, right and bottom edge of a part of a picture in pixels; it may reach out of the picture."""


@dataclass(frozen=True, eq=False)
class BoxedImage:
    """A picture and its boxes.

    Args:
        image: ``uint8 [height, width, 3]``, red, green and blue.
        boxes: ``float32 [boxes, 4]``: left, top, right and bottom edge in pixels; the picture's left edge is at 0, its
            right edge at its width.
        classes: ``int64 [boxes]``.
    """

    image: NDArray[np.uint8]
    boxes: NDArray[np.float32]
    classes: NDArray[np.int64]


def flip(sample: BoxedImage) -> BoxedImage:
    """Return a picture with left and right exchanged."""
    width = sample.image.shape[1]
    boxes = sample.boxes.copy()
    boxes[:, [0, 2]] = width - sample.boxes[:, [2, 0]]
    return BoxedImage(np.ascontiguousarray(sample.image[:, ::-1]), boxes, sample.classes)


def crop(
    sample: BoxedImage,
    window: Window,
    width: int,
    height: int,
    ground: tuple[int, int, int] = GROUND,
    least_share: float = LEAST_SHARE,
) -> BoxedImage:
    """Return a window of a picture, resampled to a size: crops, zooms, shifts and paddings are windows.

    Pixels are resampled with Pillow's ``bilinear``, which averages where it makes smaller.

    Args:
        sample: The picture and its boxes.
        window: Which part is shown.
        width: Of the result, in pixels.
        height: The same.
        ground: The color where the window reaches out of the picture.
        least_share: Of a box's area, what must be in the window; see `LEAST_SHARE`.
    """
    left, top, right, bottom = window
    scale_x, scale_y = width / (right - left), height / (bottom - top)
    image = np.empty((height, width, 3), np.uint8)
    image[:] = ground
    columns = _covered(left, scale_x, sample.image.shape[1], width)
    rows = _covered(top, scale_y, sample.image.shape[0], height)
    if columns[0] < columns[1] and rows[0] < rows[1]:
        part = (
            left + columns[0] / scale_x,
            top + rows[0] / scale_y,
            left + columns[1] / scale_x,
            top + rows[1] / scale_y,
        )
        image[slice(*rows), slice(*columns)] = _resampled(sample.image, part, columns, rows)
    boxes = (sample.boxes - np.array((left, top, left, top), np.float32)) * np.array((scale_x, scale_y) * 2, np.float32)
    return BoxedImage(image, *keep_visible(boxes, sample.classes, width, height, least_share))


def _covered(start: float, scale: float, source: int, target: int) -> tuple[int, int]:
    """Return the pixels of the target, from one to before another, that lie in the picture as a whole along an axis."""
    first = max(0, math.ceil(-start * scale - 1e-6))
    return first, min(target, math.floor((source - start) * scale + 1e-6))


def _resampled(
    image: NDArray[np.uint8], part: Window, columns: tuple[int, int], rows: tuple[int, int]
) -> NDArray[np.uint8]:
    from PIL import Image

    height, width = image.shape[:2]
    inside = (max(0.0, part[0]), max(0.0, part[1]), min(float(width), part[2]), min(float(height), part[3]))
    size = columns[1] - columns[0], rows[1] - rows[0]
    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BILINEAR, box=inside))


def keep_visible(
    boxes: NDArray[np.float32], classes: NDArray[np.int64], width: int, height: int, least_share: float
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return boxes clipped to a picture, with their classes, without those of which too little is in it.

    Args:
        boxes: ``float32 [boxes, 4]``.
        classes: ``int64 [boxes]``.
        width: Of the picture, in pixels.
        height: The same.
        least_share: Of a box's area, what must be in the picture, above 0.
    """
    clipped = np.clip(boxes, 0, np.array((width, height) * 2, np.float32))
    whole, visible = (np.prod(each[:, 2:] - each[:, :2], axis=1) for each in (boxes, clipped))
    kept = (visible > 0) & (visible >= least_share * whole)
    return clipped[kept], classes[kept]


def mosaic(
    samples: Sequence[BoxedImage],
    windows: Sequence[Window],
    corner: tuple[int, int],
    size: tuple[int, int],
    least_share: float = LEAST_SHARE,
) -> BoxedImage:
    """Return four pictures in one, which meet in a corner (Bochkovskiy et al. 2020: YOLOv4).

    Args:
        samples: Four pictures: upper left, upper right, lower left, lower right.
        windows: Which part of each is shown; `window_of` gives one of the right shape.
        corner: The pixel column and row in which they meet, inside of the picture.
        size: Width and height of the result.
        least_share: See `crop`.
    """
    (x, y), (width, height) = corner, size
    quarters = ((0, 0, x, y), (x, 0, width, y), (0, y, x, height), (x, y, width, height))
    image = np.empty((height, width, 3), np.uint8)
    boxes, classes = [], []
    for sample, window, (left, top, right, bottom) in zip(samples, windows, quarters, strict=True):
        piece = crop(sample, window, right - left, bottom - top, least_share=least_share)
        image[top:bottom, left:right] = piece.image
        boxes.append(piece.boxes + np.array((left, top, left, top), np.float32))
        classes.append(piece.classes)
    return BoxedImage(image, np.concatenate(boxes), np.concatenate(classes))


def window_of(
    image_size: tuple[int, int], size: tuple[int, int], scale: float, position: tuple[float, float]
) -> Window:
    """Return the window that shows a picture at a scale, without distortion.

    Args:
        image_size: Width and height of the picture.
        size: Width and height of the result, whose shape the window has.
        scale: At 1 the whole picture fits in, at 2 half of it along the tighter axis; below 1 with ground around it.
        position: Where the window is along both axes, 0 (left, top) to 1 (right, bottom).
    """
    shrink = max(image_size[0] / size[0], image_size[1] / size[1]) / scale
    width, height = shrink * size[0], shrink * size[1]
    left, top = position[0] * (image_size[0] - width), position[1] * (image_size[1] - height)
    return left, top, left + width, top + height
