"""`zoo bench`: real files on real engines, what may be recommended, and files that bring their process down."""

from __future__ import annotations

import io
import json
import sys
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

import zoo.measure.bench
from runtime import Bundle, EngineError, MissingExtraError, OptionError, load
from runtime.bundle.golden import Golden
from runtime.engines import engine_module
from runtime.fastest import Speed, SpeedTable
from runtime.timing import latencies, timings
from tests.engines import FLOAT_ENGINES
from zoo.measure.bench import NOISE, Row, bench, picture, recommend
from zoo.measure.evaluate import evaluate

QUICK = {"rounds": (2, 0.001)}


@pytest.fixture(scope="module")
def benchmark(tiny_bundle):
    return bench(tiny_bundle, **QUICK)


def row(file="model.onnx", precision="fp32", latency=1.0, size=100, **others):
    return Row(file, file.rpartition(".")[2], precision, "engine", 0.9, 1.0, "", size, latency, **others)


def test_every_file_has_its_figures(benchmark, tiny_bundle):
    manifest = Bundle.read(tiny_bundle).manifest
    assert [each.file for each in benchmark.rows] == list(manifest.models)
    for each in benchmark.rows:
        parity = manifest.models[each.file].parity
        assert (each.quality, each.agreement) == (parity.exported, parity.agreement)
        assert each.size == (tiny_bundle / each.file).stat().st_size
        assert each.engine.split()[0] == {"onnx": "onnxruntime", "tflite": "ai_edge_litert"}[each.format]
        assert 0 < each.latency <= each.p95 < 10
        assert each.throughput == pytest.approx(1 / each.latency)
        assert each.throughput_8 > 0
        assert 0 < each.load < 60
        assert 0 <= each.memory < 2**30
        assert (each.slower, each.note) == (False, "")
    assert (benchmark.metric, benchmark.data, benchmark.threads, benchmark.notes) == ("accuracy", "", None, ())
    assert benchmark.recommended in manifest.models


def test_memory_is_the_file_s_own(tmp_path, tiny_bundle):
    """A file that carries 40 MB of weights takes that much more than a small one."""
    import torch

    import export

    torch.manual_seed(0)
    samples = [np.full((12, 10, 3), 20 * i, np.uint8) for i in range(10)]
    wide = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(360, 28000), torch.nn.Linear(28000, 3))
    spec = Bundle.read(tiny_bundle).manifest.model
    large = export.export(
        export.NormalizePixels(wide, (0.5,) * 3, (0.3,) * 3), spec, samples, ["onnx"], out=tmp_path / "large"
    )
    (heavy,), (light, _) = bench(large.path, **QUICK).rows, bench(tiny_bundle, **QUICK).rows
    assert heavy.size > 40e6
    assert heavy.memory > light.memory + 35e6


def test_step_graphs_are_left_out(sequence_bundle):
    result = bench(sequence_bundle, engine="litert", **QUICK)
    assert [each.file for each in result.rows] == ["model.tflite"]
    assert result.rows[0].latency > 0
    assert "model.step.tflite takes single steps, so it is left out" in result.notes


def test_one_engine_alone(tiny_bundle):
    (only,) = bench(tiny_bundle, engine="litert", threads=1, **QUICK).rows
    assert only.file == "model.tflite"


def test_the_engine_that_is_fastest_for_each_file(tiny_bundle, monkeypatch):
    def speed(file, engine, seconds, passed=True):
        return Speed(file, "fp32", engine, engine, "cpu", seconds, passed, "", "")

    table = SpeedTable((
        speed("model.onnx", "onnxruntime", 3e-3), speed("model.onnx", "openvino", 2e-3),
        speed("model.tflite", "other", 1e-3, passed=False), speed("model.tflite", "litert", 2e-3),
    ))  # fmt: skip
    monkeypatch.setattr("zoo.measure.bench.fastest", lambda *_, **__: table)
    rows = bench(tiny_bundle, engine="fastest", **QUICK).rows
    assert [(each.file, each.engine.split()[0]) for each in rows] == [
        ("model.onnx", "openvino"),
        ("model.tflite", "ai_edge_litert"),
    ]


