"""How a server begins and ends: ready once its models are proved, and no accepted request without an answer."""

from __future__ import annotations

import http.client
import json
import shutil
import signal
import threading

import numpy as np

import zoo
from runtime.bundle import GOLDEN, MANIFEST, identify
from tests.zoo.serving.conftest import SHIPPED, serve, wait_for

PATH = "/models/wine-mlp/predict"
ROW = json.dumps([13.2, 1.8, 2.1, 11.2, 100, 2.7, 2.8, 0.3, 1.3, 5.5, 1, 3, 1000])
JSON = {"Content-Type": "application/json"}


def test_a_bundle_that_gives_other_answers_is_not_served(tmp_path, cli):
    """Its hashes are right, but its golden answers are not what its files give."""
    bundle = shutil.copytree(SHIPPED / "wine-mlp", tmp_path / "wine")
    arrays = dict(np.load(bundle / GOLDEN))
    arrays["outputs"] = arrays["outputs"][:, ::-1] + 1
    np.savez(bundle / GOLDEN, **arrays)
    document = json.loads((bundle / MANIFEST).read_text())
    entry = identify((bundle / GOLDEN).read_bytes())
    document["files"][GOLDEN] = {"sha256": entry.sha256, "size": entry.size}
    (bundle / MANIFEST).write_text(json.dumps(document))
    result = cli("serve", bundle, "--port", 0, "--engine", "auto")
    assert result.status == 2
    assert "doesn't give the golden answers here" in result.err.splitlines()[-1]
    (bundle / "model.onnx").write_bytes(b"other")
    result = cli("serve", bundle, "--port", 0, "--engine", "auto")
    assert (result.status, "not the one that the manifest lists" in result.err.splitlines()[-1]) == (2, True)


def test_the_fastest_file_is_served_by_default(tmp_path, monkeypatch):
    monkeypatch.setenv("EDGEZOO_CACHE", str(tmp_path / "cache"))
    model = zoo.load(SHIPPED / "wine-mlp", engine="fastest", threads=1)
    log = tmp_path / "log"
    with serve("--engine", "fastest", SHIPPED / "wine-mlp", log=log) as server:
        answer = server.post(PATH, data=ROW, headers=JSON).json()
    assert f"{model.file.name} on {model.engine.version}" in log.read_text()
    assert answer["file"] == model.file.name
    (prediction,) = answer["predictions"]
    row = dict(zip([column.name for column in model.spec.input.columns], json.loads(ROW), strict=True))
    assert prediction["score"] == model.predict(row).score


def test_a_signal_ends_it_once_every_accepted_request_is_answered():
    """Clients that keep their connections ask without a pause; each asks on until it is told that it is over."""
    statuses: list[int] = []
    problems: list[BaseException] = []

    def ask(host):
        try:
            connection = http.client.HTTPConnection(host, timeout=30)
            while True:
                connection.request("POST", PATH, ROW, JSON)
                answer = connection.getresponse()
                answer.read()
                statuses.append(answer.status)
                if answer.will_close:
                    return
        except BaseException as problem:
            problems.append(problem)

    with serve(SHIPPED / "wine-mlp") as server:
        threads = [threading.Thread(target=ask, args=(server.host,)) for _ in range(8)]
        for thread in threads:
            thread.start()
        wait_for(lambda: len(statuses) > 100)
        server.process.send_signal(signal.SIGTERM)
        for thread in threads:
            thread.join(30)
        assert server.process.wait(30) == 0
    assert not problems
    assert set(statuses) == {200}


def test_a_request_that_is_being_received_is_answered():
    with serve(SHIPPED / "wine-mlp") as server:
        connection = http.client.HTTPConnection(server.host, timeout=30)
        connection.putrequest("POST", PATH)
        for name, value in {**JSON, "Content-Length": str(len(ROW))}.items():
            connection.putheader(name, value)
        connection.endheaders(ROW[:10].encode())
        wait_for(lambda: server.get("/v2/health/ready").status_code == 200)
        server.process.send_signal(signal.SIGTERM)
        wait_for(lambda: server.get("/v2/health/ready").status_code == 503)
        connection.send(ROW[10:].encode())
        answer = connection.getresponse()
        assert (answer.status, answer.headers["Connection"]) == (200, "close")
        assert json.loads(answer.read())["predictions"]
        assert server.process.wait(30) == 0
