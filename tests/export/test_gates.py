"""The gates of precisions: what each allows, a file that loses the answer, and what says so where it is wanted."""

from __future__ import annotations

import shutil
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import onnx
import pytest

import export
import runtime
from export.formats import format_module
from export.formats.onnx import quantization as onnx_precision
from export.parity import check, drop
from export.precision import CALIBRATED, FEW, GATES
from export.reference import Reference
from runtime.bundle import CARD, GOLDEN, MANIFEST
from runtime.bundle.golden import Golden
from runtime.compare import FP32_TOLERANCE, REPLAY
from runtime.errors import CalibrationError, OptionError, ParityError
from runtime.native_output import suppress_output
from runtime.spec import FileSpec
from runtime.verify import verify
from tests.export.digits import PRECISIONS
from tests.runtime.edits import edit_manifest, replace_file

INT8 = GATES["int8"]
PRICE = export.Regression("regression", "value", "price", "", 100.0, 20.0)
LABELS = export.Classification("classification", "logits", ("cat", "dog"))


def content(folder):
    return {file.name: file.read_bytes() for file in folder.iterdir()}


@pytest.fixture
def losing(monkeypatch):
    """Let a precision of ONNX files lose the answer: the largest weights of each file change their sign."""

    def plant(*precisions):
        for precision in precisions:
            real = onnx_precision.QUANTIZERS[precision]

            def quantize(data, request, real=real):
                model = onnx.load_from_string(real(data, request))
                tensors = [each for each in model.graph.initializer if len(each.dims) == 2 and each.data_type in (1, 3)]
                tensor = max(tensors, key=lambda each: np.prod(each.dims))
                values = onnx.numpy_helper.to_array(tensor)
                tensor.CopyFrom(onnx.numpy_helper.from_array(-values, tensor.name))
                return model.SerializeToString()

            monkeypatch.setitem(onnx_precision.QUANTIZERS, precision, quantize)

    return plant


def test_every_precision_has_a_gate():
    assert set(GATES) == set(REPLAY) == set(PRECISIONS)
    assert GATES["fp32"].may_differ(10**6) == 0
    assert GATES["fp32"].difference == REPLAY["fp32"] == FP32_TOLERANCE
    assert set(GATES) > CALIBRATED


@pytest.mark.parametrize(
    ("samples", "differ"), [(FEW - 1, 0), (FEW, 1), (33, 1), (66, 1), (67, 2), (100, 3), (1000, 30)]
)
def test_so_many_decisions_may_differ(samples, differ):
    assert INT8.may_differ(samples) == differ


@pytest.mark.parametrize(("samples", "points"), [(FEW - 1, 1), (FEW, 5), (50, 2), (100, 1), (10_000, 1)])
def test_so_many_points_may_be_lost(samples, points):
    assert INT8.may_lose(samples) == pytest.approx(points)
    assert GATES["fp32"].may_lose(samples) == float("inf")


def test_values_are_the_same_within_a_slack_and_classes_are_not():
    assert INT8.tie(PRICE) == INT8.slack == 0.05
    assert INT8.tie(LABELS) == FP32_TOLERANCE


def measured(reference, exported):
    return SimpleNamespace(reference=reference, exported=exported)


def test_points_of_a_share_are_hundredths_and_of_an_error_hundredths_of_the_deviation():
    assert drop(LABELS, measured(0.95, 0.93)) == pytest.approx(2)
    assert drop(LABELS, measured(0.93, 0.95)) == pytest.approx(-2)
    assert drop(PRICE, measured(10.0, 11.0)) == pytest.approx(5)
    assert drop(PRICE, measured(11.0, 10.0)) == pytest.approx(-5)
    text = export.CTC("ctc", "logits", "ab")
    assert drop(text, measured(0.1, 0.3)) == pytest.approx(20 if text.better == "min" else -20)
    assert drop(LABELS, measured(None, 0.5)) is None
    assert drop(LABELS, measured(0.5, None)) is None


