"""Budgets: how they are read, and the search for the best file inside one."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import pytest

from export import files
from export.platforms import PLATFORMS
from runtime import Bundle
from runtime.errors import ExportNote, OptionError
from runtime.verify import verify
from tests.zoo.test_cli_errors import one_line
from zoo.exporting import budget
from zoo.exporting.budget import parse, search


@pytest.mark.parametrize(
    ("text", "limits"),
    [
        ("drop<=0.5%", {"drop": 0.5}),
        ("drop<=0.5% size<=1.5MB", {"drop": 0.5, "size": 1.5e6}),
        ("size <= 20 kB, latency<=2ms", {"size": 2e4, "latency": 0.002}),
        ("size<=3KiB and agreement>=99%", {"size": 3072, "agreement": 0.99}),
        ("drop<=0%size<=700B", {"drop": 0, "size": 700}),
        ("latency<=300us latency<=300µs", {"latency": 3e-4}),
        ("size<=1MiB", {"size": 2**20}),
        ("latency<=.5s", {"latency": 0.5}),
    ],
)
def test_a_budget_is_read(text, limits):
    assert parse(text) == pytest.approx(limits)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "can't read ''; write it like 'drop<=0.5% size<=1.5MB'"),
        ("   ", "write it like"),
        ("small", "can't read 'small'"),
        ("drop<=0.5% please", "can't read 'please'"),
        ("size<=1.5MB; rm", "can't read"),
        ("drop<=nan%", "can't read"),
        ("drop<=1e-3%", "can't read"),
        ("sise<=1MB", "unknown key 'sise' (did you mean 'size'?); choose from: agreement, drop, latency, size"),
        ("size>=1MB", "size takes <=, not >="),
        ("agreement<=99%", "agreement takes >=, not <="),
        ("size<1MB", "size takes <=, not <"),
        ("drop=1%", "drop takes <=, not ="),
        ("drop<=0.5", "drop<=0.5 needs a unit: %; got ''"),
        ("drop<=0.5 size<=1.5MB", "drop<=0.5 needs a unit: %; got ''"),
        ("drop<=0.5 and size<=1.5MB", "drop<=0.5 needs a unit: %; got ''"),
        ("size<=1.5mb", "size<=1.5 needs a unit: B, kB, KB, MB, KiB, MiB; got 'mb'"),
        ("latency<=2%", "latency<=2 needs a unit: us, µs, ms, s; got '%'"),
        ("size<=1.5.2MB", "size: '1.5.2' is not a number"),
        ("drop<=-1%", "drop<=-1% can't be kept by any file"),
        ("size<=0kB", "size<=0kB can't be kept by any file"),
        ("latency<=0ms", "latency<=0ms can't be kept by any file"),
        ("agreement>=101%", "agreement>=101% can't be kept by any file"),
        ("size<=1MB size<=2MB", "size is limited twice, to 1,000.0 kB and 2,000.0 kB"),
    ],
)
def test_what_can_t_be_meant_is_refused_in_one_line(text, complaint):
    with pytest.raises(OptionError) as caught:
        parse(text)
    assert complaint in str(caught.value)
    assert str(caught.value).startswith("budget")
    assert "\n" not in str(caught.value)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A perceptron on the digits that has learnt something."""
    from zoo.train.config import Hardware
    from zoo.train.pipeline import train

    out = tmp_path_factory.mktemp("budget") / "run"
    return train("mlp", out=out, settings={"hidden": [48], "epochs": 4}, hardware=Hardware("cpu"))


def test_the_winner_is_inside_the_limits_and_alone_in_its_bundle(run, tmp_path):
    plain = 48 * (64 + 10) * 4
    result = search(run, f"drop<=2% size<={plain}B", ["onnx", "tflite"], out=tmp_path / "bundle")
    winner = result.winner
    assert (winner.rejected, winner.excess) == ("", 0)
    assert winner.size <= plain
    assert winner.drop <= 2
    assert winner.latency > 0
    assert [each.file for each in result.tried if not each.rejected] == [winner.file]
    assert result.reason.startswith(f"{winner.file} is ")
    bundle = Bundle.read(result.bundle)
    assert result.bundle == tmp_path / "bundle"
    assert list(bundle.manifest.models) == [winner.file]
    assert bundle.manifest.files[winner.file].size == winner.size
    assert all(each.passed for each in verify(result.bundle, threads=1))
    too_large = [each for each in result.tried if each.file in ("model.onnx", "model.tflite")]
    assert len(too_large) == 2
    for each in too_large:
        assert each.rejected.startswith("size ")
        assert (each.metric, each.drop, each.agreement) == (None, None, None)


def test_what_is_too_large_is_not_proved(run, tmp_path, monkeypatch):
    proved = []

    def spy(source, variant, data, folder):
        proved.append(len(data))
        return files.verify(source, variant, data, folder)

    monkeypatch.setattr(budget, "verify", spy)
    result = search(run, "size<=12kB", ["onnx"], out=tmp_path / "bundle")
    assert proved
    assert max(proved) <= 12_000 < max(each.size for each in result.tried if each.size)


def test_a_file_of_no_use_on_the_platform_is_no_winner(run, tmp_path, monkeypatch):
    monkeypatch.setitem(PLATFORMS, "web", replace(PLATFORMS["web"], largest=1_000))
    with pytest.warns(ExportNote, match="left out: tflm: browsers run onnx and tflite only"):
        result = search(
            run, "drop<=100%", ["onnx", "tflm"], precisions=["fp32"], platform="web", out=tmp_path / "bundle"
        )
    assert result.winner is None
    assert [each.rejected for each in result.tried] == ["its 0.0 MB are more than the 0 MB for browsers"]
    assert not (tmp_path / "bundle").exists()


