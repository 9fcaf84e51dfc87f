"""An untrusted file's engine in a child process: same results, a time limit for each call, and no way to end ours."""

from __future__ import annotations

import gc
import os
import pickle
import signal
import socket
import threading
import time

import numpy as np
import pytest

import runtime
from runtime import EngineError, OptionError
from runtime.isolation import probe
from runtime.isolation.engine import HEADER, _Child, _receive, _unpacked
from tests.engines import FLOAT_ENGINES
from tests.runtime.hostile import at_gray, for_ever, greedy

pytestmark = pytest.mark.skipif(os.name != "posix", reason="isolation needs POSIX")


@pytest.fixture
def untried(monkeypatch):
    """No trial: an isolated file needs none."""
    monkeypatch.setattr(probe, "spawn", None)


def gray(value):
    return np.full((12, 10, 3), value, np.uint8)


def children(model):
    """The processes of a model on one thread's worth of CPUs."""
    engine = model.engine._engine()
    return [engine._first._child]


@pytest.mark.parametrize("engine", FLOAT_ENGINES)
def test_results_are_the_same(tiny_bundle, untried, images, engine):
    ours = runtime.load(tiny_bundle, engine=engine, trusted=True)
    isolated = runtime.load(tiny_bundle, engine=engine, isolate=True)
    assert isolated.engine.version == ours.engine.version
    assert isolated.engine.device == ours.engine.device
    assert np.array_equal(isolated.predict(images[0]).scores, ours.predict(images[0]).scores)
    both = zip(isolated.predict(images), ours.predict(images), strict=True)
    assert all(np.array_equal(one.scores, other.scores) for one, other in both)
    assert isolated.report().parts == ours.report().parts


def test_a_file_that_loops_at_one_gray_value(bundle_copy):
    for_ever(bundle_copy, at_gray(77))
    model = runtime.load(bundle_copy, engine="onnxruntime", isolate=1)
    assert model.predict(gray(76)).label == "cat"
    start = time.monotonic()
    with pytest.raises(EngineError, match=r"took over 1 s in its child process; the next call starts another one$"):
        model.predict(gray(77))
    assert time.monotonic() - start < 3
    assert model.predict(gray(78)).label == "cat"


def test_a_file_that_takes_all_memory(bundle_copy):
    greedy(bundle_copy)
    model = runtime.load(bundle_copy, engine="onnxruntime", isolate=True)
    with pytest.raises(EngineError):
        model.predict(gray(1))


def test_a_child_that_dies_is_replaced(tiny_bundle, images):
    model = runtime.load(tiny_bundle, engine="litert", isolate=True, threads=os.cpu_count())
    expected = model.predict(images[0]).scores
    (child,) = children(model)
    process = child.close.peek()[2][0]
    os.kill(process.pid, signal.SIGSEGV)
    process.wait()
    with pytest.raises(EngineError, match="ended in its child process"):
        model.predict(images[0])
    assert np.array_equal(model.predict(images[0]).scores, expected)


def test_an_interrupt_ends_a_call(bundle_copy):
    for_ever(bundle_copy, at_gray(77))
    model = runtime.load(bundle_copy, engine="onnxruntime", isolate=True)
    kept = signal.signal(signal.SIGALRM, signal.default_int_handler)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.3)
        with pytest.raises(KeyboardInterrupt):
            model.predict(gray(77))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, kept)
    assert model.predict(gray(78)).label == "cat"


def test_no_child_outlives_its_model(tiny_bundle, images):
    model = runtime.load(tiny_bundle, engine="onnxruntime", isolate=True)
    model.predict(images[0])
    (child,) = children(model)
    process = child.close.peek()[2][0]
    del child, model
    gc.collect()
    assert process.returncode == -signal.SIGKILL


def test_a_file_that_cannot_be_opened(bundle_copy):
    from tests.runtime.edits import replace_file

    replace_file(bundle_copy, "model.onnx", b"nonsense")
    with pytest.raises(EngineError, match="engine 'onnxruntime' can't open the model"):
        runtime.load(bundle_copy, engine="onnxruntime", isolate=True)
    assert runtime.load(bundle_copy, isolate=True).engine_name == "litert"


def test_a_pickle_is_isolated_too(tiny_bundle, images):
    model = runtime.load(tiny_bundle, engine="litert", isolate=5)
    copy = pickle.loads(pickle.dumps(model))
    assert copy.opening.limit == 5
    assert np.array_equal(copy.predict(images[0]).scores, model.predict(images[0]).scores)


def test_callers_at_the_same_time(tiny_bundle, images):
    model = runtime.load(tiny_bundle, engine="onnxruntime", isolate=True, threads=1, batching=True)
    expected = [prediction.scores for prediction in model.predict(images[:8])]
    scores = [None] * 8

    def work(number):
        scores[number] = model.predict(images[number]).scores

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert np.allclose(scores, expected, atol=1e-6)


@pytest.mark.parametrize("isolate", [0, -1, float("nan"), float("inf"), "yes", None])
def test_a_limit_that_is_none(tiny_bundle, isolate):
    with pytest.raises(OptionError, match="isolate must be True, False or a number of seconds above 0"):
        runtime.load(tiny_bundle, isolate=isolate)


@pytest.mark.parametrize(
    "arrays",
    [
        None,
        3,
        [["a"]],
        [[1, 2, 3]],
        [["a", "O", [1]]],
        [["a", "<f4", [99]]],
        [["a", "<f4", [-5, 2]]],
        [["a", "<f4", [2**70]]],
    ],
)
def test_what_a_child_sends_is_checked(arrays):
    with pytest.raises(EngineError, match="the answer of the model's child process makes no sense"):
        _unpacked({"arrays": arrays}, bytes(16))


@pytest.mark.parametrize(
    "message",
    [
        (HEADER + 1).to_bytes(8, "big") + bytes(8),
        (2).to_bytes(8, "big") + bytes(8) + b"[]",
        (2).to_bytes(8, "big") + bytes(8) + b"{{",
        (HEADER).to_bytes(8, "big") + bytes(8) + b"[" * HEADER,
    ],
    ids=["too long", "a list", "no JSON", "nested"],
)
def test_messages_of_a_child_that_is_not_ours(message):
    ours, theirs = socket.socketpair()
    with ours, theirs:
        threading.Thread(target=theirs.sendall, args=(message,), daemon=True).start()
        with pytest.raises((ValueError, RecursionError)):
            _receive(ours, time.monotonic() + 10)


def test_a_child_that_sends_slowly_has_the_same_limit():
    ours, theirs = socket.socketpair()
    child = object.__new__(_Child)
    child._engine, child._socket, child.close = "litert", ours, ours.close
    stop = threading.Event()

    def drip():
        while not stop.wait(0.05):
            theirs.sendall(b"\0")

    with ours, theirs:
        thread = threading.Thread(target=drip)
        theirs.settimeout(1)
        thread.start()
        with pytest.raises(EngineError, match=r"took over 0\.3 s"):
            child.ask({}, b"", 0.3)
        stop.set()
        thread.join()