def test_quality_on_other_data(kinds_bundle, parcels, tmp_path):
    text = parcels.read_text().splitlines()
    (tmp_path / "some.csv").write_text("\n".join(text[:61]) + "\n")
    data = f"csv:{tmp_path / 'some.csv'}"
    result = bench(kinds_bundle, data=data, **QUICK)
    assert result.data == data
    assert result.rows[0].quality == evaluate(kinds_bundle, data).results["metrics"]["accuracy"]


def test_an_engine_that_is_not_installed_is_noted(tiny_bundle, monkeypatch):
    monkeypatch.setattr(engine_module("litert"), "missing", lambda: True)
    result = bench(tiny_bundle, **QUICK)
    assert [each.file for each in result.rows] == ["model.onnx"]
    assert result.notes == (
        "model.tflite is left out: engine 'litert' is not installed: pip install 'edgezoo[litert]'",
    )
    with pytest.raises(MissingExtraError, match=r"edgezoo\[litert\]"):
        bench(tiny_bundle, engine="litert")


def test_an_engine_without_a_file(tiny_bundle):
    with pytest.raises(EngineError, match=r"has no file that runs on 'tflm' \(\.tflm\); it has: model.onnx, model.tfl"):
        bench(tiny_bundle, engine="tflm")


@pytest.mark.parametrize(
    ("options", "message"),
    [({"engine": "litrt"}, "did you mean 'litert'"), ({"threads": 0}, "threads must be 1 to 1024, got 0")],
)
def test_options_that_make_no_sense(tiny_bundle, options, message):
    with pytest.raises(OptionError, match=message):
        bench(tiny_bundle, **options)


def test_what_a_process_meets_is_met_here():
    for problem in (OptionError("no"), EngineError("no"), ImportError("no", name="sklearn")):
        fields = {"error": type(problem).__name__, "text": str(problem), "name": getattr(problem, "name", None)}
        error = zoo.measure.bench._problem(**fields)
        assert (type(error), str(error), getattr(error, "name", None)) == (type(problem), "no", fields["name"])
    text = str(MissingExtraError("engine 'x'", "x"))
    assert str(zoo.measure.bench._problem("MissingExtraError", text, None)) == text


@pytest.fixture
def crashing(monkeypatch, tmp_path):
    """Let the process that has to do with one file die, as a crash of native code does."""

    def crash(file, task="time"):
        child = tmp_path / "child.py"
        child.write_text(f"""
import json, os, signal, sys
request = json.loads(sys.argv[1])
if {file!r} in request["files"] and request["task"] == {task!r}:
    os.kill(os.getpid(), signal.SIGSEGV)
from zoo.measure.bench_child import main
main()
""")
        real = zoo.measure.bench.subprocess.Popen

        def start(command, **options):
            return real([sys.executable, str(child), command[-1]], **options)

        monkeypatch.setattr(zoo.measure.bench.subprocess, "Popen", start)

    return crash


@pytest.mark.parametrize("task", ["time", "load"])
def test_a_crash_is_a_note_on_the_file_that_crashed(bundle_copy, crashing, task):
    crashing("model.tflite", task)
    good, bad = bench(bundle_copy, **QUICK).rows
    assert (good.note, bad.note) == ("", "it brought its process down (SIGSEGV)")
    assert good.latency > 0
    assert (bad.latency is None) == (task == "time")
    assert (bad.load, bad.memory) == (None, None)


def test_of_several_files_only_the_culprit_has_no_figures(crashing, tiny_bundle):
    crashing("model.tflite")
    request = {
        "bundle": str(tiny_bundle), "task": "time", "engine": "onnxruntime", "threads": None, "trusted": False,
        "option": "", "rounds": 2, "seconds": 0.001,
    }  # fmt: skip
    figures = zoo.measure.bench._timed(request, ["model.onnx", "model.tflite"], lambda *_: None)
    assert figures["model.onnx"]["latency"] > 0
    assert figures["model.tflite"] == {"note": "it brought its process down (SIGSEGV)"}


