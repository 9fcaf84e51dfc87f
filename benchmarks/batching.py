"""Eight threads that share the small network, with micro-batches and without."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

import runtime
from benchmarks.measure import Row, alternate

THREADS, CALLS = 8, 250
BAR = 1.5


def rows(folder: Path, rounds: int = 15) -> Iterator[Row]:
    """Measure predictions a second of both, in turns."""
    plain, batched = (runtime.load(folder, engine="onnxruntime", batching=batching) for batching in (False, True))
    array = np.random.default_rng(0).integers(0, 256, plain.spec.input.shape, np.uint8)
    with ThreadPoolExecutor(THREADS) as pool:
        ours, baseline = alternate(work(batched, array, pool), work(plain, array, pool), rounds)
    rates = [THREADS * CALLS / took for took in (ours, baseline)]
    yield Row(
        f"{THREADS} threads, {folder.name}, batching=True", *(f"{rate:,.0f}/s" for rate in rates),
        f"{baseline / ours:.2f}×", f"≥ {BAR}×", baseline / ours >= BAR,
    )  # fmt: skip


def work(model: runtime.Model, array: np.ndarray, pool: ThreadPoolExecutor) -> Callable[[], object]:
    """Return what lets every thread predict an array again and again."""

    def calls(_: int) -> None:
        for _ in range(CALLS):
            model.predict(array)

    return lambda: list(pool.map(calls, range(THREADS)))