class Answering:
    """A file that gives what it is told, whatever it is asked."""

    def __init__(self, spec, precision, rows):
        self.spec, self.rows = spec, rows
        self.file_spec = FileSpec("onnx", precision, "float32", None)
        self.engine = SimpleNamespace(version="none 0")

    def forward(self, inputs):
        return self.rows[inputs[:, 0].astype(int)]


def verdict(wanted, rows, targets, output=LABELS, precision="int8"):
    input_spec = export.TableInput("table", "features", (export.NumericColumn("numeric", "n", 0.0, 1.0, 0.0, 1.0),))
    places = np.arange(len(wanted), dtype=np.float32)[:, None]
    real = Reference(places, wanted, targets)
    return check(Answering(export.ModelSpec("fake", input_spec, output), precision, rows), real, real.first(1))


def test_pytorch_is_measured_once_for_all_files(monkeypatch):
    rows, _ = sides(4, 0)
    measured = []
    monkeypatch.setattr("export.reference.measure", lambda *asked: measured.append(asked) or 0.75)
    real = Reference(np.zeros((4, 1), np.float32), rows, np.zeros(4, int))
    assert [real.quality(LABELS), real.quality(LABELS)] == [0.75, 0.75]
    assert len(measured) == 1
    assert Reference(rows, rows).quality(LABELS) is None


def sides(count, wrong, tenth=0.0):
    """Return clear decisions for the first label, of which some are turned; and the same by how much of their size."""
    rows = np.tile(np.array([2.0, 0.0], np.float32), (count, 1))
    turned = rows.copy()
    turned[3 : 3 + wrong] = turned[3 : 3 + wrong, ::-1]
    return rows, turned + np.float32(tenth)


@pytest.mark.parametrize(("wrong", "passes"), [(3, True), (4, False)])
def test_decisions_are_counted_against_the_gate(wrong, passes):
    wanted, rows = sides(100, wrong)
    problems = verdict(wanted, rows, None).problems
    assert bool(problems) != passes
    if problems:
        assert problems[0].startswith("fake as onnx int8 on none 0: 4 of 100 decisions differ (agreement 96.00%")


@pytest.mark.parametrize(("wrong", "passes"), [(1, True), (2, False)])
def test_the_metric_is_held_against_the_gate(wrong, passes):
    wanted, rows = sides(100, wrong)
    problems = verdict(wanted, rows, np.zeros(100, int)).problems
    assert bool(problems) != passes
    if problems:
        assert "accuracy goes from 1 to 0.98, 2.00 points worse (allowed 1)" in problems[0]
    assert not verdict(wanted, rows, np.r_[0, 0, 0, [1] * wrong, [0] * (97 - wrong)]).problems  # it became better


@pytest.mark.parametrize(("off", "passes"), [(0.04, True), (0.06, False)])
def test_values_may_be_off_by_the_slack(off, passes):
    wanted = np.linspace(60, 140, 200, dtype=np.float32)[:, None]
    rows = wanted + np.float32(off * 40) * np.where(np.arange(200) % 2, 1, -1).astype(np.float32)[:, None]
    assert bool(verdict(wanted, rows, None, PRICE).problems) != passes


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_never_passes(value):
    wanted, rows = sides(100, 0)
    rows[50, 1] = value
    problems = verdict(wanted, rows, np.zeros(100, int)).problems
    assert "difference is max inf" in problems[0]


def test_a_file_that_loses_the_answer_is_not_written(cases, tmp_path, losing):
    losing("int8", "int8-weights")
    with pytest.raises(ParityError) as caught:
        cases["table"].export(tmp_path / "bundle", ["onnx"], ["int8", "int8-weights"])
    message = str(caught.value)
    for precision in ("int8", "int8-weights"):
        assert f"table as onnx {precision} on onnxruntime " in message
    assert "of 300 decisions differ (agreement " in message
    assert "accuracy goes from 0.9" in message
    assert "(300 real and 3 hard samples)" in message
    assert message.endswith("nothing was written")
    assert not (tmp_path / "bundle").exists()


