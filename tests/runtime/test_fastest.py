"""The fastest file on the fastest engine: measured once, remembered, and never one that gives other answers."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

import runtime
from runtime import EngineError, fastest, measurements
from runtime.bundle import GOLDEN
from runtime.engines import engine_module
from runtime.fastest import Speed, SpeedTable
from tests.runtime.edits import edit_manifest, replace_file


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    """A cache folder of each test's own."""
    folder = tmp_path / "cache"
    folder.mkdir(mode=0o700)
    monkeypatch.setenv("EDGEZOO_CACHE", str(folder))
    return folder


@pytest.fixture
def measured(monkeypatch):
    """The paths that were measured."""
    paths, measure = [], fastest._measure
    monkeypatch.setattr(fastest, "_measure", lambda path, *rest: paths.append(path) or measure(path, *rest))
    monkeypatch.setattr(fastest, "SECONDS", 0.05)
    return paths


def entries(folder):
    return list((folder / "speeds").iterdir())


def speed(file, seconds, passed=True, drift="", engine="onnxruntime"):
    return Speed(file, "fp32", engine, "1", "cpu", seconds, passed, drift, "")


def negated(data):
    """Return an ONNX file whose last matrix product gives the opposite."""
    model = onnx.load_from_string(data)
    constants = {each.name: each for each in model.graph.initializer}
    *_, last = [node for node in model.graph.node if node.op_type in ("Gemm", "MatMul")]
    for name in last.input[1:]:
        constants[name].CopyFrom(numpy_helper.from_array(-numpy_helper.to_array(constants[name]), name))
    return model.SerializeToString()


def test_the_fastest_of_every_file_and_engine_is_opened(tiny_bundle, measured):
    model = runtime.load(tiny_bundle, engine="fastest", trusted=True)
    table = fastest.fastest(tiny_bundle)
    assert measured == [tiny_bundle]
    assert [(each.file, each.engine) for each in table.speeds] == [
        ("model.onnx", "onnxruntime"),
        ("model.onnx", "openvino"),
        ("model.tflite", "litert"),
    ]
    assert all(each.passed and 0 < each.seconds < 0.1 and each.device == "cpu" for each in table.speeds)
    assert min(each.seconds for each in table.speeds) >= table.chosen.seconds / 1.05
    assert (model.file.name, model.engine_name) == (table.chosen.file, table.chosen.engine)
    assert model.skipped == table.reasons
    assert len(table.reasons) == 2
    image = np.full((12, 10, 3), 90, np.uint8)
    assert model.predict(image).label == runtime.load(tiny_bundle, trusted=True).predict(image).label


def test_a_result_is_kept_for_the_same_settings_alone(tiny_bundle, measured, own_cache):
    for threads, options in ((None, None), (None, {}), (2, None), (2, {})):
        runtime.load(tiny_bundle, engine="fastest", threads=threads, options=options, trusted=True)
    assert len(measured) == len(entries(own_cache)) == 2


@pytest.mark.parametrize("content", [b"", b"{", b'{"speeds": [{"file": 3}]}', b'{"speeds": null}'])
def test_a_damaged_entry_is_measured_anew(tiny_bundle, measured, own_cache, content):
    table = fastest.fastest(tiny_bundle, trusted=True)
    (entry,) = entries(own_cache)
    entry.write_bytes(content)
    assert len(fastest.fastest(tiny_bundle, trusted=True).speeds) == len(table.speeds)
    assert len(measured) == 2
    fastest.fastest(tiny_bundle, trusted=True)
    assert len(measured) == 2


def test_an_entry_that_others_may_write_does_not_count(tiny_bundle, measured, own_cache):
    fastest.fastest(tiny_bundle, trusted=True)
    (entry,) = entries(own_cache)
    entry.chmod(0o666)
    fastest.fastest(tiny_bundle, trusted=True)
    assert len(measured) == 2


def test_without_a_cache_folder_it_is_measured_each_time(tiny_bundle, measured, monkeypatch, tmp_path):
    monkeypatch.setenv("EDGEZOO_CACHE", str(tmp_path / "file"))
    (tmp_path / "file").touch()
    for _ in range(2):
        assert runtime.load(tiny_bundle, engine="fastest", trusted=True).file.parent == tiny_bundle
    assert len(measured) == 2


def test_another_version_of_a_library_is_measured_anew(tiny_bundle, measured, monkeypatch):
    fastest.fastest(tiny_bundle, trusted=True)
    library = measurements.library
    monkeypatch.setattr(measurements, "library", lambda engine: library(engine) + " updated" * (engine == "litert"))
    fastest.fastest(tiny_bundle, trusted=True)
    assert len(measured) == 2


def test_a_changed_file_is_measured_anew_and_not_chosen_if_its_answers_are_others(bundle_copy, measured):
    fastest.fastest(bundle_copy, trusted=True)
    replace_file(bundle_copy, "model.onnx", negated((bundle_copy / "model.onnx").read_bytes()))
    model = runtime.load(bundle_copy, engine="fastest", trusted=True)
    assert len(measured) == 2
    assert (model.file.name, model.engine_name) == ("model.tflite", "litert")
    assert len(model.skipped) == 2
    assert all("decisions agree" in reason for reason in model.skipped)


