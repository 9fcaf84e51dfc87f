"""Images for predictions on clusters, whose environments of their own lack the fixtures of other tests."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image


def write_images(folder: Path, count: int, broken: int) -> Path:
    """Write images of several sizes, of which the one at the index `broken` is none; return the folder."""
    random = np.random.default_rng(0)
    for i in range(count):
        size = random.integers(20, 60, 2)
        Image.fromarray(random.integers(0, 256, (*size, 3), np.uint8)).save(folder / f"{i:04d}.png")
    (folder / f"{broken:04d}.png").write_bytes(b"no image")
    return folder
