"""A folder of small images, one folder for each class."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image


def write_photos(root: Path) -> Path:
    """Write three classes of twelve images that differ in colour and pattern, of several sizes and formats."""
    rng = np.random.default_rng(0)
    for target, label in enumerate(("leaf", "sky", "stone")):
        (root / label).mkdir()
        for i in range(12):
            height, width = rng.integers(60, 120, 2)
            noise = rng.integers(0, 90, (height, width, 3), np.uint8)
            noise[:, :, target] += 150
            noise[:: 2 + target * 3] //= 2
            image = Image.fromarray(noise)
            image.save(root / label / f"{i}.{'png' if i % 3 else 'jpg'}")
    return root
