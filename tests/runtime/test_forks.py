"""A loaded model goes on in forked children, whatever was under way, and in worker processes that get it pickled."""

from __future__ import annotations

import copy
import http.client
import multiprocessing
import os
import pickle
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import runtime
import zoo
from runtime import MissingExtraError
from runtime.concurrency.forks import lazy
from tests.runtime import forked

ROOT = Path(__file__).parents[2]
SMALLEST = ROOT / "runtime" / "smallest"
LSTM = next((ROOT / "zoo" / "models").glob("*/model.step.onnx")).parent
CASES = {
    "onnxruntime": SMALLEST / "model.onnx",
    "litert": SMALLEST / "model.tflite",
    "openvino": SMALLEST / "model.onnx",
    "tflm": SMALLEST / "model.tflm",
    "onnxruntime, step by step": LSTM,
}
pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="a system without forks")


@pytest.mark.parametrize("case", CASES)
def test_children_answer_and_end_and_so_does_the_parent(case):
    """In threads of the parent the model runs, loads and measures all the while."""
    command = [sys.executable, "-m", "tests.runtime.forked", case.partition(",")[0], str(CASES[case])]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert (done.stdout, done.returncode) == ("done\n", 0), done.stderr


APP = """
import zoo

model = zoo.load("mnist-cnn", engine="onnxruntime", threads=2)
image = bytes(28 * 28)


def app(environ, start):
    import numpy as np

    start("200 OK", [("Content-Type", "text/plain")])
    return [model.predict(np.zeros((28, 28), np.uint8)).label.encode()]
"""


def test_gunicorn_preload(tmp_path):
    (tmp_path / "app.py").write_text(APP)
    socket_path, log = tmp_path / "socket", tmp_path / "log"
    options = ["--preload", "--workers=2", f"--bind=unix:{socket_path}", "--no-control-socket", f"--log-file={log}"]
    server = subprocess.Popen(
        [sys.executable, "-m", "gunicorn", *options, "app:app"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    try:
        answers = {ask(socket_path) for _ in range(8)}
        assert answers == {zoo.load("mnist-cnn").predict(np.zeros((28, 28), np.uint8)).label}
        server.send_signal(signal.SIGTERM)
        assert server.wait(20) == 0, "a worker that hangs at its end is killed after 30 s"
    finally:
        server.kill()
    assert "WORKER TIMEOUT" not in log.read_text()


def ask(socket_path):
    end = time.monotonic() + 30
    while True:
        client = http.client.HTTPConnection("localhost", timeout=20)
        client.sock = socket.socket(socket.AF_UNIX)
        try:
            client.sock.connect(str(socket_path))
            client.request("GET", "/")
            return client.getresponse().read().decode()
        except OSError:
            assert time.monotonic() < end
            time.sleep(0.05)
        finally:
            client.close()


@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_a_pool_of_processes(method):
    model = zoo.load("mnist-cnn", engine="onnxruntime", threads=2)
    samples = list(np.random.default_rng(0).integers(0, 255, (4, 28, 28), np.uint8))
    expected = [each.label for each in model.predict(samples)]
    with multiprocessing.get_context(method).Pool(1, forked.take, (model,)) as pool:
        assert pool.map(forked.label, samples) == expected
        assert [each.label for each in pool.map(model.predict, samples)] == expected


@pytest.mark.parametrize("engine", ["onnxruntime", "litert"])
def test_a_pickled_model_opens_its_file_again(engine):
    model = runtime.load(LSTM, engine=engine, trusted=True)
    steps = forked.made_up(model)
    expected = list(model.stream(steps))[-1].scores
    for copied in (pickle.loads(pickle.dumps(model)), copy.copy(model)):
        assert np.array_equal(copied.predict([steps] * 3)[2].scores, model.predict(steps).scores)
        assert np.array_equal(list(copied.stream(steps))[-1].scores, expected)
        assert copied.report().engine == model.engine.version


def test_a_pickled_model_where_its_engine_is_missing(monkeypatch):
    data = pickle.dumps(runtime.load(SMALLEST / "model.onnx", engine="onnxruntime"))
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingExtraError, match="pip install 'edgezoo\\[onnx\\]'") as caught:
        pickle.loads(data)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_what_is_made_lazily_is_made_once():
    class Thing:
        @lazy
        def part(self):
            return []

    thing = Thing()
    assert thing.part is thing.part
    assert isinstance(Thing.part, lazy)


DROPPED = """
import os, signal, sys, threading
import numpy as np
import runtime

signal.signal(signal.SIGUSR1, lambda *_: print("handled"))
models = [runtime.load(sys.argv[1], engine="openvino", threads=1)]
models[0].predict(np.zeros(models[0].spec.input.shape, np.uint8))
thread = threading.Thread(target=models.clear)
thread.start()
thread.join()
os.kill(os.getpid(), signal.SIGUSR1)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="alternate signal stacks")
def test_a_signal_is_handled_after_a_model_was_dropped_in_another_thread(tiny_bundle):
    """OpenVINO frees the stack on which it has the first thread handle its signals."""
    done = subprocess.run([sys.executable, "-c", DROPPED, str(tiny_bundle)], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.returncode) == ("handled\n", 0), done.stderr
