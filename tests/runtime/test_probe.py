"""A file that was never opened here is tried in a child process; what ends the child doesn't end us."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

import runtime
from runtime import EngineError
from runtime.candidates import candidates
from runtime.engines import engine_module
from runtime.isolation import probe
from runtime.isolation.probe import STARTED, Ending
from runtime.runner import GraphRunner
from tests.conftest import export_tiny
from tests.engines import FLOAT_ENGINES
from tests.runtime.edits import edit_manifest, replace_file
from tests.runtime.hostile import at_batch, constant, for_ever, greedy, hostile

FIXTURES = Path(__file__).parents[1] / "fixtures"
SUFFIX = {name: engine_module(name).FORMAT for name in FLOAT_ENGINES}


@pytest.fixture
def cold(tmp_path, monkeypatch):
    """A cache folder in which nothing has passed yet."""
    monkeypatch.setenv("EDGEZOO_CACHE", str(tmp_path / "cold"))
    return tmp_path / "cold"


@pytest.fixture
def children(cold, monkeypatch):
    """Every child that was started, by how it ended."""
    endings = []
    spawn = probe.spawn

    def noted(request, seconds):
        endings.append(spawn(request, seconds))
        return endings[-1]

    monkeypatch.setattr(probe, "spawn", noted)
    return endings


def complaint(*args, **options):
    with pytest.raises(EngineError) as caught:
        runtime.load(*args, **options)
    text = str(caught.value)
    assert len(text.splitlines()) == 1
    return text


@pytest.mark.parametrize("engine", FLOAT_ENGINES)
def test_a_file_is_tried_once(tiny_bundle, children, photo, engine):
    for _ in range(2):
        model = runtime.load(tiny_bundle, engine=engine)
        assert model.skipped == ()
    assert children == [Ending(STARTED + b'""', 0)]
    alone = runtime.load(tiny_bundle / f"model.{SUFFIX[engine]}", engine=engine)
    assert len(children) == 1, "the same file with the same promises"
    assert np.array_equal(model.predict(photo).scores, alone.predict(photo).scores)


def test_what_was_exported_here_has_passed(tmp_path, monkeypatch):
    monkeypatch.setattr(probe, "spawn", None)
    export_tiny(tmp_path / "bundle")
    assert runtime.load(tmp_path / "bundle").skipped[0].endswith("'onnxruntime' comes first")
    assert runtime.load(tmp_path / "bundle", engine="litert").skipped == ()


def test_another_version_of_the_engine_tries_again(tiny_bundle, children, monkeypatch):
    runtime.load(tiny_bundle)
    monkeypatch.setattr(engine_module("onnxruntime"), "version", lambda: "onnxruntime 99")
    runtime.load(tiny_bundle)
    assert len(children) == 2


def test_other_promises_are_tried_again(bundle_copy, children):
    runtime.load(bundle_copy, engine="onnxruntime")
    edit_manifest(bundle_copy, lambda m: m["model"]["output"].update(labels=["cat", "dog", "fox", "elk"]))
    text = complaint(bundle_copy, engine="onnxruntime")
    assert text == "model.onnx: the .onnx file gave float32 [1, 3] for float32 [1, 4]"
    assert len(children) == 2


@pytest.mark.parametrize("engine", FLOAT_ENGINES)
def test_trust_starts_no_child(tiny_bundle, cold, monkeypatch, engine):
    monkeypatch.setattr(probe, "spawn", None)
    runtime.load(tiny_bundle, engine=engine, trusted=True)
    assert not (cold / "probed").exists()


@pytest.mark.skipif(os.name != "posix", reason="modes of POSIX")
def test_an_entry_that_others_may_write_is_not_believed(tiny_bundle, children, cold):
    runtime.load(tiny_bundle)
    (entry,) = (cold / "probed").iterdir()
    entry.chmod(0o666)
    runtime.load(tiny_bundle)
    assert len(children) == 2


def test_without_a_cache_folder_every_load_is_a_trial(tiny_bundle, children, cold, monkeypatch):
    cold.touch()
    runtime.load(tiny_bundle)
    runtime.load(tiny_bundle)
    assert len(children) == 2


@pytest.mark.parametrize("frozen", [True, False])
def test_where_no_child_can_be_started_the_model_says_so(tiny_bundle, cold, monkeypatch, photo, frozen):
    if frozen:
        monkeypatch.setattr(sys, "frozen", True, raising=False)
        reason = "this program is no Python interpreter"
    else:
        monkeypatch.setattr("multiprocessing.spawn.get_executable", lambda: "/absent/python")
        reason = "No such file or directory"
    model = runtime.load(tiny_bundle, engine="onnxruntime")
    (note,) = model.skipped
    assert note.startswith("model.onnx was opened without a trial: no child process can be started here (")
    assert reason in note
    assert model.predict(photo).label in model.labels
    assert not (cold / "probed").exists()


@pytest.mark.parametrize("program", ["/usr/bin/blender", b"/opt/app", "", None])
def test_a_program_that_embeds_python_is_not_started_anew(tiny_bundle, cold, monkeypatch, program):
    monkeypatch.setattr("multiprocessing.spawn.get_executable", lambda: program)
    (note,) = runtime.load(tiny_bundle, engine="onnxruntime").skipped
    assert note.endswith("(this program is no Python interpreter)")


def test_entries_of_the_path_that_are_no_text(tiny_bundle, children, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", [tmp_path, None, b"/absent", *sys.path])
    runtime.load(tiny_bundle)
    assert children == [Ending(STARTED + b'""', 0)]


def test_a_child_that_does_not_start_is_not_the_files_fault(tiny_bundle, cold, monkeypatch, tmp_path):
    (tmp_path / "python3").symlink_to("/bin/false")
    monkeypatch.setattr("multiprocessing.spawn.get_executable", lambda: str(tmp_path / "python3"))
    (note,) = runtime.load(tiny_bundle, engine="onnxruntime").skipped
    assert note.endswith("the child process did not start (ended with exit status 1)")


def test_the_working_folder_is_not_imported_from(tiny_bundle, children, tmp_path, monkeypatch):
    for name in ("json.py", "numpy.py", "runtime.py"):
        (tmp_path / name).write_text("raise SystemExit(3)")
    monkeypatch.chdir(tmp_path)
    runtime.load(tiny_bundle)
    assert children == [Ending(STARTED + b'""', 0)]


def test_a_file_that_hangs_its_engine(bundle_copy, cold, monkeypatch):
    monkeypatch.setattr(probe, "SECONDS", 1)
    for_ever(bundle_copy)
    text = complaint(bundle_copy, engine="onnxruntime")
    assert text.startswith("model.onnx: engine 'onnxruntime' took over 1 s when a child process tried the file")
    assert runtime.load(bundle_copy).engine_name == "litert", "auto takes the file that works, and says why"
    assert "took over 1 s" in runtime.load(bundle_copy).skipped[0]


@pytest.mark.parametrize("size", [5, 8, 32])
def test_a_file_that_hangs_at_one_size_of_the_batch(bundle_copy, cold, monkeypatch, size):
    monkeypatch.setattr(probe, "SECONDS", 1)
    for_ever(bundle_copy, at_batch(size))
    text = complaint(bundle_copy, engine="onnxruntime")
    assert text.startswith("model.onnx: engine 'onnxruntime' took over 1 s when a child process tried the file")


def large(bundle, side):
    """Let the bundle's model take squares of `side` pixels, of which it gives the mean colour."""
    nodes = [
        helper.make_node("Cast", ["image"], ["values"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["values", "axes"], ["logits"], keepdims=0),
    ]
    hostile(bundle, nodes, [constant("axes", 1, 2)], logits=["batch", 3])
    model = onnx.load(bundle / "model.onnx")
    for axis in (1, 2):
        model.graph.input[0].type.tensor_type.shape.dim[axis].dim_value = side
    replace_file(bundle, "model.onnx", model.SerializeToString())

    def change(manifest):
        manifest["model"]["input"]["shape"] = [side, side, 3]
        for step in manifest["model"]["input"]["preprocess"]:
            step |= {"width": side, "height": side} if "width" in step else {}

    edit_manifest(bundle, change)


def test_a_large_input_gives_more_time(bundle_copy, cold, monkeypatch):
    """A network for 1536 pixels may well take a quarter of a minute for one image."""
    limits = []
    monkeypatch.setattr(
        runtime.isolation.probe, "spawn", lambda _, seconds: limits.append(seconds) or Ending(STARTED + b'""', 0)
    )
    runtime.load(bundle_copy, engine="onnxruntime")
    large(bundle_copy, 1536)
    runtime.load(bundle_copy, engine="onnxruntime")
    small, more = (seconds / probe.PATIENCE for seconds in limits)
    assert small == probe.SECONDS
    assert more > 100


def test_a_slow_file_runs_once(bundle_copy, monkeypatch):
    """Its promise of any batch is not tried then, for that would take as long again for each sample."""
    large(bundle_copy, 12)
    (choice,) = (each for each in candidates(bundle_copy) if each.file.name == "model.onnx")
    batches = []
    forward = GraphRunner.forward
    monkeypatch.setattr(GraphRunner, "forward", lambda *args: batches.append(len(args[1])) or forward(*args))
    asked = (choice.spec, choice.file_spec, "onnxruntime", choice.read())
    assert probe._complaint(*asked) == ""
    monkeypatch.setattr(probe, "SECONDS", 0)
    assert probe._complaint(*asked) == ""
    assert batches[:4] == [1, 3, 8, 32]
    assert set(batches[:-1]) == set(range(1, 33)), "every size in which inputs are answered"
    assert batches[-1] == 1


def test_a_file_that_waits_without_computing(bundle_copy, cold, monkeypatch):
    monkeypatch.setattr(probe, "SECONDS", 1)
    sleep = "import sys, time; sys.stdout.buffer.write(b'started\\n'); sys.stdout.flush(); time.sleep(99)"
    monkeypatch.setattr(probe, "_CHILD", sleep)
    text = complaint(bundle_copy, engine="litert")
    assert text.startswith("model.tflite: engine 'litert' took over 1 s when a child process tried the file")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits of Linux")
def test_a_file_that_takes_too_much_memory(bundle_copy, cold):
    greedy(bundle_copy)
    assert complaint(bundle_copy, engine="onnxruntime").startswith("model.onnx: engine 'onnxruntime' failed: ")


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_a_file_that_crashes_its_engine(bundle_copy, cold, monkeypatch):
    monkeypatch.setattr(probe, "spawn", lambda *_: Ending(STARTED, -signal.SIGSEGV))
    text = complaint(bundle_copy, engine="litert")
    assert text == (
        "model.tflite: engine 'litert' died of SIGSEGV when a child process tried the file: don't use it; if you made "
        "it yourself, trusted=True skips the trial"
    )
    assert not (cold / "probed").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="where it was found")
