"""Several processes on the same ports: their figures are one, a dead one is replaced, and all end together."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

import requests

from tests.zoo.serving.conftest import SHIPPED, serve, wait_for
from tests.zoo.serving.test_watching import figures

PATH = "/models/wine-mlp/predict"
ROW = [13.2, 1.8, 2.1, 11.2, 100, 2.7, 2.8, 0.3, 1.3, 5.5, 1, 3, 1000]
COUNT = 'edgezoo_requests_total{model="wine-mlp",protocol="http",status="200"}'


def workers(server):
    """Return the processes that listen on the server's port: the children that spawn started."""
    children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text().split()
    return {int(each) for each in children if b"spawn_main" in Path(f"/proc/{each}/cmdline").read_bytes()}


def ask(server):
    """Ask on a new connection."""
    return requests.post(server.address + PATH, json=ROW, timeout=30).status_code


def test_workers_answer_as_one(tmp_path):
    log = tmp_path / "log"
    with serve(SHIPPED / "wine-mlp", "--workers", 2, log=log) as server:
        wait_for(lambda: log.read_text().count("golden samples replayed") == 2)
        assert {ask(server) for _ in range(30)} == {200}
        assert figures(server)[COUNT] == 30
        first = workers(server)
        assert len(first) == 2
        os.kill(first.pop(), signal.SIGKILL)
        wait_for(lambda: log.read_text().count("golden samples replayed") == 3)
        assert len(workers(server)) == 2
        assert {ask(server) for _ in range(30)} == {200}
        assert figures(server)[COUNT] == 60
        last = workers(server)
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(30) == 0
        assert not [each for each in last if Path(f"/proc/{each}").exists()]


def test_a_bundle_that_no_worker_can_serve_ends_them_all(tmp_path, zoo_process):
    bundle = shutil.copytree(SHIPPED / "wine-mlp", tmp_path / "wine")
    (bundle / "model.onnx").write_bytes(b"other")
    done = zoo_process("serve", bundle, "--port", 0, "--workers", 2)
    assert done.returncode == 2
    assert "not the one that the manifest lists" in done.stderr
    assert "a worker can't serve" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
