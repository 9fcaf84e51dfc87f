"""`zoo predict` with a detector: a row for each box, boxes on pictures, and thresholds."""

from __future__ import annotations

import csv
import json

import numpy as np
import pyarrow.parquet
import pytest
from PIL import Image

from tests.squares import picture
from zoo.cli.predict import run


@pytest.fixture
def pictures(tmp_path):
    """Two pictures of five boxes, one of none, and a file that is no picture."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for name, pixels in {
        "a": picture(0)[0],
        "b": picture(1, 192, 128, 16)[0],
        "grey": np.full((64, 96, 3), 100, np.uint8),
    }.items():
        Image.fromarray(pixels).save(folder / f"{name}.png")
    (folder / "z.png").write_text("no picture")
    return folder


def test_answers_are_a_row_a_box_in_csv_and_nested_elsewhere(squares, pictures, tmp_path):
    for name in ("out.csv", "out.jsonl", "out.parquet"):
        assert run([str(squares), str(pictures), "--out", str(tmp_path / name)]) == 1
    with (tmp_path / "out.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    records = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    table = pyarrow.parquet.read_table(tmp_path / "out.parquet").to_pylist()
    assert [len(record.get("boxes", ())) for record in records] == [5, 5, 0, 0]
    assert len(rows) == 5 + 5 + 1 + 1
    assert [row["label"] for row in rows[:5]] == [box["label"] for box in records[0]["boxes"]]
    assert float(rows[7]["right"]) == records[1]["boxes"][2]["right"]
    assert rows[10]["input"].endswith("grey.png")
    assert rows[10]["label"] == rows[10]["error"] == ""
    assert "not an image" in rows[11]["error"]
    assert [row["boxes"] for row in table] == [record.get("boxes") for record in records]


def test_a_threshold_of_the_command_line(squares, pictures, capsys):
    assert run([str(squares), str(pictures / "a.png"), "--confidence", "0.9999999999", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["predictions"][0]["boxes"] == []
    assert run([str(squares), str(pictures / "a.png"), "--confidence", "1e-20", "--iou", "1", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["predictions"][0]["boxes"]) > 5


def test_boxes_are_drawn_where_they_lie(squares, pictures, tmp_path):
    out = tmp_path / "drawn.png"
    assert run([str(squares), str(pictures / "b.png"), "--annotate", str(out)]) == 0
    before, after = (np.asarray(Image.open(path).convert("RGB")) for path in (pictures / "b.png", out))
    assert before.shape == after.shape
    _, left, top, right, bottom = picture(1, 192, 128, 16)[1][0]
    changed = (before != after).any(2)
    assert changed[bottom - 1, left:right].all()
    assert changed[top:bottom, left].all()