def test_a_tflite_file_that_reads_beyond_a_table(tmp_path, cold, children):
    """Found by the fuzz: one byte of an offset. The engine crashes or complains, by what lies in memory there."""
    data = bytearray((FIXTURES / "format-2" / "model.tflite").read_bytes())
    assert data[3500] == 8
    data[3500] = 12
    (tmp_path / "model.tflite").write_bytes(data)
    if engine_module("litert").version().startswith("ai_edge_litert 2.3."):
        said = complaint(tmp_path / "model.tflite")
        assert "died of SIGSEGV" in said or "can't open the model" in said
        assert len(children) == 1
        assert not (cold / "probed").exists()


def test_a_graph_of_another_dtype(bundle_copy, cold):
    nodes = [
        helper.make_node("ConstantOfShape", ["size"], ["logits"], value=constant("v", 0.0, dtype=TensorProto.DOUBLE))
    ]
    hostile(bundle_copy, nodes, [constant("size", 1, 3)], dtype=TensorProto.DOUBLE)
    text = complaint(bundle_copy, engine="onnxruntime")
    assert text == "model.onnx: the .onnx file gave float64 [1, 3] for float32 [1, 3]"


def test_a_graph_whose_batch_is_frozen_unlike_its_manifest(bundle_copy, cold):
    hostile(bundle_copy, [helper.make_node("ConstantOfShape", ["size"], ["logits"])], [constant("size", 1, 3)])
    text = complaint(bundle_copy, engine="onnxruntime")
    assert text == "model.onnx: the .onnx file gave float32 [1, 3] for float32 [3, 3]"


