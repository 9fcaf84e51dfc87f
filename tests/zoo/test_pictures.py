"""Results are printed where no picture can be drawn, and what can't be run is a row that says so."""

from __future__ import annotations

import json
import sys

import pytest

import zoo
import zoo.measure.compare
from runtime import EngineError
from zoo.report.pictures import attempt, save
from zoo.resolve import SHIPPED

MODEL = SHIPPED / "wine-mlp"


@pytest.fixture
def without_matplotlib(monkeypatch):
    for name in ("matplotlib", "matplotlib.figure"):
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.delitem(sys.modules, "zoo.report.plots", raising=False)
    monkeypatch.delattr(zoo, "plots", raising=False)


@pytest.fixture
def without_litert(monkeypatch):
    real = zoo.measure.compare.load

    def load(path, **settings):
        if str(path).endswith(".tflite"):
            raise EngineError("engine 'litert' is not installed: pip install 'edgezoo[litert]'")
        return real(path, **settings)

    monkeypatch.setattr(zoo.measure.compare, "load", load)


def test_a_comparison_without_a_picture(cli, tmp_path, without_matplotlib):
    shown = cli("compare", MODEL, "--out", tmp_path / "c.png")
    assert shown.status == 0
    assert "model.onnx" in shown.out
    assert "no picture: matplotlib" in shown.out
    assert "pip install 'edgezoo[train]'" in shown.out
    comparison = json.loads(cli("compare", MODEL, "--out", tmp_path / "c.png", "--json").out)
    assert comparison["picture"] is None
    assert not list(tmp_path.iterdir())


def test_a_file_that_can_not_be_run_is_a_row(cli, tmp_path, without_litert):
    comparison = json.loads(cli("compare", MODEL, "--out", tmp_path / "c.png", "--json").out)
    rows = {row["file"]: row for row in comparison["rows"]}
    assert rows["model.onnx"]["latency"] > 0
    assert rows["model.tflite"]["latency"] is None
    assert rows["model.tflite"]["quality"] == rows["model.onnx"]["quality"]
    assert rows["model.tflite"]["note"] == "engine 'litert' is not installed: pip install 'edgezoo[litert]'"
    assert (tmp_path / "c.png").exists()


def test_what_can_not_be_drawn_or_written(tmp_path):
    def draw():
        raise ModuleNotFoundError("no", name="matplotlib")

    assert attempt(lambda: 3, 4) == (3, "")
    assert attempt(draw, 4)[0] == 4
    assert save(tmp_path / "a.png", lambda: b"png") == ""
    assert (tmp_path / "a.png").read_bytes() == b"png"
    assert save(tmp_path / "a.png" / "b.png", lambda: b"png").startswith("no picture: ")
