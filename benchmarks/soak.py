"""A million predictions of the default perceptron on each engine: what the process keeps of them.

``python -m benchmarks.soak`` runs it; it takes minutes, so the table of ``python -m benchmarks`` goes without.
"""

from __future__ import annotations

import gc
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

import runtime
from benchmarks import models
from benchmarks.measure import Row

COUNT = 1_000_000
WINDOW = 100_000
LIMIT_MB = 1.0


def rows(perceptron: Path, count: int = COUNT) -> Iterator[Row]:
    """Measure both engines, on images of the model's size and, every tenth time, on one that has to be resized."""
    random = np.random.default_rng(0)
    images = [random.integers(0, 256, (28, 28), np.uint8) for _ in range(9)]
    images.append(random.integers(0, 256, (40, 30), np.uint8))
    for engine in ("onnxruntime", "litert"):
        model = runtime.load(perceptron, engine=engine)
        sizes, start = [], time.perf_counter()
        for _ in range(0, count, WINDOW):
            for at in range(WINDOW):
                model.predict(images[at % 10])
            gc.collect()
            sizes.append(resident())
        rate = count / (time.perf_counter() - start)
        grown = np.diff(sizes)
        yield Row(
            f"{count:,} predictions, {engine}", f"+{grown.max():.2f} MB", f"{sizes[0]:.0f} MB after {WINDOW:,}",
            f"{sizes[-1] - sizes[0]:+.2f} MB in all, {rate:,.0f}/s", f"≤ +{LIMIT_MB:.0f} MB per {WINDOW:,}",
            bool(grown.max() <= LIMIT_MB),
        )  # fmt: skip


def resident() -> float:
    """Return the process's resident memory in MB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        for row in rows(models.perceptron(Path(folder)), int(sys.argv[1]) if sys.argv[1:] else COUNT):
            print(
                row.name,
                row.ours,
                row.baseline,
                row.result,
                row.bar,
                "met" if row.met else "MISSED",
                sep=" | ",
                flush=True,
            )
