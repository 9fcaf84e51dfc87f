"""Several callers at once: micro-batches."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import runtime
from runtime import EngineError, OptionError
from runtime.concurrency.micro_batcher import MicroBatcher
from runtime.engines import engine_module, engine_names
from tests.runtime.test_model import ROUNDING, scores

ROOT = Path(__file__).parents[2]
SMALLEST = ROOT / "runtime" / "smallest"


class Recorder:
    """Doubles its items; a gate keeps calls inside, so that others gather. It notes every list."""

    def __init__(self):
        self.batches, self.gate = [], threading.Event()

    def __call__(self, items, kind):
        self.batches.append(items)
        assert self.gate.wait(20)
        if min(items) < 0:
            raise EngineError("below zero")
        return [item * 2 for item in items]


@pytest.fixture
def recorder():
    return Recorder()


def wait_for(condition):
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.001)


def gathered(batcher, recorder, pool, items, kind=lambda item: "kind"):
    """Let one call enter and the others gather, in their order; return what becomes of each."""
    first = pool.submit(batcher, 100, "first")
    wait_for(lambda: recorder.batches)
    rest = []
    for item in items:
        rest.append(pool.submit(batcher, item, kind(item)))
        wait_for(lambda: batcher._waiting.qsize() == len(rest))
    recorder.gate.set()
    assert first.result() == 200
    return rest


def test_callers_that_wait_are_one_batch(recorder):
    with ThreadPoolExecutor(12) as pool:
        futures = gathered(MicroBatcher(recorder, 32, 1), recorder, pool, range(10))
        assert [each.result() for each in futures] == [2 * i for i in range(10)]
    assert recorder.batches == [[100], list(range(10))]


def test_a_leader_waits_for_the_callers_of_the_last_batch_to_come_back(recorder):
    """Four callers that come one after the other, each again and again, are one batch of four from then on."""
    recorder.gate.set()
    work = lambda items, kind: (time.sleep(0.05), recorder(items, kind))[1]  # noqa: E731
    batcher = MicroBatcher(work, 32, 1)

    def calls(_):
        for i in range(5):
            batcher(i, "kind")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(calls, range(4)))
    assert [len(batch) for batch in recorder.batches].count(4) >= 3


def test_who_calls_alone_does_not_wait(recorder):
    recorder.gate.set()
    batcher = MicroBatcher(recorder, 32, 1)
    assert [batcher(i, "kind") for i in range(5)] == [2 * i for i in range(5)]
    assert recorder.batches == [[i] for i in range(5)]


def test_a_second_place_is_taken_at_once(recorder):
    batcher = MicroBatcher(recorder, 32, 2)
    with ThreadPoolExecutor(4) as pool:
        calls = []
        for i in range(2):
            calls.append(pool.submit(batcher, i, "kind"))
            wait_for(lambda: len(recorder.batches) == len(calls))
        recorder.gate.set()
        assert [call.result() for call in calls] == [0, 2]


def test_a_batch_has_its_limit_and_what_is_over_it_comes_next(recorder):
    with ThreadPoolExecutor(14) as pool:
        futures = gathered(MicroBatcher(recorder, 8, 1), recorder, pool, range(12))
        assert [each.result() for each in futures] == [2 * i for i in range(12)]
    assert [len(batch) for batch in recorder.batches] == [1, 8, 4]


def test_items_that_do_not_go_together_run_apart(recorder):
    with ThreadPoolExecutor(8) as pool:
        futures = gathered(MicroBatcher(recorder, 32, 1), recorder, pool, range(6), lambda item: item % 2)
        assert [each.result() for each in futures] == [2 * i for i in range(6)]
    assert recorder.batches == [[100], [0, 2, 4], [1, 3, 5]]


def test_one_callers_error_is_its_own(recorder):
    batcher = MicroBatcher(recorder, 32, 1)
    with ThreadPoolExecutor(8) as pool:
        futures = gathered(batcher, recorder, pool, [0, 1, -1, 3, 4])
        with pytest.raises(EngineError, match="below zero"):
            futures[2].result()
        assert [futures[i].result() for i in (0, 1, 3, 4)] == [0, 2, 6, 8]
    assert batcher(7, "kind") == 14


class Interrupted(BaseException):
    pass


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="signals of POSIX")
@pytest.mark.parametrize("batching", [False, True])
@pytest.mark.parametrize("engine", engine_names())
def test_a_model_answers_after_any_number_of_interrupts(engine, batching):
    """In a process of its own, since interrupts leave locks of Python's own library taken, such as that of logging.

    Run with `EDGEZOO_INTERRUPTS=100000` for each engine now and then.
    """
    path = SMALLEST / f"model.{engine_module(engine).FORMAT}"
    if batching and runtime.load(path, engine=engine, trusted=True).file_spec.batch is not None:
        pytest.skip("a file of one batch size")
    count = os.environ.get("EDGEZOO_INTERRUPTS", "2000")
    command = [sys.executable, "-m", "tests.runtime.interrupted", engine, str(path), str(int(batching)), count]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60 + int(count) / 50)
    assert (done.stdout, done.returncode) == ("done\n", 0), done.stderr


def test_a_caller_that_stops_waiting_leaves_the_others_their_answers(recorder):
    batcher = MicroBatcher(recorder, 32, 1)
    with ThreadPoolExecutor(8) as pool:
        first = pool.submit(batcher, 100, "first")
        wait_for(lambda: recorder.batches)
        timer = threading.Timer(0.05, signal.pthread_kill, (threading.main_thread().ident, signal.SIGINT))
        rest = [pool.submit(batcher, i, "kind") for i in range(3)]
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            batcher(7, "kind")
        recorder.gate.set()
        assert first.result() == 200
        assert [each.result() for each in rest] == [0, 2, 4]
    assert batcher(5, "kind") == 10
    assert all(7 not in batch for batch in recorder.batches), "nobody waits for its answer"


def test_callers_are_told_whatever_ends_their_batch():
    def work(items, kind):
        if kind == "short":
            return []
        raise Interrupted

    batcher = MicroBatcher(work, 32, 1)
    with pytest.raises(Interrupted):
        batcher(1, "kind")
    with pytest.raises(ValueError, match="zip"):
        batcher(1, "short")


def test_threads_get_what_one_caller_gets(tiny_bundle, images):
    plain = runtime.load(tiny_bundle, engine="onnxruntime")
    together = runtime.load(tiny_bundle, engine="onnxruntime", batching=True)
    wanted = [plain.predict(image) for image in images]
    with ThreadPoolExecutor(8) as pool:
        for _ in range(5):
            predictions = list(pool.map(together.predict, images))
            assert np.abs(scores(predictions) - scores(wanted)).max() <= ROUNDING
            assert all(np.array_equal(one.input, other.input) for one, other in zip(predictions, wanted, strict=True))
    assert together.engine.version == plain.engine.version
    assert f"on {plain.engine.version}, cpu" in repr(together)
    assert np.abs(scores(together.stream(images)) - scores(wanted)).max() <= ROUNDING


def test_a_file_of_one_batch_size_is_refused(bundle_copy):
    from tests.runtime.edits import edit_manifest

    edit_manifest(bundle_copy, lambda manifest: manifest["models"]["model.onnx"]["spec"].update(batch=1))
    with pytest.raises(OptionError, match=r"model.onnx runs batches of exactly 1, so callers' inputs can't be merged"):
        runtime.load(bundle_copy, engine="onnxruntime", batching=True)


def test_callers_with_different_wishes_get_them(tiny_bundle, images):
    model = runtime.load(tiny_bundle, engine="onnxruntime", batching=True)
    with ThreadPoolExecutor(8) as pool:
        predictions = list(pool.map(lambda i: model.predict(images[i], top=1 + i % 3), range(60)))
    assert [len(one.top) for one in predictions] == [1 + i % 3 for i in range(60)]
