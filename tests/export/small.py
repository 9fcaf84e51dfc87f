"""A small network with its specification and samples."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

import export

SPEC = export.ModelSpec(
    "small",
    export.ImageInput("image", "image", (6, 5, 3), export.image_steps((6, 5), "RGB")),
    export.Classification("classification", "logits", ("cat", "dog", "fox")),
)
_random = np.random.default_rng(0)
SAMPLES = [_random.integers(0, 256, (6 + i, 9, 3), np.uint8) for i in range(12)]


def network() -> export.NormalizePixels:
    """Return the same network every time, for a test to change."""
    torch.manual_seed(0)
    layers = nn.Sequential(nn.Flatten(), nn.Linear(90, 8), nn.ReLU(), nn.Linear(8, 3))
    return export.NormalizePixels(layers, (0.5, 0.4, 0.3), (0.2, 0.25, 0.3))
