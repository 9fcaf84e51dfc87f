"""A bundle that is replaced under load: each answer is wholly the old one's or the new one's, and none is lost."""

from __future__ import annotations

import http.client
import json
import shutil
import threading

import pytest

import zoo
from tests.zoo.serving.conftest import SHIPPED, serve, wait_for

MODELS = ("mnist-cnn", "digits-8x8-mlp")


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "digits"


@pytest.fixture
def served(folder, tmp_path):
    shutil.copytree(SHIPPED / MODELS[0], folder)
    with serve(folder, log=tmp_path / "log") as server:
        yield server


def replace(folder, model):
    """Put another bundle in a folder's place, as `zoo export --overwrite` does."""
    stage, old = folder.with_name("stage"), folder.with_name("old")
    shutil.copytree(SHIPPED / model, stage)
    folder.rename(old)
    stage.rename(folder)
    shutil.rmtree(old)


def test_no_answer_is_lost_or_mixed(served, folder, digit):
    wanted = {}
    for name in MODELS:
        model = zoo.load(name)
        wanted[model.spec.name] = json.loads(json.dumps(model.predict(digit, top=3).to_dict()))
    answers, problems, over = [], [], threading.Event()

    def ask():
        try:
            connection = http.client.HTTPConnection(served.host, timeout=30)
            while not over.is_set():
                connection.request("POST", "/models/digits/predict", digit.read_bytes())
                answer = connection.getresponse()
                answers.append((answer.status, json.loads(answer.read())))
        except BaseException as problem:
            problems.append(problem)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for name in (MODELS[1], MODELS[0]):
        replace(folder, name)
        wait_for(lambda name=name: answers and answers[-1][1]["model"] == name)
    over.set()
    for thread in threads:
        thread.join()
    assert not problems
    for status, document in answers:
        assert status == 200
        (prediction,) = document["predictions"]
        expected = wanted[document["model"]]
        assert {key: value for key, value in prediction.items() if key != "input"} == expected
    assert {document["model"] for _, document in answers} == set(wanted)


def test_a_broken_bundle_takes_nobodys_place(served, folder, digit):
    """The manifest is another one, and a file is missing as in the midst of a copy; then the copy is complete."""
    version = served.get("/v2/models/digits").json()["versions"]
    model = next((SHIPPED / MODELS[1]).glob("model.onnx"))
    for path in (SHIPPED / MODELS[1]).iterdir():
        if path.name != model.name:
            shutil.copy(path, folder)
    wait_for(lambda: "the old one is served on" in served.log.read_text())
    assert served.get("/v2/health/ready").status_code == 200
    assert served.get("/v2/models/digits").json()["versions"] == version
    assert served.post("/models/digits/predict", data=digit.read_bytes()).status_code == 200
    for path in folder.iterdir():
        if not (SHIPPED / MODELS[1] / path.name).exists():
            path.unlink()
    shutil.copy(model, folder)
    wait_for(lambda: served.get("/v2/models/digits").json()["versions"] != version)
    assert served.post("/models/digits/predict", data=digit.read_bytes()).json()["model"] == MODELS[1]
