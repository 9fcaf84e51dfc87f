"""An isolated model's calls against the same model in this process: ``python -m benchmarks.isolation``."""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

import runtime
from benchmarks import models
from benchmarks.measure import Row, alternate, excess_row, show

BAR = 1e-3
"""Seconds that a call of a small model may take longer."""
OPEN = 0.5
"""Seconds that loading may take longer: a child process starts."""


def rows(bundle: Path) -> Iterator[Row]:
    """Measure `predict` of one image, and loading, on both engines."""
    pixels = np.random.default_rng(0).integers(0, 256, (28, 28), np.uint8)
    for engine in ("onnxruntime", "litert"):
        start = time.perf_counter()
        inside = runtime.load(bundle, engine=engine, threads=1, trusted=True)
        middle = time.perf_counter()
        isolated = runtime.load(bundle, engine=engine, threads=1, isolate=True)
        end = time.perf_counter()
        times = alternate(partial(isolated.predict, pixels), partial(inside.predict, pixels), 200)
        yield excess_row(f"isolated predict, {engine}", *times, BAR)
        yield excess_row(f"isolated load, {engine}", end - middle, middle - start, OPEN)


def main() -> None:
    """Print ours, the baseline and the difference."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print JSON for scripts")
    as_json = parser.parse_args().json
    with tempfile.TemporaryDirectory() as folder:
        measured = list(rows(models.small_cnn(Path(folder))))
    show("isolated models against models in this process", measured, as_json)


if __name__ == "__main__":
    main()
