"""A run exported to smaller precisions and to TFLM: options, what is recorded, and what the commands say of it."""

from __future__ import annotations

import json

import onnx
import pytest

import runtime
from export import bundle as export_bundle
from export.formats import choose_precisions
from export.formats.onnx import quantization as onnx_precision
from runtime import Bundle
from runtime.errors import OptionError
from runtime.native_output import suppress_output
from runtime.verify import verify
from tests.zoo.test_cli_errors import one_line
from zoo.exporting.run import export_run, finished
from zoo.train.config import Hardware
from zoo.train.pipeline import train

CNN = {"widths": [8], "convolutions": 1, "hidden": 16, "epochs": 3}


@pytest.fixture(scope="module")
def cnn(tmp_path_factory):
    """A tiny network of convolutions on the digits."""
    out = tmp_path_factory.mktemp("cnn") / "run"
    return train("cnn", out=out, settings=CNN, hardware=Hardware("cpu"))


@pytest.fixture(scope="module")
def lstm(tmp_path_factory):
    out = tmp_path_factory.mktemp("lstm") / "run"
    return train("lstm", data="digits", out=out, settings={"hidden": 24, "epochs": 6}, hardware=Hardware("cpu"))


def test_auto_is_fp32_and_what_suits_the_recipe(cnn, lstm, tmp_path):
    bundle = export_run(cnn, ["onnx"], precisions=["auto", "fp32"], out=tmp_path / "cnn")
    assert list(bundle.manifest.models) == ["model.onnx", "model.int8.onnx"]
    bundle = export_run(cnn, ["tflm"], precisions=["auto"], out=tmp_path / "tflm")
    assert list(bundle.manifest.models) == ["model.int8.tflm"]
    bundle = export_run(lstm, ["onnx"], precisions=["auto"], out=tmp_path / "lstm")
    assert set(bundle.manifest.models) == {
        "model.onnx", "model.int8-dynamic.onnx", "model.step.onnx", "model.step.int8-dynamic.onnx",
    }  # fmt: skip


def test_names_given_twice_are_written_once(cnn, tmp_path):
    bundle = export_run(cnn, ["onnx", "onnx"], precisions=["fp16", "fp16"], out=tmp_path / "bundle")
    assert list(bundle.manifest.models) == ["model.fp16.onnx"]


def test_calibration_is_recorded_and_shown(cli, cnn, tmp_path):
    words = ("--calibration-samples", 40, "--calibration-method", "moving-average", "--json")
    result = cli("export", cnn, "--format", "onnx", "--precision", "int8", "--out", tmp_path / "bundle", *words)
    assert result.status == 0
    how = json.loads(result.out)["models"]["model.int8.onnx"]["quantisation"]
    assert (how["samples"], how["method"], how["kept"]) == (40, "moving-average", {})
    assert how["balance"] == {str(i): 4 for i in range(10)}
    shown = " ".join(cli("info", tmp_path / "bundle").out.split())
    assert "calibrated on 40 training samples, 4 to 4 of each class, moving-average" in shown


def test_files_are_proved_with_others_than_they_are_calibrated_with(cnn, tmp_path, monkeypatch):
    seen = []

    def spy(calibration, spec):
        seen.append(calibration)
        return choose(calibration, spec)

    choose = export_bundle.calibrate
    monkeypatch.setattr(export_bundle, "calibrate", spy)
    export_run(cnn, ["onnx"], precisions=["int8"], out=tmp_path / "bundle")
    (calibration,) = seen
    run = finished(cnn)
    known = {item.tobytes() for item in calibration.samples}
    assert len(calibration.samples) == run.run.origin.samples["train"]
    assert not known & {item.tobytes() for item in run.held.items}


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (
            ("--precision", "int9"),
            "format 'onnx': unknown precision 'int9' (did you mean 'int8'?); choose from: fp16, fp32",
        ),
        (("--format", "tflm", "--precision", "fp16"), "format 'tflm': unknown precision 'fp16'"),
        (("--format", "tflm", "--precision", "fp32"), "format 'tflm': unknown precision 'fp32'; choose from: int8"),
        (("--precision", "int8", "--calibration-samples", "9"), "calibration needs at least 10 samples, got 9"),
        (
            ("--precision", "int8", "--calibration-method", "minmax"),
            "unknown calibration method 'minmax' (did you mean",
        ),
    ],
)
def test_wrong_options_are_one_line(cli, cnn, tmp_path, words, text):
    assert text in one_line(cli("export", cnn, "--out", tmp_path / "bundle", *words))
    assert not (tmp_path / "bundle").exists()


