"""What a server tells about itself: figures, a log, its interface, and a page to try it."""

from __future__ import annotations

import json
import re

import pytest

from tests.zoo.serving.conftest import wait_for

PATH = "/models/mnist-cnn/predict"


def figures(server):
    """Return the values of all figures by name and labels."""
    lines = [line for line in server.get("/metrics").text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}


def test_figures_count_what_happens(server, digit):
    before = figures(server)
    server.post(PATH, data=digit.read_bytes())
    server.post(PATH, data=b"no image")
    server.post("/models/nothing/predict", data=b"x")
    after = figures(server)

    def more(name):
        return after[name] - before.get(name, 0)

    assert more('edgezoo_requests_total{model="mnist-cnn",protocol="http",status="200"}') == 1
    assert more('edgezoo_requests_total{model="mnist-cnn",protocol="http",status="400"}') == 1
    assert more('edgezoo_requests_total{model="",protocol="http",status="404"}') == 1
    for stage in ("receive", "queue", "read", "request"):
        assert more(f'edgezoo_stage_seconds_count{{model="mnist-cnn",stage="{stage}"}}') == 2, stage
    assert more('edgezoo_batch_size_count{model="mnist-cnn"}') == 1
    assert more('edgezoo_batch_size_sum{model="mnist-cnn"}') == 1
    assert after['edgezoo_waiting_requests{model="mnist-cnn"}'] == 0
    assert after['edgezoo_model_loads_total{model="mnist-cnn",outcome="loaded"}'] == 1
    names = {re.split(r"[{ ]", name)[0] for name in after}
    assert not any("nothing" in name for name in after), names


def test_each_request_is_a_line_of_the_log(server):
    server.get("/v2", headers={"X-Request-Id": "the-one"})
    server.post(PATH, data=b"x", headers={"X-Request-Id": "the-other"})
    wait_for(lambda: '"the-other"' in server.log.read_text())
    lines = [json.loads(line) for line in server.log.read_text().splitlines()]
    by_id = {line["request_id"]: line for line in lines if "request_id" in line}
    assert by_id["the-one"].items() >= {"call": "GET /v2", "status": "200", "protocol": "http", "model": ""}.items()
    assert by_id["the-other"].items() >= {"call": f"POST {PATH}", "status": "400", "model": "mnist-cnn"}.items()
    assert sum("golden samples replayed" in line["message"] for line in lines) == 3
    assert all(line["level"] == "info" for line in lines)


def test_the_interface_names_what_is_there(server):
    document = server.get("/openapi.json").json()
    assert document["openapi"] == "3.1.0"
    assert document["paths"]["/models/{name}/predict"]["post"]["parameters"][0]["schema"]["enum"] == [
        "mnist-cnn", "wine-mlp", "digits-8x8-lstm",
    ]  # fmt: skip
    for path, operations in document["paths"].items():
        for method in operations:
            answer = getattr(server, method)(path.replace("{name}", "mnist-cnn"))
            assert answer.status_code == (200 if method == "get" else 400), path


@pytest.mark.parametrize("path", ["/", "/page.js", "/page.css"])
def test_the_page_needs_nothing_from_elsewhere(server, path):
    answer = server.get(path)
    assert answer.status_code == 200
    assert "//" not in answer.text.replace("// ", "")
    assert "default-src 'self'" in answer.headers["Content-Security-Policy"]
