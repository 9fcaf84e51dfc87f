"""Several callers at once: copies of an engine that admits one, and micro-batches."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import numpy as np
import pytest

import runtime
from runtime import EngineError, OptionError
from runtime.callers import LIMIT, Batching, Copies
from tests.runtime.test_model import ROUNDING, scores


class Recorder:
    """Doubles its input; a gate keeps calls inside, so that others gather. It notes every batch."""

    version, device, threads, skipped = "recorder 1", "cpu", 1, ()

    def __init__(self):
        self.batches, self.gate = [], threading.Event()

    def run(self, inputs):
        values = inputs["x"]
        self.batches.append(values[:, 0].tolist())
        assert self.gate.wait(20)
        if (values < 0).any():
            raise EngineError("below zero")
        return {"y": values * 2}


@pytest.fixture
def recorder(monkeypatch):
    monkeypatch.setattr("runtime.callers.usable_cpus", lambda: 1)
    return Recorder()


def wait_for(condition):
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.001)


def ask(engine, *values, width=1):
    return engine.run({"x": np.array(values, np.float32)[:, None].repeat(width, 1)})["y"][:, 0].tolist()


def gathered(engine, recorder, pool, calls):
    """Let one call enter the engine and the others gather, in their order; return what becomes of each."""
    first = pool.submit(ask, engine, 100.0)
    wait_for(lambda: recorder.batches)
    rest = []
    for call in calls:
        rest.append(pool.submit(call))
        wait_for(lambda: len(engine._waiting) == len(rest))
    recorder.gate.set()
    assert first.result() == [200.0]
    return rest


def test_callers_that_wait_are_one_batch(recorder):
    engine = Batching(recorder)
    with ThreadPoolExecutor(12) as pool:
        calls = [lambda i=i: ask(engine, i, i + 0.5) for i in range(10)]
        found = [each.result() for each in gathered(engine, recorder, pool, calls)]
    assert found == [[2.0 * i, 2.0 * i + 1] for i in range(10)]
    assert recorder.batches == [[100.0], [value for i in range(10) for value in (i, i + 0.5)]]


def test_nobody_waits_for_company(recorder):
    recorder.gate.set()
    engine = Batching(recorder)
    assert [ask(engine, i) for i in range(5)] == [[2.0 * i] for i in range(5)]
    assert recorder.batches == [[i] for i in range(5)]


def test_a_batch_has_its_limit_and_what_is_over_it_comes_next(recorder):
    engine = Batching(recorder)
    with ThreadPoolExecutor(LIMIT + 9) as pool:
        calls = [lambda i=i: ask(engine, i) for i in range(LIMIT + 8)]
        found = [each.result() for each in gathered(engine, recorder, pool, calls)]
    assert found == [[2.0 * i] for i in range(LIMIT + 8)]
    assert [len(batch) for batch in recorder.batches] == [1, LIMIT, 8]


def test_arrays_that_do_not_go_together_run_apart(recorder):
    engine = Batching(recorder)
    with ThreadPoolExecutor(8) as pool:
        calls = [lambda i=i: ask(engine, i, width=1 + i % 2) for i in range(6)]
        found = [each.result() for each in gathered(engine, recorder, pool, calls)]
    assert found == [[2.0 * i] for i in range(6)]
    assert recorder.batches == [[100.0], [0, 2, 4], [1, 3, 5]]


def test_one_callers_error_is_its_own(recorder):
    engine = Batching(recorder)
    with ThreadPoolExecutor(8) as pool:
        calls = [lambda i=i: ask(engine, -1.0 if i == 2 else i) for i in range(5)]
        found = gathered(engine, recorder, pool, calls)
        with pytest.raises(EngineError, match="below zero"):
            found[2].result()
        assert [found[i].result() for i in (0, 1, 3, 4)] == [[0.0], [2.0], [6.0], [8.0]]
    assert ask(engine, 7.0) == [14.0]


def test_a_caller_that_stops_waiting_leaves_the_others_their_answers(recorder):
    engine = Batching(recorder)

    class Interrupted(BaseException):
        pass

    class Stopper:
        """A lock whose holder is interrupted while it waits."""

        def __init__(self):
            self.inner = threading.Lock()

        def acquire(self):
            if self.inner.locked():
                wait_for(lambda: len(engine._waiting) == 3)
                raise Interrupted
            self.inner.acquire()

        release = property(lambda self: self.inner.release)

    locks = iter([Stopper(), threading.Lock(), threading.Lock()])
    with ThreadPoolExecutor(8) as pool:
        first = pool.submit(ask, engine, 100.0)
        wait_for(lambda: recorder.batches)
        monkey = SimpleNamespace(Lock=lambda: next(locks))
        original, runtime.callers.threading = runtime.callers.threading, monkey
        try:
            rest = []
            for i in range(3):
                rest.append(pool.submit(ask, engine, i))
                wait_for(lambda: len(engine._waiting) == len(rest) or rest[0].done())
        finally:
            runtime.callers.threading = original
        with pytest.raises(Interrupted):
            rest[0].result()
        recorder.gate.set()
        assert first.result() == [200.0]
        assert [each.result() for each in rest[1:]] == [[2.0], [4.0]]
    assert ask(engine, 5.0) == [10.0]


def test_threads_get_what_one_caller_gets(tiny_bundle, images):
    plain = runtime.load(tiny_bundle, engine="onnxruntime")
    together = runtime.load(tiny_bundle, engine="onnxruntime", batching=True)
    wanted = [plain.predict(image) for image in images]
    with ThreadPoolExecutor(8) as pool:
        for _ in range(5):
            found = list(pool.map(together.predict, images))
            assert np.abs(scores(found) - scores(wanted)).max() <= ROUNDING
            assert all(np.array_equal(one.input, other.input) for one, other in zip(found, wanted, strict=True))
    assert together.engine.version == plain.engine.version
    assert f"on {plain.engine.version}, cpu" in repr(together)
    assert np.abs(scores(together.stream(images)) - scores(wanted)).max() <= ROUNDING


def test_a_file_of_one_batch_size_is_refused(bundle_copy):
    from tests.runtime.edits import edit_manifest

    edit_manifest(bundle_copy, lambda manifest: manifest["models"]["model.onnx"]["spec"].update(batch=1))
    with pytest.raises(OptionError, match=r"model.onnx runs batches of exactly 1, so callers' inputs can't be merged"):
        runtime.load(bundle_copy, engine="onnxruntime", batching=True)


class OneCaller:
    """Refuses a second caller, as an interpreter would give wrong answers."""

    version, device, threads, skipped = "one 1", "cpu", 1, ()

    def __init__(self, gate):
        self.lock, self.gate = threading.Lock(), gate

    def run(self, inputs):
        assert self.lock.acquire(blocking=False)
        try:
            self.gate.wait()
            return {"y": inputs["x"] * 2}
        finally:
            self.lock.release()


def test_copies_are_opened_as_callers_come_and_no_more_than_cpus(monkeypatch):
    monkeypatch.setattr("runtime.callers.usable_cpus", lambda: 3)
    opened, gate = [], threading.Event()

    def reopen():
        opened.append(OneCaller(gate))
        return opened[-1]

    engine = Copies(reopen)
    assert (len(opened), engine.version, engine.threads) == (1, "one 1", 1)
    with ThreadPoolExecutor(8) as pool:
        calls = [pool.submit(ask, engine, i) for i in range(8)]
        wait_for(lambda: len(opened) == 3)
        time.sleep(0.02)
        gate.set()
        assert [call.result() for call in calls] == [[2.0 * i] for i in range(8)]
    assert len(opened) == 3


def test_a_copy_that_cannot_be_opened_is_the_callers_error_and_the_next_may_try(monkeypatch):
    monkeypatch.setattr("runtime.callers.usable_cpus", lambda: 2)
    gate, fail = threading.Event(), [False]
    opened = []

    def reopen():
        if fail[0]:
            raise EngineError("no memory")
        opened.append(OneCaller(gate))
        return opened[-1]

    engine = Copies(reopen)
    with ThreadPoolExecutor(4) as pool:
        first = pool.submit(ask, engine, 1.0)
        wait_for(lambda: engine._idle.empty())
        fail[0] = True
        with pytest.raises(EngineError, match="no memory"):
            ask(engine, 2.0)
        fail[0] = False
        second = pool.submit(ask, engine, 3.0)
        wait_for(lambda: len(opened) == 2)
        gate.set()
        assert (first.result(), second.result()) == ([2.0], [6.0])
