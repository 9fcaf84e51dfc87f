"""Pictures of rectangles on noise, with their boxes."""

from __future__ import annotations

import numpy as np

COLORS = np.array([(230, 40, 40), (40, 200, 60), (60, 80, 240)], np.uint8)


def rectangles(count: int, size: tuple[int, int], seed: int):
    """Return ``uint8 [count, height, width, 3]``, corners ``float32 [count, 2, 4]``, labels ``int64 [count, 2]``.

    Each picture has two rectangles of different colors, one in its left and one in its right half; the label is the
    color.
    """
    rng = np.random.default_rng(seed)
    height, width = size
    pixels = rng.integers(90, 160, (count, height, width, 3), dtype=np.uint8)
    corners = np.empty((count, 2, 4), np.float32)
    labels = np.empty((count, 2), np.int64)
    for image in range(count):
        labels[image] = rng.permutation(len(COLORS))[:2]
        for half, label in enumerate(labels[image]):
            box_width, box_height = rng.integers(width // 6, width // 2), rng.integers(height // 6, height // 1.5)
            left = half * width // 2 + rng.integers(0, width // 2 - box_width + 1)
            top = rng.integers(0, height - box_height + 1)
            pixels[image, top : top + box_height, left : left + box_width] = COLORS[label]
            corners[image, half] = left, top, left + box_width, top + box_height
    return pixels, corners, labels