def test_no_file_inside_leaves_an_earlier_bundle_and_names_the_nearest(run, trained_bundle, tmp_path):
    old = shutil.copytree(trained_bundle, tmp_path / "bundle")
    before = {file.name: file.read_bytes() for file in old.iterdir()}
    result = search(run, "size<=100B", ["onnx"], precisions=["fp32", "int8-weights"], out=old, overwrite=True)
    assert (result.winner, result.bundle) == (None, None)
    assert "no file is inside the budget (size <= 0.1 kB); the nearest is model.int8-weights.onnx" in result.reason
    assert all(each.rejected.startswith("size ") for each in result.tried)
    assert {file.name: file.read_bytes() for file in old.iterdir()} == before


def test_a_looser_drop_than_the_gate_is_honoured_and_a_stricter_one_too(run, tmp_path, monkeypatch):
    import onnx

    from export.formats.onnx import quantization as precision

    real = precision.QUANTIZERS["int8-weights"]

    def blurred(data, request):
        model = onnx.load_from_string(real(data, request))
        scale = next(each for each in model.graph.initializer if each.name.endswith("_scale"))
        values = onnx.numpy_helper.to_array(scale).copy()
        values[::2] *= -1
        scale.CopyFrom(onnx.numpy_helper.from_array(values, scale.name))
        return model.SerializeToString()

    monkeypatch.setitem(precision.QUANTIZERS, "int8-weights", blurred)
    monkeypatch.setattr(budget, "mixtures", lambda source, variant: iter(()))
    options = {"formats": ["onnx"], "precisions": ["int8-weights"]}
    promised = search(run, "size<=1MB", **options, out=tmp_path / "promised")
    (only,) = promised.tried
    assert promised.winner is None
    assert only.drop > 1
    assert "(promised 97.0%)" in only.rejected
    assert "(promised 1 %)" in only.rejected
    loose = search(run, "drop<=100% agreement>=0%", **options, out=tmp_path / "loose")
    assert loose.winner.file == "model.int8-weights.onnx"
    assert Bundle.read(loose.bundle).manifest.models["model.int8-weights.onnx"].spec.drift
    strict = search(run, f"drop<={only.drop - 0.5:.2f}% agreement>=0%", **options, out=tmp_path / "strict")
    assert strict.winner is None
    assert "drop " in strict.reason


def test_fp32_that_differs_from_pytorch_never_wins(run, tmp_path, monkeypatch):
    import onnx

    from export.formats import format_module

    real = format_module("onnx").convert

    def convert(graph):
        model = onnx.load_from_string(real(graph))
        tensor = max(model.graph.initializer, key=lambda each: len(each.raw_data))
        values = onnx.numpy_helper.to_array(tensor) * 1.0001
        tensor.CopyFrom(onnx.numpy_helper.from_array(values.astype("float32"), tensor.name))
        return model.SerializeToString()

    monkeypatch.setattr(format_module("onnx"), "convert", convert)
    result = search(run, "size<=1MB", ["onnx"], precisions=["fp32"], out=tmp_path / "bundle")
    assert result.winner is None
    assert "the difference is max" in result.tried[0].rejected
    assert not (tmp_path / "bundle").exists()


@pytest.mark.parametrize(
    ("names", "text"), [(["int8-weight"], "did you mean 'int8-weights'"), (["half"], "choose from")]
)
def test_unknown_precisions_are_named(run, tmp_path, names, text):
    with pytest.raises(OptionError, match=text):
        search(run, "size<=1MB", ["onnx"], precisions=names, out=tmp_path / "bundle")


def test_the_command_shows_what_was_tried(cli, run, tmp_path):
    words = ("export", run, "--budget", "size<=14kB", "--format", "onnx", "--out", tmp_path / "bundle")
    shown = cli(*words)
    assert shown.status == 0
    assert "winner" in shown.out
    assert "size " in shown.out
    assert str(tmp_path / "bundle") in shown.out
    report = json.loads(cli(*words, "--overwrite", "--json").out)
    assert report["budget"] == {"size": 14_000}
    assert report["bundle"] == str(tmp_path / "bundle")
    assert report["winner"] in report["tried"]
    assert {each["file"] for each in report["tried"]} >= {"model.onnx", "model.int8.onnx", "model.int8-weights.onnx"}


def test_the_command_exits_1_without_a_winner(cli, run, tmp_path):
    words = ("export", run, "--budget", "size<=9B", "--format", "onnx", "--precision", "fp16", "--out", tmp_path / "b")
    shown = cli(*words)
    assert shown.status == 1
    assert "the nearest is model.fp16.onnx" in " ".join(shown.out.split())
    report = json.loads(cli(*words, "--json").out)
    assert (report["winner"], report["bundle"]) == (None, None)
    assert not (tmp_path / "b").exists()


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("--budget", "size<=1MB", "--allow-drift"), "writes no file that loses the answer"),
        (("--budget", "size<=1MB", "--calibration-method", "entropy"), "tries all calibration methods itself"),
        (("--budget", "size<=1"), "needs a unit"),
        (("--budget", "size<=1MB", "--format", "onx"), "did you mean 'onnx'"),
    ],
)
def test_conflicts_and_errors_are_one_line(cli, run, tmp_path, words, text):
    assert text in one_line(cli("export", run, "--out", tmp_path / "bundle", *words))
    assert not (tmp_path / "bundle").exists()


@pytest.mark.parametrize("options", [{"allow_drift": True}, {"calibration_method": "entropy"}])
def test_a_search_decides_some_options_itself(run, tmp_path, options):
    with pytest.raises(OptionError, match="tries all calibration methods itself"):
        search(run, "size<=1MB", out=tmp_path / "bundle", **options)
