"""`zoo doctor`: every engine and device tried for real, and said why not."""

from __future__ import annotations

import json

import pytest

from runtime.engines import engine_module, engine_names
from runtime.errors import EngineError
from runtime.fastest import SpeedTable
from zoo.doctor import diagnose


def test_every_engine_and_device_is_tried():
    diagnosis = diagnose()
    assert tuple(dict.fromkeys(check.engine for check in diagnosis.checks)) == engine_names()
    for name in engine_names():
        cpu = next(check for check in diagnosis.checks if (check.engine, check.device) == (name, "cpu"))
        assert (cpu.runs, cpu.note) == (True, "")
    for check in diagnosis.checks:
        assert check.runs or check.note
    assert (diagnosis.choice.engine, diagnosis.choice.device) == ("onnxruntime", "cpu")


def test_what_is_missing_names_the_extra(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "openvino", None)
    (check,) = [check for check in diagnose().checks if check.engine == "openvino"]
    assert (check.runs, check.note, check.install) == (False, "not installed", "pip install 'edgezoo[openvino]'")


def test_a_device_that_fails_is_no_choice(monkeypatch):
    module = engine_module("onnxruntime")

    def fail(*_):
        raise EngineError("the driver is too old")

    monkeypatch.setattr(module, "open", fail)
    diagnosis = diagnose()
    check = next(check for check in diagnosis.checks if (check.engine, check.device) == ("onnxruntime", "cpu"))
    assert (check.runs, check.note) == (False, "the driver is too old")
    assert diagnosis.choice.engine == "litert"


def test_the_table_and_json(cli):
    shown, report = cli("doctor"), json.loads(cli("doctor", "--json").out)
    assert shown.status == 0
    assert report["choice"]["engine"] == "onnxruntime"
    assert set(report["versions"]) >= {"edgezoo", "numpy", "pillow", "onnxruntime", "openvino"}
    for word in (
        "CUDAExecutionProvider",
        "pip install 'edgezoo[onnx-gpu]'",
        "XNNPACK",
        "auto takes onnxruntime on cpu",
    ):
        assert word in " ".join(shown.out.split())


def test_a_bundles_files_are_timed_on_every_engine(cli, tiny_bundle, save_image, photo):
    shown, result = cli("doctor", tiny_bundle), json.loads(cli("doctor", tiny_bundle, "--json").out)
    assert shown.status == 0
    assert [each["passed"] for each in result["speeds"]] == [True, True, True]
    choice = result["choice"]
    assert choice in result["speeds"]
    words = " ".join(shown.out.split())
    for word in ("model.onnx fp32 onnxruntime", "model.tflite fp32", f"{choice['seconds'] * 1e3:.2f} yes yes"):
        assert word in words
    assert f"--engine fastest takes {choice['file']} on {choice['engine']}" in words
    report = json.loads(
        cli("predict", tiny_bundle, save_image(photo, "photo.png"), "--engine", "fastest", "--json").out
    )
    assert (report["file"], report["engine"]) == (choice["file"], choice["version"])
    assert len(report["skipped"]) == 2


def test_a_bundle_that_nothing_runs_is_status_1(cli, tiny_bundle, monkeypatch):
    monkeypatch.setattr("runtime.fastest.fastest", lambda *_, **__: SpeedTable(()))
    result = cli("doctor", tiny_bundle)
    assert (result.status, "nothing here runs it" in result.out) == (1, True)


def test_nothing_that_runs_is_status_1(cli, monkeypatch):
    monkeypatch.setattr("zoo.doctor._problem", lambda *_: "broken")
    result = cli("doctor")
    assert result.status == 1
    assert "nothing runs here" in result.out


@pytest.mark.parametrize("engine", ["onnxruntime", "litert"])
def test_predict_explains_what_ran(cli, tiny_bundle, save_image, photo, engine):
    image = save_image(photo, "photo.png")
    result = cli("predict", tiny_bundle, image, "--engine", engine, "--explain")
    assert result.status == 0
    assert "photo.png" in result.out
    for word in ("What runs", "off the CPU", "0.0%", "to load", "first run", "1 thread"):
        assert word in result.err
    report = json.loads(cli("predict", tiny_bundle, image, "--engine", engine, "--explain", "--json").out)["report"]
    assert report["off_cpu"] == 0
    assert sum(part["nodes"] for part in report["parts"]) >= 3


def test_options_are_pairs(cli, tiny_bundle, save_image, photo):
    image = save_image(photo, "photo.png")
    result = cli("predict", tiny_bundle, image, "--option", "fast")
    assert (result.status, result.err) == (2, "zoo: --option must be KEY=VALUE, got 'fast'\n")
    result = cli("predict", tiny_bundle, image, "--engine", "openvino", "--option", "NUM_STREAMS=1")
    assert result.status == 0
