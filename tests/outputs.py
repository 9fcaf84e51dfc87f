"""An output of each task, and predictions from made-up raw values."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from runtime import tasks
from runtime.candidates import candidates
from runtime.images.placement import Placement
from runtime.tensor_spec import TensorSpec

OUTPUTS: list[tuple[Any, tuple[int, ...]]] = [
    (tasks.Classification("classification", "y", ("a", "b", "c")), (2, 3)),
    (tasks.Binary("binary", "y", ("no", "yes")), (2, 1)),
    (tasks.MultiLabel("multilabel", "y", ("a", "b", "c")), (2, 3)),
    (tasks.Regression("regression", "y", "price", "", 0.0, 1.0), (2, 1)),
    (tasks.Forecasting("forecasting", "y", "load", "", 5, 0.0, 1.0), (2, 5)),
    (tasks.CTC("ctc", "y", "abc"), (2, 6, 4)),
    (tasks.Anomaly("anomaly", "y", 7, 1.0), (2, 7)),
]
"""Outputs of one tensor, and the shape of a batch of two."""
RAW = tasks.Raw(
    "raw", (TensorSpec("f", (2, "time")), TensorSpec("i", (3,), "int64"), TensorSpec("b", (), "bool"))
)  # fmt: skip
DETECTOR = Path(__file__).parent / "fixtures" / "format-3-detector"
SEEN = np.zeros((2, 4, 4, 1), np.uint8)


def predictions() -> list[tuple[Any, list[Any]]]:
    """Return each output with two predictions."""
    random = np.random.default_rng(1)
    arrays = {
        "f": random.standard_normal((2, 2, 4)).astype(np.float32),
        "i": np.array([[1, -1, 2**62 + 1], [0, 0, 0]]),
        "b": np.array([True, False]),
    }
    made = [(output, random.standard_normal(shape).astype(np.float32)) for output, shape in OUTPUTS]
    boxes = (tasks.Box("a", 1 / 3, 0.1, 0.2, 3.3, 3.7), tasks.Box("b", 0.1, 0.0, 0.0, 1.0, 1.0)), ()
    detections = [tasks.DetectionPrediction(SEEN[0], each, Placement.whole(4, 4), ("a", "b")) for each in boxes]
    return [
        (candidates(DETECTOR)[0].spec.output, detections),
        *[(output, output.decode(raw, SEEN, 3)) for output, raw in [*made, (RAW, arrays)]],
    ]