@pytest.fixture
def drifting(cli, cnn, tmp_path, monkeypatch):
    """A bundle with an int8-weights file whose last layer answers the opposite."""
    real = onnx_precision.QUANTIZERS["int8-weights"]

    def turned(data, request):
        model = onnx.load_from_string(real(data, request))
        scale = [each for each in model.graph.initializer if each.name.endswith("_scale")][-1]
        scale.CopyFrom(onnx.numpy_helper.from_array(-onnx.numpy_helper.to_array(scale), scale.name))
        return model.SerializeToString()

    monkeypatch.setitem(onnx_precision.QUANTIZERS, "int8-weights", turned)
    words = ("export", cnn, "--format", "onnx", "--precision", "int8-weights", "--out", tmp_path / "bundle")
    refused = cli(*words)
    assert refused.status == 1
    line = refused.err.splitlines()[-1]
    assert line.startswith("zoo: cnn-digits as onnx int8-weights on onnxruntime ")
    assert "decisions differ" in line
    assert not (tmp_path / "bundle").exists()
    assert cli(*words, "--allow-drift").status == 0
    return tmp_path / "bundle"


def test_drift_is_told_wherever_the_file_is_used(cli, drifting, save_image, photo):
    drift = Bundle.read(drifting).manifest.models["model.int8-weights.onnx"].spec.drift
    assert f"model.int8-weights.onnx: loses the answer: {drift}" in " ".join(cli("info", drifting).out.split())
    shown = json.loads(cli("info", drifting, "--json").out)
    assert shown["models"]["model.int8-weights.onnx"]["spec"]["drift"] == drift
    image = save_image(photo, "photo.png")
    for source in (drifting, drifting / "model.int8-weights.onnx"):
        result = cli("predict", source, image)
        assert result.status == 0
        assert f"zoo: model.int8-weights.onnx loses the answer: {drift}\n" in result.err
        assert json.loads(cli("predict", source, image, "--json").out)["drift"] == drift


def test_a_sound_file_has_no_drift_to_tell(cli, trained_bundle, save_image, photo):
    result = cli("predict", trained_bundle, save_image(photo, "photo.png"), "--json")
    assert json.loads(result.out)["drift"] == ""
    assert "loses" not in result.err


@pytest.fixture(scope="module")
def tflm(cnn, tmp_path_factory):
    pytest.importorskip("tflite_micro", reason="has builds for Linux on x86-64 only")
    return export_run(cnn, ["tflm"], out=tmp_path_factory.mktemp("tflm") / "bundle")


def test_tflm_is_one_int8_file_with_its_sources(tflm):
    assert list(tflm.manifest.models) == ["model.int8.tflm"]
    assert {"model.int8.tflm", "model_data.cc", "model_data.h", "main.cc"} <= set(tflm.manifest.files)
    tflm.check()
    source = tflm.bytes("model_data.cc").decode()
    array = source[source.index("{", source.index("kModel[")) + 1 :]
    content = bytes(int(each, 0) for each in array[: array.index("}")].replace(",", " ").split())
    assert content == tflm.bytes("model.int8.tflm")


def test_tflm_s_footprint_is_recorded_and_shown(cli, tflm):
    footprint = tflm.manifest.models["model.int8.tflm"].footprint
    assert footprint["flash"] == tflm.manifest.files["model.int8.tflm"].size
    assert 0 < footprint["arena"] < 100_000
    shown = " ".join(cli("info", tflm.path).out.split())
    assert f"takes {footprint['flash']:,} bytes of flash and {footprint['arena']:,} bytes of arena" in shown


def test_tflm_s_bundle_predicts_and_verifies(cnn, tflm):
    held = finished(cnn).held
    with suppress_output():
        model = runtime.load(tflm.path)
    assert model.engine_name == "tflm"
    answers = [int(each.label) for each in model.predict(list(held.items[:100]))]
    parity = tflm.manifest.models["model.int8.tflm"].parity
    assert sum(answers == held.targets[:100]) >= 100 * parity.exported - 10
    assert all(each.passed for each in verify(tflm.path, threads=1))


def test_each_format_is_written_in_those_precisions_that_it_has():
    assert choose_precisions(["onnx", "tflm"], ["fp32", "int8", "int8"]) == {"onnx": ["fp32", "int8"], "tflm": ["int8"]}
    assert choose_precisions(["onnx", "tflm"], []) == {"onnx": ["fp32"], "tflm": ["int8"]}
    with pytest.raises(OptionError, match="format 'tflm': unknown precision 'fp32'"):
        choose_precisions(["onnx", "tflm"], ["fp32"])
    with pytest.raises(OptionError, match="format 'onnx': unknown precision 'int9'"):
        choose_precisions(["onnx", "tflm"], ["int8", "int9"])
