"""Several callers at once of an engine that admits one: a pool of engines."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from runtime import EngineError
from runtime.concurrency.engine_pool import EnginePool
from tests.runtime.test_micro_batcher import wait_for


def ask(engine, value):
    return engine.run({"x": np.array([value])})["y"].tolist()


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
    monkeypatch.setattr("runtime.concurrency.engine_pool.usable_cpus", lambda: 3)
    opened, gate = [], threading.Event()

    def reopen():
        opened.append(OneCaller(gate))
        return opened[-1]

    engine = EnginePool(reopen)
    assert (len(opened), engine.version, engine.threads) == (1, "one 1", 1)
    with ThreadPoolExecutor(8) as pool:
        calls = [pool.submit(ask, engine, i) for i in range(8)]
        wait_for(lambda: len(opened) == 3)
        time.sleep(0.02)
        gate.set()
        assert [call.result() for call in calls] == [[2.0 * i] for i in range(8)]
    assert len(opened) == 3


def test_a_copy_that_cannot_be_opened_is_the_callers_error_and_the_next_may_try(monkeypatch):
    monkeypatch.setattr("runtime.concurrency.engine_pool.usable_cpus", lambda: 2)
    gate, fail = threading.Event(), [False]
    opened = []

    def reopen():
        if fail[0]:
            raise EngineError("no memory")
        opened.append(OneCaller(gate))
        return opened[-1]

    engine = EnginePool(reopen)
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
