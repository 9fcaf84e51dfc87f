"""Many predictions leave nothing behind, and many threads get what one would; `benchmarks.soak` runs a million."""

from __future__ import annotations

import gc
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import runtime
from tests.engines import FLOAT_ENGINES

THREADS = 16


def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc")
def test_memory_stays(model, images):
    sizes = []
    ready = [np.resize(image, model.spec.input.shape) for image in images]
    for _ in range(6):
        for at in range(20_000):
            model.predict((images if at % 10 == 0 else ready)[at % len(images)])
        gc.collect()
        sizes.append(resident())
    assert sizes[-1] - sizes[0] <= 10**6, "100,000 predictions after the first 20,000"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc")
@pytest.mark.parametrize("engine", FLOAT_ENGINES)
def test_models_that_are_dropped_leave_nothing(tiny_bundle, engine):
    sizes = []
    for _ in range(3):
        for _ in range(50):
            runtime.load(tiny_bundle, engine=engine, threads=1).predict(np.zeros((12, 10, 3), np.uint8))
        gc.collect()
        sizes.append(resident())
    assert sizes[-1] - sizes[0] <= 5 * 10**6, "100 models after the first 50"


def test_sixteen_threads_get_the_answers_of_one(model, images):
    serial = [model.predict(image).scores for image in images]

    def work(thread):
        order = np.random.default_rng(thread).integers(0, len(images), 500)
        return all(np.array_equal(serial[i], model.predict(images[i]).scores) for i in order)

    with ThreadPoolExecutor(THREADS) as pool:
        assert all(pool.map(work, range(THREADS)))


def test_sixteen_threads_each_with_batches_of_its_own(model, images):
    """LiteRT resizes its interpreter for each batch where the graph allows it; nobody else may notice."""
    serial = [model.predict(images[: 1 + thread]) for thread in range(THREADS)]

    def work(thread):
        for _ in range(20):
            found = model.predict(images[: 1 + thread])
            if not all(np.array_equal(a.scores, b.scores) for a, b in zip(found, serial[thread], strict=True)):
                return False
        return True

    with ThreadPoolExecutor(THREADS) as pool:
        assert all(pool.map(work, range(THREADS)))
