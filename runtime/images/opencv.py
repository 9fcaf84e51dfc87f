"""OpenCV's bilinear resampling of 8-bit pixels: to the byte what ``cv2.resize`` does with ``INTER_LINEAR``.

Source: ``modules/imgproc/src/resize.cpp`` of OpenCV 4 and 5 (`HResizeLinear`, `VResizeLinear`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL.Image import Image

COEFFICIENT_SCALE = 2048
"""``INTER_RESIZE_COEF_SCALE``: weights have 11 bits."""
BLOCK = 16
"""How many rows are computed at a time, so that their sums stay in the processor's cache."""
MARGIN = 1e-6
"""How far inside its pixel a point must lie for Pillow to fetch that pixel; the rounding of its sums is far below."""


class _Taps(NamedTuple):
    """Which two pixels of a line each output pixel mixes, and their weights, ``[pixels]`` each."""

    first: NDArray[np.intp]
    second: NDArray[np.intp]
    first_weight: NDArray[np.int32]
    second_weight: NDArray[np.int32]

    def block(self, block: slice) -> _Taps:
        """Return the taps of some of the pixels."""
        return _Taps(self.first[block], self.second[block], self.first_weight[block], self.second_weight[block])

    def of_values(self, channels: int) -> _Taps:
        """Return the taps of the values of pixels that have so many channels side by side."""
        offsets = np.arange(channels)
        first, second = ((pixels[:, None] * channels + offsets).ravel() for pixels in (self.first, self.second))
        return _Taps(first, second, self.first_weight.repeat(channels), self.second_weight.repeat(channels))


def resize_image(image: Image, width: int, height: int) -> Image:
    """Resample a Pillow image, ``L`` or ``RGB``, to `width` x `height`, as `resize_bilinear` does.

    Of an image that shrinks to a half or less Pillow fetches the four pixels that each output pixel mixes: handing over
    all of its pixels would take several times as long as resampling (docs/log.md). To a half exactly, that is Pillow's
    own mean of four; by an odd factor each output pixel is the middle one of a square.
    """
    import PIL.Image

    factor = image.width // width
    if image.size == (width * factor, height * factor):
        if factor == 2:
            return image.reduce(2)
        if factor % 2:
            return image.resize((width, height), PIL.Image.Resampling.NEAREST)
    columns, rows = _taps(image.width, width, stops=True), _taps(image.height, height, stops=False)
    across, down = _nearest_affine(image.width, columns), _nearest_affine(image.height, rows)
    if not across or not down:
        return PIL.Image.fromarray(resize_bilinear(np.asarray(image), width, height))
    (scale_x, left), (scale_y, top) = across, down
    upper_left, upper_right, lower_left, lower_right = (
        np.asarray(image.transform((width, height), PIL.Image.Transform.AFFINE, (scale_x, 0, x, 0, scale_y, y)))
        for y in (top, top + 1)
        for x in (left, left + 1)
    )
    columns = columns.of_values(len(image.getbands()))
    result = np.empty_like(upper_left)
    for start in range(0, height, BLOCK):
        block = slice(start, start + BLOCK)
        upper, lower = (
            _across(one[block].reshape(-1, columns.first.size), other[block].reshape(-1, columns.first.size), columns)
            for one, other in ((upper_left, upper_right), (lower_left, lower_right))
        )
        result[block] = _down(upper, lower, rows.block(block)).reshape(result[block].shape)
    return PIL.Image.fromarray(result)


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
        block = slice(start, start + BLOCK)
        mixed = rows.block(block)
        needed, index = np.unique(np.concatenate([mixed.first, mixed.second]), return_inverse=True)
        source = lines[needed]
        narrowed = _across(source.take(columns.first, axis=1), source.take(columns.second, axis=1), columns)
        result[block] = _down(narrowed[index[: mixed.first.size]], narrowed[index[mixed.first.size :]], mixed)
    return result.reshape(height, width, *channels)


def _across(first: NDArray[np.uint8], second: NDArray[np.uint8], columns: _Taps) -> NDArray[np.int32]:
    """Return lines ``[rows, values]`` in the new width, in units of 1/128, from the two pixels of each value."""
    sums = first * columns.first_weight
    sums += second * columns.second_weight
    sums >>= 4
    return sums


def _down(upper: NDArray[np.int32], lower: NDArray[np.int32], rows: _Taps) -> NDArray[np.int32]:
    """Return the lines that mix two each of what `_across` returns, which are overwritten."""
    for sums, weights in ((upper, rows.first_weight), (lower, rows.second_weight)):
        sums *= weights[:, None]
        sums >>= 16
    upper += lower
    upper += 2
    upper >>= 2
    return upper


def _nearest_affine(size: int, taps: _Taps) -> tuple[float, float] | None:
    """Return the scale and the offset by which Pillow finds each first tap as the nearest pixel; None where it can't.

    Pillow takes the pixel that ``(index + 0.5) * scale + offset`` lies in. Its sums must not round into another one.
    """
    count = len(taps.first)
    if size < 2 * count:
        return None
    scale = size / count
    inside = (np.arange(count) + 0.5) * scale - taps.first
    least, most = inside.min(), inside.max()
    return (scale, (1 - most - least) / 2) if most - least < 1 - 2 * MARGIN else None


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