def test_an_earlier_bundle_stays_and_otherwise_the_rest_is_written(cases, exports, tmp_path, losing):
    old = shutil.copytree(exports["table"].path, tmp_path / "old")
    before = content(old)
    losing("int8")
    with pytest.raises(ParityError, match=r"nothing was written; .*old stays as it was"):
        cases["table"].export(old, ["onnx"], ["fp32", "int8"], overwrite=True)
    assert content(old) == before
    with pytest.raises(ParityError, match=r"new holds model.onnx, model.fp16.onnx only"):
        cases["table"].export(tmp_path / "new", ["onnx"], ["fp32", "int8", "fp16"])
    assert set(runtime.Bundle.read(tmp_path / "new").manifest.models) == {"model.onnx", "model.fp16.onnx"}


def test_drift_that_is_wanted_is_written_everywhere(cases, tmp_path, losing):
    losing("int8")
    bundle = cases["table"].export(tmp_path / "bundle", ["onnx"], ["fp32", "int8"], allow_drift=True)
    plain, drifting = bundle.manifest.models["model.onnx"], bundle.manifest.models["model.int8.onnx"]
    assert plain.spec.drift == ""
    assert "of 300 decisions differ" in drifting.spec.drift
    with suppress_output():
        alone = runtime.load(shutil.copy(bundle.path / "model.int8.onnx", tmp_path / "alone.onnx"))
    assert alone.file_spec.drift == drifting.spec.drift
    card = bundle.bytes(CARD).decode()
    heading = "**These files lose the answer** and were written because they were asked for:"
    assert f"{heading}\n\n- `model.int8.onnx`: {drifting.spec.drift}\n" in card
    assert all(each.passed for each in verify(bundle.path, threads=1))  # it answers as it did


def test_what_is_not_finite_is_not_written_even_where_drift_is_wanted(cases, tmp_path, monkeypatch):
    def overflowing(data, request):
        model = onnx.load_from_string(data)
        for tensor in model.graph.initializer:
            if len(tensor.dims) == 2:
                values = onnx.numpy_helper.to_array(tensor) * np.float32(1e30)
                tensor.CopyFrom(onnx.numpy_helper.from_array(values, tensor.name))
        return model.SerializeToString()

    monkeypatch.setitem(onnx_precision.QUANTIZERS, "fp16", overflowing)
    for allow_drift in (False, True):
        with pytest.raises(ParityError, match="difference is max inf"):
            cases["table"].export(tmp_path / "bundle", ["onnx"], ["fp16"], allow_drift=allow_drift)
    assert not (tmp_path / "bundle").exists()


def test_fp32_may_never_drift(cases, tmp_path, monkeypatch):
    real = format_module("onnx").convert

    def convert(graph):
        with_fault = onnx.load_from_string(real(graph))
        tensor = max(with_fault.graph.initializer, key=lambda each: np.prod(each.dims))
        values = onnx.numpy_helper.to_array(tensor) * np.float32(1.001)
        tensor.CopyFrom(onnx.numpy_helper.from_array(values, tensor.name))
        return with_fault.SerializeToString()

    monkeypatch.setattr(format_module("onnx"), "convert", convert)
    with pytest.raises(ParityError, match=r"table as onnx fp32 on .*nothing was written"):
        cases["table"].export(tmp_path / "bundle", ["onnx"], ["fp32", "int8"], allow_drift=True)
    assert not list(tmp_path.iterdir())


