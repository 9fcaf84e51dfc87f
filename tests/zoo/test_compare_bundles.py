"""`zoo compare`: one row for each file, best first, and nothing compared that can't be."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from PIL import Image

import zoo.measure.compare
from runtime.errors import BundleError, OptionError
from zoo.measure.compare import compare
from zoo.measure.evaluate import evaluate


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(zoo.measure.compare, "ROUND_SECONDS", 0.001)


def test_every_file_has_a_row(trained_bundle, kinds_bundle):
    comparison = compare([trained_bundle, kinds_bundle])
    assert (comparison.metric, comparison.better) == ("accuracy", "max")
    assert [(row.bundle, row.file) for row in comparison.rows] == [
        ("bundle", "model.onnx"),
        ("bundle", "model.tflite"),
        ("kinds", "model.onnx"),
    ]
    for row, folder in zip(comparison.rows, [trained_bundle, trained_bundle, kinds_bundle], strict=True):
        card = json.loads((folder / "manifest.json").read_text())["card"]
        assert row.size == (folder / row.file).stat().st_size
        assert row.quality == pytest.approx(card["metrics"]["validation accuracy"])
        assert row.samples == card["data"]["samples"]["validation"]
        assert row.engine.startswith("onnxruntime " if row.file.endswith("onnx") else "ai_edge_litert ")
        assert 0 < row.latency < 1
    assert any("different data sets" in note for note in comparison.notes)


def test_the_same_data_needs_no_warning(trained_bundle, tmp_path):
    other = Path(shutil.copytree(trained_bundle, tmp_path / "other"))
    assert compare([trained_bundle, other]).notes == ()


def test_all_can_be_measured_on_one_data_set(kinds_bundle, parcels, tmp_path):
    text = parcels.read_text().splitlines()
    (tmp_path / "some.csv").write_text("\n".join(text[:61]) + "\n")
    (row,) = compare([kinds_bundle], f"csv:{tmp_path / 'some.csv'}").rows
    assert row.samples == 60
    assert row.quality == evaluate(kinds_bundle, f"csv:{tmp_path / 'some.csv'}").results["metrics"]["accuracy"]


def test_different_metrics_are_refused(kinds_bundle, price_bundle):
    with pytest.raises(OptionError, match="can't be compared, their metrics differ: kinds accuracy, price rmse"):
        compare([kinds_bundle, price_bundle])


def test_what_is_no_bundle_is_refused(kinds_bundle, tmp_path):
    with pytest.raises(BundleError, match="nowhere"):
        compare([kinds_bundle, tmp_path / "nowhere"])


def test_the_command_shows_the_best_first(cli, trained_bundle, kinds_bundle, tmp_path):
    result = cli("compare", trained_bundle, kinds_bundle, "--out", tmp_path / "c.png")
    assert result.status == 0, result.err
    lines = [line for line in result.out.splitlines() if ".onnx" in line or ".tflite" in line]
    shares = [float(next(word for word in line.split() if "%" in word)[:-1]) for line in lines]
    assert len(shares) == 3
    assert shares == sorted(shares, reverse=True)
    assert "different data sets" in result.out
    with Image.open(tmp_path / "c.png") as picture:
        assert min(picture.size) > 300
    report = json.loads(cli("compare", kinds_bundle, "--out", tmp_path / "d.png", "--json").out)
    assert (len(report["rows"]), report["metric"], report["picture"]) == (1, "accuracy", str(tmp_path / "d.png"))
