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


def test_tables_and_sequences_are_csv_files(server, cli, tmp_path):
    import zoo

    rows, steps = tmp_path / "rows.csv", tmp_path / "steps.csv"
    columns = [column.name for column in zoo.load("wine-mlp").spec.input.columns]
    features = zoo.load("digits-8x8-lstm").spec.input.features
    rows.write_text("\n".join((",".join(columns), *[",".join(map(str, ROW))] * 40, "wine" + "," * (len(ROW) - 1))))
    steps.write_text("\n".join((",".join(features), *[",".join("3" for _ in features)] * 8)))
    for name, file in (("wine-mlp", rows), ("digits-8x8-lstm", steps)):
        wanted = json.loads(cli("predict", name, file, "--json").out)
        path, content = f"/models/{name}/predict", file.read_bytes()
        form = server.post(path, files={"file": (file.name, content)}).json()
        assert without_names(form) == {**without_names(wanted), "errors": form["errors"]}
        body = server.post(path, data=content, headers={"Content-Type": "text/csv; charset=utf-8"}).json()
        assert without_names(body) == {**without_names(form), "errors": body["errors"]}
        assert len(body["errors"]) == len(form["errors"]) == len(wanted["errors"])
    answer = server.post("/models/wine-mlp/predict", files={"file": ("rows.csv", rows.read_bytes())}).json()
    assert [each["input"] for each in answer["predictions"]] == [f"rows.csv:{line}" for line in range(2, 42)]
    assert [each["input"] for each in answer["errors"]] == ["rows.csv:42"]
    answer = server.post("/models/wine-mlp/predict", files={"file": ("rows.csv", b"a,b\n1,2\n")})
    assert answer.status_code == 400
    assert "lacks the column" in answer.json()["errors"][0]["error"]


def test_each_frame_of_a_clip_is_an_input(server, cli, tmp_path):
    import numpy as np

    clips = pytest.importorskip("zoo.predicting.clips")
    pytest.importorskip("av")
    clip = tmp_path / "clip.mp4"
    with clips.writing(clip, 25) as add:
        for number in range(40):  # more than are read at a time
            add(np.full((32, 32, 3), 6 * number, np.uint8), number / 25)
    wanted = json.loads(cli("predict", "mnist-cnn", clip, "--json").out)
    form = server.post(PATH, files={"file": ("clip.mp4", clip.read_bytes())}).json()
    body = server.post(PATH, data=clip.read_bytes(), headers={"Content-Type": "video/mp4"}).json()
    assert without_names(form) == without_names(body) == without_names(wanted)
    assert [each["input"] for each in form["predictions"]] == [f"clip.mp4:{number}" for number in range(1, 41)]
    assert form["predictions"][1]["seconds"] == 0.04
    damaged = server.post(PATH, files={"file": ("clip.mp4", clip.read_bytes()[:-500])})
    assert "clip.mp4" in damaged.json()["errors"][0]["error"]


def test_a_playlist_opens_no_other_file(server, tmp_path):
    playlist = f"ffconcat version 1.0\nfile {tmp_path.name}/clip.mp4\n".encode()
    answer = server.post(PATH, files={"file": ("clip.mp4", playlist)})
    assert answer.status_code == 400
    assert "not a clip that can be read" in answer.json()["errors"][0]["error"]


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


def test_other_methods_are_refused_by_name(server):
    for path in (PATH, "/v2/models/mnist-cnn/infer", "/v2/models/mnist-cnn/versions/1/infer"):
        answer = server.get(path)
        assert (answer.status_code, answer.headers["Allow"]) == (405, "POST"), path
        assert answer.json() == {"error": "Method Not Allowed"}


def test_a_request_has_an_id(server):
    assert server.get("/v2", headers={"X-Request-Id": "mine-1"}).headers["X-Request-Id"] == "mine-1"
    for wanted in ("", "a b", "x" * 200, "a\xe9b"):
        request_id = server.get("/v2", headers={"X-Request-Id": wanted}).headers["X-Request-Id"]
        assert len(request_id) == 32, wanted


def test_foreign_names_are_refused(server):
    assert server.get("/v2", headers={"Host": "elsewhere.example"}).status_code == 400
