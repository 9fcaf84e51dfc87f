"""A detector that needs no training: colored cells on grey, found by a network whose weights are set by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np

HEIGHT, WIDTH = 64, 96
CELLS = HEIGHT // 8 * WIDTH // 8
LABELS = ("red", "green")
COLORS = {"red": (250, 0, 0), "green": (0, 250, 0)}


def specification(fit="pad"):
    """Return what the detector takes and gives."""
    from export import Detection, Distances, ImageInput, ModelSpec, TensorSpec, image_steps

    tensors = (
        TensorSpec("distances", (CELLS, 4), axes=("cell", "side")),
        TensorSpec("scores", (CELLS, len(LABELS)), axes=("cell", "label")),
    )
    output = Detection("detection", tensors, LABELS, HEIGHT, WIDTH, Distances("distances", (8,)), 0.5, 0.6)
    steps = image_steps((HEIGHT, WIDTH), "RGB", fit=fit, ground=(114, 114, 114))
    return ModelSpec("squares", ImageInput("image", "image", (HEIGHT, WIDTH, 3), steps), output)


def picture(seed, width=WIDTH, height=HEIGHT, cell=8):
    """Return a picture of colored cells on grey, and its boxes."""
    random = np.random.default_rng(seed)
    pixels = np.full((height, width, 3), 100, np.uint8)
    boxes = []
    for at in random.choice(width // cell * (height // cell), 5, replace=False):
        top, left = (cell * int(index) for index in divmod(int(at), width // cell))
        label = LABELS[random.integers(2)]
        pixels[top : top + cell, left : left + cell] = COLORS[label]
        boxes.append((label, left, top, left + cell, top + cell))
    return pixels, boxes


def export_squares(out: Path) -> None:
    """Export the detector in fp32 and int8, proved on a hundred pictures."""
    import export
    from tests.networks import Squares

    pictures, boxes = zip(*map(picture, range(100)), strict=True)
    export.export(
        Squares(), specification(), pictures, out=out, targets=boxes, precisions=("fp32", "int8"),
        calibration=export.Calibration(pictures[:20]),
    )  # fmt: skip