def test_calibration_is_asked_for_where_it_is_needed(cases, tmp_path):
    with pytest.raises(CalibrationError, match="need calibration samples") as caught:
        cases["table"].export(tmp_path / "bundle", ["onnx"], ["int8"], calibration=None)
    assert "\n" not in str(caught.value)
    cases["table"].export(tmp_path / "bundle", ["onnx"], ["int8-weights"], calibration=None)


def test_precisions_are_checked_before_anything_is_made(cases, tmp_path):
    with pytest.raises(OptionError, match=r"format 'onnx': unknown precision 'int-8' .did you mean 'int8'.*int16x8"):
        cases["table"].export(tmp_path / "bundle", ["onnx"], ["int-8"])
    with pytest.raises(OptionError, match=r"format 'tflm': unknown precision 'fp16'.*choose from: int8"):
        cases["table"].export(tmp_path / "bundle", ["tflm"], ["fp16"])


def replays(folder):
    """Return the outcome of each file on the engine that it was exported with."""
    _, *files = verify(folder, threads=1)
    models = runtime.Bundle.read(folder).manifest.models
    return {each.file: each for each in files if each.engine == models[each.file].parity.engine}


def test_quantized_files_replay_their_own_answers(exports):
    for kind in exports:
        outcomes = replays(exports[kind].path)
        assert set(outcomes) == set(exports[kind].manifest.models)
        for name, each in outcomes.items():
            tolerance = exports[kind].manifest.models[name].parity.tolerance
            assert (each.passed, each.agreement, each.note) == (True, 1, ""), name
            assert each.max_difference <= min(tolerance, 1e-5)  # on this machine there is no reason to differ
            assert tolerance == REPLAY[exports[kind].manifest.models[name].spec.precision]


@pytest.fixture
def copied(exports, tmp_path):
    return shutil.copytree(exports["table"].path, tmp_path / "bundle")


def test_a_changed_quantized_file_is_caught_by_its_answers_alone(copied):
    model = onnx.load(copied / "model.int8-weights.onnx")
    tensor = next(each for each in model.graph.initializer if each.name.endswith("_scale"))
    values = onnx.numpy_helper.to_array(tensor) * np.float32(1.3)
    tensor.CopyFrom(onnx.numpy_helper.from_array(values, tensor.name))
    replace_file(copied, "model.int8-weights.onnx", model.SerializeToString())
    outcomes = replays(copied)
    assert [name for name, each in outcomes.items() if not each.passed] == ["model.int8-weights.onnx"]
    assert "is over the tolerance 0.05" in outcomes["model.int8-weights.onnx"].note


def test_packs_without_answers_are_replayed_against_pytorch(copied):
    pack = Golden.decode((copied / GOLDEN).read_bytes(), GOLDEN)
    replace_file(copied, GOLDEN, replace(pack, answers={}).encode())
    outcomes = replays(copied)
    assert outcomes["model.onnx"].passed
    assert outcomes["model.tflite"].passed
    assert outcomes["model.fp16.onnx"].max_difference > 0


@pytest.mark.parametrize(
    "damage",
    [
        lambda answers: answers[:-1],
        lambda answers: answers.astype(np.float64),
        lambda answers: answers[:, :3],
        lambda answers: answers.ravel(),
    ],
)
def test_damaged_answers_are_refused(copied, damage):
    pack = Golden.decode((copied / GOLDEN).read_bytes(), GOLDEN)
    changed = {**pack.answers, "model.int8.onnx": damage(pack.answers["model.int8.onnx"])}
    data = replace(pack, answers=changed).encode()
    with pytest.raises(runtime.BundleError, match="not a golden pack"):
        Golden.decode(data, GOLDEN)


def test_answers_of_a_file_that_is_not_there_change_nothing(copied):
    edit_manifest(
        copied, lambda manifest: (manifest["models"].pop("model.int8.onnx"), manifest["files"].pop("model.int8.onnx"))
    )
    (copied / "model.int8.onnx").unlink()
    assert (copied / MANIFEST).is_file()
    assert all(each.passed for each in replays(copied).values())
