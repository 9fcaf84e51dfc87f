"""zoo diagnose: the file against its run, and every way in which the two can fail to belong together."""

from __future__ import annotations

import json
import shutil

import pytest

from runtime.bundle import MANIFEST
from tests.faults import OnnxFile
from tests.zoo.test_cli_errors import one_line
from zoo.exporting.diagnose import diagnose
from zoo.train.pipeline import train


@pytest.fixture
def bundle(trained_bundle, tmp_path):
    return shutil.copytree(trained_bundle, tmp_path / "bundle")


def damage(bundle):
    """Change a layer's weights after the export."""
    file = bundle / "model.onnx"
    name = "network.1.parts.0.0.weight"
    file.write_bytes(OnnxFile(file.read_bytes()).change(name, lambda values: values * 1.05))
    return name.removesuffix(".weight")


def test_a_sound_bundle(cli, bundle, trained, tmp_path):
    out = tmp_path / "picture.png"
    result = cli("diagnose", bundle, "--file", "model.onnx", "--run", trained, "--out", out)
    assert result.status == 0, result.err
    assert "model.onnx: no layer adds more error than its arithmetic explains" in result.out
    assert out.read_bytes().startswith(b"\x89PNG")


def test_a_changed_file_is_diagnosed_and_the_layer_named(cli, bundle, trained, tmp_path):
    layer = damage(bundle)
    words = ("diagnose", bundle, "--file", "model.onnx", "--run", trained, "--out", tmp_path / "picture.png")
    result = cli(*words)
    assert f"the error jumps at {layer}" in result.out
    assert "not the one that the manifest lists" in " ".join(result.out.split())
    report = json.loads(cli(*words, "--overwrite", "--json").out)
    assert report["first"] == layer
    assert [row["path"] for row in report["layers"] if row["jumps"]] == [layer]
    assert {"own", "error", "snr", "reference_range", "file_range", "operators"} <= report["layers"][0].keys()


def test_the_least_faithful_file_is_taken(bundle, trained):
    manifest = json.loads((bundle / MANIFEST).read_text())
    for name, entry in manifest["models"].items():
        entry["parity"]["max_difference"] = 1e-6 if name == "model.onnx" else 1e-9
    (bundle / MANIFEST).write_text(json.dumps(manifest))
    result = diagnose(bundle, run=trained)
    assert result.file == "model.onnx"
    assert result.diagnosis.layers[0].operators == ("Cast",)


def test_a_run_is_looked_for_under_the_bundles_name(cli, bundle, trained, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ("diagnose", bundle, "--file", "model.onnx")
    line = one_line(cli(*words))
    assert "runs/bundle" in line and "--run" in line
    shutil.copytree(trained, tmp_path / "runs" / "bundle")
    assert cli(*words).status == 0
    assert (tmp_path / "diagnosis.png").exists()


def test_another_run_is_refused(cli, bundle, trained, few, tmp_path):
    settings = {"hidden": [8], "epochs": 1}
    other = train("mlp", out=tmp_path / "other", settings=settings, data=few)
    assert "not the run that" in one_line(cli("diagnose", bundle, "--run", other))
    again = train("mlp", out=tmp_path / "again", settings=settings, seed=1)  # the same data, split otherwise
    assert "not the run that" in one_line(cli("diagnose", bundle, "--run", again))
    same = shutil.copytree(trained, tmp_path / "same")
    shutil.copy(again / "model.safetensors", same / "model.safetensors")
    assert "its answers differ by" in one_line(cli("diagnose", bundle, "--run", same))


def test_an_unknown_file_is_refused(cli, bundle, trained):
    line = one_line(cli("diagnose", bundle, "--file", "model.int8.onnx", "--run", trained))
    assert "'model.int8.onnx'" in line and "choose from: model.onnx, model.tflite" in line


def test_a_file_that_is_gone_is_refused(cli, bundle, trained):
    (bundle / "model.onnx").unlink()
    assert "model.onnx" in one_line(cli("diagnose", bundle, "--file", "model.onnx", "--run", trained))


def test_a_step_graph_is_refused(cli, sequence_bundle):
    line = one_line(cli("diagnose", sequence_bundle, "--file", "model.step.onnx"))
    assert "model.step.onnx: takes step by step" in line and "model.onnx" in line


def test_what_is_no_bundle_is_refused(cli, tmp_path):
    assert "not a bundle" in one_line(cli("diagnose", tmp_path))