def test_the_fastest_is_recommended():
    rows = [row(latency=1.0), row("model.int8.onnx", "int8", 0.5), row("model.fp16.onnx", "fp16", 0.7)]
    assert recommend(rows) == "model.int8.onnx"


def test_of_equally_fast_files_the_smallest_is_recommended():
    close = [row(latency=1.0, size=400), row("model.int8.onnx", "int8", 1 + NOISE / 2, 100)]
    assert recommend(close) == "model.int8.onnx"


@pytest.mark.parametrize("flaw", [{"slower": True}, {"drift": "accuracy falls by 3 points"}, {"latency": None}])
def test_what_is_slower_or_another_answer_is_never_recommended(flaw):
    assert recommend([row(), replace(row("model.int8.onnx", "int8", 0.5), **flaw)]) == "model.onnx"
    assert recommend([replace(row(), **flaw)]) is None


def test_slower_is_measured_against_the_same_format():
    rows = (
        row("model.onnx", "fp32", 1.0),
        row("model.int8.onnx", "int8", 1.2),
        row("model.fp16.onnx", "fp16", 1 + NOISE / 2),
        row("model.tflite", "fp32", 2.0),
        row("model.int8.tflite", "int8", 1.2),
        row("model.int8.tflm", "int8", 9.0),
        row("model.int4.tflite", "int4-weights", None),
    )
    assert [zoo.measure.bench._slower(each, rows) for each in rows] == [False, True, False, False, False, False, False]


def test_the_picture_has_files_that_were_measured(benchmark):
    crashed = replace(benchmark.rows[0], latency=None, note="it crashed")
    for rows in (benchmark.rows, (crashed, benchmark.rows[1])):
        assert Image.open(io.BytesIO(picture(replace(benchmark, rows=rows, recommended=rows[1].file)))).width > 400


def test_timings_count_every_run_but_the_first(tiny_bundle):
    models = [load(tiny_bundle, engine=name, threads=1) for name in FLOAT_ENGINES]
    sample = Golden.decode((tiny_bundle / "golden.npz").read_bytes(), "golden.npz").inputs[:1]
    turns = []
    runs = timings(models, [sample] * len(models), rounds=3, seconds=0, on_round=turns.append)
    assert turns == [0, 1, 2]
    assert [len(each) for each in runs] == [2] * len(models)  # one a round, without the first round
    assert all(0 < seconds < 1 for seconds in latencies(models, sample, rounds=2, seconds=0.001))


def test_the_command(cli, trained_bundle, tmp_path):
    shown = cli("bench", trained_bundle, "--out", tmp_path / "b.png", "--threads", "1")
    assert shown.status == 0
    for word in ("model.onnx", "model.tflite", "agreement", "p95 ms", "kB", "recommended", "onnxruntime 1", "b.png"):
        assert word in shown.out
    assert Image.open(tmp_path / "b.png").width > 400
    report = json.loads(
        cli("bench", trained_bundle, "--out", tmp_path / "b.png", "--engine", "litert", "--overwrite", "--json").out
    )
    assert [each["file"] for each in report["rows"]] == ["model.tflite"]
    assert report["recommended"] == "model.tflite"
    assert report["picture"] == str(tmp_path / "b.png")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nowhere"], "nowhere: not a bundle (no such folder)"),
        (["{bundle}", "--engine", "tflm"], "has no file that runs on 'tflm'"),
        (["{bundle}", "--engine", "tensorrt"], "unknown engine 'tensorrt'"),
        (["{bundle}", "--threads", "0"], "threads must be 1 to 1024, got 0"),
        (["{bundle}", "--data", "nonsense"], "unknown data set 'nonsense'"),
    ],
)
def test_the_command_s_mistakes_are_one_line(cli, tiny_bundle, tmp_path, monkeypatch, words, message):
    monkeypatch.chdir(tmp_path)
    result = cli("bench", *(word.format(bundle=tiny_bundle) for word in words))
    lines = [line for line in result.err.splitlines() if not line.endswith("…")]  # progress, where there is no bar
    assert (result.status, result.out, len(lines)) == (2, "", 1)
    assert message in lines[0]
    assert list(tmp_path.iterdir()) == []