def test_a_graph_of_another_input_shape(bundle_copy, cold):
    model = onnx.load(bundle_copy / "model.onnx")
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_value = 14
    replace_file(bundle_copy, "model.onnx", model.SerializeToString())
    assert complaint(bundle_copy, engine="onnxruntime").startswith("model.onnx: engine 'onnxruntime' ")


def test_a_graph_whose_output_is_no_tensor(bundle_copy, cold):
    hostile(bundle_copy, [helper.make_node("SequenceEmpty", [], ["logits"])])
    model = onnx.load(bundle_copy / "model.onnx")
    model.graph.output[0].type.CopyFrom(helper.make_sequence_type_proto(helper.make_tensor_type_proto(1, None)))
    replace_file(bundle_copy, "model.onnx", model.SerializeToString())
    assert "its output 'logits' is a seq(tensor(float)), not a tensor" in complaint(bundle_copy, engine="onnxruntime")


@pytest.mark.parametrize("engine", FLOAT_ENGINES)
def test_a_state_of_another_shape(sequence_bundle, tmp_path, cold, engine):
    bundle = shutil.copytree(sequence_bundle, tmp_path / "bundle")
    name = f"model.step.{SUFFIX[engine]}"
    edit_manifest(bundle, lambda m: m["models"][name]["spec"]["state"][0].update(shape=[3]))
    model = runtime.load(bundle, engine=engine)
    with pytest.raises(EngineError, match=name):
        model.stream([[20.0, -3.0]])


def test_verify_tries_files_too(bundle_copy, cold, monkeypatch):
    monkeypatch.setattr(probe, "SECONDS", 1)
    for_ever(bundle_copy)
    from runtime.verify import Replay, verify

    replays = {each.file: each for each in verify(bundle_copy) if isinstance(each, Replay)}
    assert replays["model.onnx"].passed is False
    assert "took over 1 s" in replays["model.onnx"].note
    assert replays["model.tflite"].passed
