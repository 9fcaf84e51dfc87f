"""The plain endpoint: files and rows in, the document of `zoo predict --json` out."""

from __future__ import annotations

import json

import pytest

PATH = "/models/mnist-cnn/predict"
ROW = [13.2, 1.8, 2.1, 11.2, 100, 2.7, 2.8, 0.3, 1.3, 5.5, 1, 3, 1000]


def without_names(document):
    """Leave out what differs: names of inputs, and the engine's threads."""
    predictions = [{key: value for key, value in each.items() if key != "input"} for each in document["predictions"]]
    return {**document, "predictions": predictions, "threads": None}


def test_a_file_gets_the_document_of_zoo_predict(server, cli, digit):
    wanted = json.loads(cli("predict", "mnist-cnn", digit, "--json").out)
    body = server.post(PATH, data=digit.read_bytes())
    form = server.post(PATH, files={"file": ("a cat.png", digit.read_bytes())})
    assert body.status_code == form.status_code == 200
    assert without_names(body.json()) == without_names(form.json()) == without_names(wanted)
    assert body.json()["predictions"][0]["input"] == "body"
    assert form.json()["predictions"][0]["input"] == "a cat.png"


def test_a_bad_file_keeps_no_other_from_its_answer(server, digit):
    files = [("file", ("bad.png", b"\x89PNG nothing")), ("file", ("good.png", digit.read_bytes()))]
    answer = server.post(PATH, files=files)
    assert answer.status_code == 200
    assert [each["input"] for each in answer.json()["predictions"]] == ["good.png"]
    assert [each["input"] for each in answer.json()["errors"]] == ["bad.png"]
    answer = server.post(PATH, files=files[:1])
    assert answer.status_code == 400
    assert "bad.png" in answer.json()["errors"][0]["input"]


def test_rows_of_a_table_are_json(server, cli, tmp_path):
    import zoo

    names = [column.name for column in zoo.load("wine-mlp").spec.input.columns]
    csv = tmp_path / "rows.csv"
    csv.write_text(f"{','.join(names)}\n{','.join(map(str, ROW))}\n")
    wanted = json.loads(cli("predict", "wine-mlp", csv, "--json").out)["predictions"][0]
    row = dict(zip(names, ROW, strict=True))
    for rows in (row, [row], ROW, [ROW]):
        answer = server.post("/models/wine-mlp/predict", json=rows).json()
        assert answer["predictions"][0] == {**wanted, "input": "body:1"}, rows
    answer = server.post("/models/wine-mlp/predict", json=[row, {**row, names[0]: "wine"}, ROW]).json()
    assert [each["input"] for each in answer["predictions"]] == ["body:1", "body:3"]
    assert names[0] in answer["errors"][0]["error"]


def test_parameters_are_those_of_zoo_predict(server, digit):
    answer = server.post(PATH, data=digit.read_bytes(), params={"top": 1}).json()
    assert len(answer["predictions"][0]["top"]) == 1


@pytest.mark.parametrize(
    ("path", "options", "status", "words"),
    [
        (PATH, {"data": b""}, 400, "the body is empty"),
        (PATH, {"data": b"x", "params": {"top": 0}}, 400, "top must be at least 1"),
        (PATH, {"data": b"x", "params": {"top": "many"}}, 400, "many"),
        (PATH, {"data": b"x", "params": {"tops": 1}}, 400, "no parameter 'tops'"),
        (PATH, {"data": b"x", "params": {"iou": 0.5}}, 400, "has no such threshold"),
        (PATH, {"data": b"{", "headers": {"Content-Type": "application/json"}}, 400, "not JSON"),
        (PATH, {"data": b"[" * 100_000, "headers": {"Content-Type": "application/json"}}, 400, "not JSON"),
        (PATH, {"json": [1, 2]}, 400, "takes images"),
        (PATH, {"data": b"--a\r\n", "headers": {"Content-Type": "multipart/form-data"}}, 400, "not multipart"),
        (
            PATH,
            {"data": b"--a\r\n\r\nhalf", "headers": {"Content-Type": "multipart/form-data; boundary=a"}},
            400,
            "not",
        ),
        (PATH, {"data": b"x", "headers": {"Content-Encoding": "gzip"}}, 400, "compressed"),
        ("/models/nothing/predict", {"data": b"x"}, 404, "unknown model 'nothing'"),
        ("/nothing", {"data": b"x"}, 404, "Not Found"),
    ],
)
def test_mistakes_are_named(server, path, options, status, words):
    answer = server.post(path, **options)
    assert answer.status_code == status
    assert words in answer.json()["error"]


def test_a_request_has_an_id(server):
    assert server.get("/v2", headers={"X-Request-Id": "mine-1"}).headers["X-Request-Id"] == "mine-1"
    for wanted in ("", "a b", "x" * 200, "a\xe9b"):
        given = server.get("/v2", headers={"X-Request-Id": wanted}).headers["X-Request-Id"]
        assert len(given) == 32, wanted


def test_foreign_names_are_refused(server):
    assert server.get("/v2", headers={"Host": "elsewhere.example"}).status_code == 400
