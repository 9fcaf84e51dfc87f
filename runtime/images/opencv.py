"""OpenCV's bilinear resampling of 8-bit pixels: to the byte what ``cv2.resize`` does with ``INTER_LINEAR``.

Source: ``modules/imgproc/src/resize.cpp`` of OpenCV 4 and 5 (`HResizeLinear`, `VResizeLinear`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

COEFFICIENT_SCALE = 2048
"""``INTER_RESIZE_COEF_SCALE``: weights have 11 bits."""
BLOCK = 16
"""How many rows are computed at a time, so that their sums stay in the processor's cache."""


class _Taps(NamedTuple):
    """Which two pixels of a line each output pixel mixes, and their weights, ``[pixels]`` each."""

    first: NDArray[np.intp]
    second: NDArray[np.intp]
    first_weight: NDArray[np.int32]
    second_weight: NDArray[np.int32]

    def of_values(self, channels: int) -> _Taps:
        """Return the taps of the values of pixels that have so many channels side by side."""
        offsets = np.arange(channels)
        first, second = ((pixels[:, None] * channels + offsets).ravel() for pixels in (self.first, self.second))
        return _Taps(first, second, self.first_weight.repeat(channels), self.second_weight.repeat(channels))


def resize_bilinear(pixels: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    """Resample an image to `width` x `height`.

    Each output pixel mixes the two nearest columns and the two nearest rows around its center, in whole numbers. An
    image that shrinks isn't averaged: the pixels between those two are skipped.

    Args:
        pixels: ``uint8 [height, width]`` or ``[height, width, channels]``.
        width: Width of the result in pixels.
        height: Its height in pixels.

    Returns:
        ``uint8`` of the same number of axes.
    """
    source_height, source_width, *channels = pixels.shape
    columns = _taps(source_width, width, stops=True).of_values(*channels or (1,))
    rows = _taps(source_height, height, stops=False)
    lines = pixels.reshape(source_height, -1)
    result = np.empty((height, columns.first.size), np.uint8)
    for start in range(0, height, BLOCK):
        first, second, first_weight, second_weight = (values[start : start + BLOCK] for values in rows)
        needed, index = np.unique(np.concatenate([first, second]), return_inverse=True)
        narrowed = _across(lines[needed], columns)
        upper, lower = narrowed[index[: first.size]], narrowed[index[first.size :]]
        for sums, weights in ((upper, first_weight), (lower, second_weight)):
            sums *= weights[:, None]
            sums >>= 16
        upper += lower
        upper += 2
        upper >>= 2
        result[start : start + BLOCK] = upper
    return result.reshape(height, width, *channels)


def _across(lines: NDArray[np.uint8], columns: _Taps) -> NDArray[np.int32]:
    """Return lines ``[rows, values]`` in the new width, in units of 1/128."""
    sums = lines.take(columns.first, axis=1) * columns.first_weight
    sums += lines.take(columns.second, axis=1) * columns.second_weight
    sums >>= 4
    return sums


def _taps(size: int, count: int, *, stops: bool) -> _Taps:
    """Return the taps of each of `count` pixels of a line of `size`.

    Args:
        size: Pixels of the line.
        count: Pixels that it is brought to.
        stops: Whether a pixel beyond the center of the first or the last one has the whole weight there, as OpenCV has
            it for columns. For rows it mixes that row with itself, and each product rounds.
    """
    scale = 1 / (count / size)  # OpenCV divides twice
    centers = ((np.arange(count) + 0.5) * scale - 0.5).astype(np.float32)
    first = np.floor(centers).astype(np.intp)
    fraction = centers - first.astype(np.float32)
    if stops:
        fraction[(first < 0) | (first >= size - 1)] = 0
    weights = (
        np.rint(share * np.float32(COEFFICIENT_SCALE)).astype(np.int32)
        for share in (np.float32(1) - fraction, fraction)
    )
    return _Taps(first.clip(0, size - 1), (first + 1).clip(0, size - 1), *weights)
