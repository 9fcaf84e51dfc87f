"""Four models that take turns in one process, against four bare sessions: threads that wait must not spin."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np

import runtime
from benchmarks.measure import Row, alternate, ratio_row
from benchmarks.predict import bare_onnx

MODELS = 4


def rows(efficientnet: Path) -> Iterator[Row]:
    """Measure ONNX Runtime, whose threads spin between runs unless told otherwise."""
    pixels = np.random.default_rng(0).integers(0, 256, (224, 224, 3), np.uint8)

    def ours() -> Callable[[], object]:
        models = [runtime.load(efficientnet, engine="onnxruntime") for _ in range(MODELS)]
        return lambda: [model.predict(pixels) for model in models]

    def by_hand() -> Callable[[], object]:
        calls = [partial(bare_onnx(efficientnet / "model.onnx"), pixels[None]) for _ in range(MODELS)]
        return lambda: [call() for call in calls]

    # one kind at a time, since those that spin would take the CPUs from the others
    times = [alternate(make(), lambda: None, 15)[0] for make in (ours, by_hand)]
    yield ratio_row(f"{MODELS} models in turn, onnxruntime", times[0], times[1], 0.6)
