"""Many predictions leave nothing behind, and many threads get what one would; `benchmarks.soak` runs a million."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from tests.engines import FLOAT_ENGINES
from tests.nightly import NIGHTLY

ROOT = Path(__file__).parents[2]
THREADS = 16


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc")
@pytest.mark.parametrize("engine", FLOAT_ENGINES)
def test_memory_stays(tiny_bundle, engine):
    """In a process of its own: what other tests leave to be collected is not this one's."""
    count = 8_000 if NIGHTLY else 2_000
    assert grown(tiny_bundle, engine, "predictions", count) <= 10 * 5 * count, "10 bytes for each after the first round"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc")
@pytest.mark.parametrize("engine", FLOAT_ENGINES)
def test_models_that_are_dropped_leave_nothing(tiny_bundle, engine):
    assert grown(tiny_bundle, engine, "models", 25) <= 5 * 10**6, "125 models after the first 25"


def grown(bundle, engine, kind, count):
    """Return the bytes that a process holds after six rounds of `tests.runtime.soaked` more than after the first."""
    command = [sys.executable, "-m", "tests.runtime.soaked", engine, str(bundle), kind, str(count)]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert ended.returncode == 0, ended.stderr
    sizes = json.loads(ended.stdout)
    return sizes[-1] - sizes[0]


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
            predictions = model.predict(images[: 1 + thread])
            if not all(np.array_equal(a.scores, b.scores) for a, b in zip(predictions, serial[thread], strict=True)):
                return False
        return True

    with ThreadPoolExecutor(THREADS) as pool:
        assert all(pool.map(work, range(THREADS)))