def test_an_engine_that_gives_other_answers_is_not_chosen(tiny_bundle, measured, monkeypatch):
    chosen = fastest.fastest(tiny_bundle, trusted=True).chosen
    module = engine_module(chosen.engine)
    opens = module.open

    class Wrong:
        def __init__(self, engine):
            self.engine = engine
            self.version, self.device, self.threads, self.skipped = engine.version, engine.device, engine.threads, ()

        def run(self, inputs):
            return {name: -array for name, array in self.engine.run(inputs).items()}

    monkeypatch.setattr(module, "open", lambda *args: Wrong(opens(*args)))
    table = fastest.fastest(tiny_bundle, trusted=True, threads=1)
    (wrong,) = [each for each in table.speeds if each.engine == chosen.engine]
    assert wrong.passed is False
    assert "decisions agree" in wrong.note
    assert table.chosen.engine != chosen.engine


def test_nothing_is_opened_where_no_answers_are_the_bundles(bundle_copy, measured):
    golden = runtime.Bundle.read(bundle_copy).golden()
    replace_file(bundle_copy, GOLDEN, replace(golden, outputs=-golden.outputs).encode())
    with pytest.raises(EngineError) as caught:
        runtime.load(bundle_copy, engine="fastest", trusted=True)
    assert str(caught.value).startswith(f"{bundle_copy}: no engine here runs it and gives its answers: model.onnx on ")
    assert len(str(caught.value).splitlines()) == 1


def test_a_device_is_never_replaced(tiny_bundle, measured):
    with pytest.raises(EngineError, match="has no device 'cuda' here") as caught:
        runtime.load(tiny_bundle, engine="fastest", device="cuda", trusted=True)
    assert len(str(caught.value).splitlines()) == 1
    assert {each.passed for each in fastest.fastest(tiny_bundle, device="cuda").speeds} == {None}


def test_one_file_is_timed_on_its_engines_without_a_golden_pack(tiny_bundle, measured, tmp_path):
    file = shutil.copy(tiny_bundle / "model.onnx", tmp_path)
    model = runtime.load(file, engine="fastest", trusted=True)
    table = fastest.fastest(file)
    assert {each.engine for each in table.speeds} == {"onnxruntime", "openvino"}
    assert {each.passed for each in table.speeds} == {None}
    assert model.engine_name == table.chosen.engine
    assert len(measured) == 1


def test_a_bundle_without_a_golden_pack_is_timed(bundle_copy, measured):
    def drop(manifest):
        manifest["golden"] = {"kind": "none", "samples": 0}
        del manifest["files"][GOLDEN]

    edit_manifest(bundle_copy, drop)
    table = fastest.fastest(bundle_copy, trusted=True)
    assert table.chosen.passed is None
    assert {each.note for each in table.speeds} == {"there is no golden pack to compare with"}


def test_what_keeps_the_promise_comes_before_what_is_faster():
    wrong, drifting, unproved = speed("a", 1.0, passed=False), speed("b", 1.0, drift="loses"), speed("c", 1.0, None)
    good, better = speed("d", 9.0), speed("e", 8.0)
    assert SpeedTable((wrong, drifting, unproved, good, better)).chosen == better
    assert SpeedTable((wrong, drifting, unproved)).chosen == drifting
    assert SpeedTable((wrong, unproved)).chosen == unproved
    assert SpeedTable((wrong, speed("f", None, None))).chosen is None
    assert SpeedTable(()).chosen is None


def test_of_equals_the_first_is_chosen():
    first, second = speed("a", 1.04), speed("b", 1.0)
    assert SpeedTable((first, second)).chosen == first
    assert SpeedTable((speed("a", 1.06), second)).chosen == second


def test_slow_models_are_not_proved_where_that_changes_nothing(tiny_bundle, measured, monkeypatch):
    monkeypatch.setattr(fastest, "_in_turns", lambda *_: {0: 3.0, 1: 2.0, 2: 4.0})
    table = fastest.fastest(tiny_bundle, trusted=True)
    assert [each.passed for each in table.speeds] == [None, True, None]
    assert table.chosen.engine == "openvino"
    assert table.speeds[2].note == "its answers were not compared, since another is faster"


def test_other_engines_do_not_load_what_measures(tiny_bundle):
    script = "import runtime, sys; runtime.load(sys.argv[1], trusted=True); print('runtime.fastest' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", script, tiny_bundle], capture_output=True, text=True, check=True)
    assert result.stdout == "False\n"


CHILD = """
import json, sys
from runtime import fastest
count, measure = [], fastest._measure
fastest._measure = lambda *rest: count.append(1) or measure(*rest)
fastest.SECONDS = 0.05
chosen = fastest.fastest(sys.argv[1], trusted=True).chosen
print(json.dumps([chosen.file, chosen.engine, chosen.seconds, len(count)]))
"""


def test_processes_at_the_same_time_measure_once_and_agree(tiny_bundle):
    children = [
        subprocess.Popen([sys.executable, "-c", CHILD, tiny_bundle], stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    results = [json.loads(child.communicate(timeout=60)[0]) for child in children]
    assert len({(file, engine, seconds) for file, engine, seconds, _ in results}) == 1
    assert sum(count for *_, count in results) == 1


def test_what_is_clearly_slower_is_timed_no_longer():
    class Sleeper:
        def __init__(self, seconds):
            self.seconds, self.runs = seconds, 0

        def forward(self, sample):
            time.sleep(self.seconds)
            self.runs += 1

    milliseconds = (2, 2.2, 6, 30)
    models = {at: Sleeper(each / 1e3) for at, each in enumerate(milliseconds)}
    seconds = fastest._in_turns(models, {at: each.seconds for at, each in models.items()}, None)
    assert set(seconds) == {0, 1, 2}
    assert models[2].runs < models[1].runs / 2
    assert models[3].runs == 0
    assert fastest._in_turns(models, {0: 1e-3, 3: 30e-3}, None) == {}
