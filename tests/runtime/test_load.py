"""Which file opens on which engine, and why not another."""

from __future__ import annotations

import os
import shutil
import sys
import threading
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper

import runtime
from export.formats import tflite
from runtime import BundleError, DeviceError, EngineError, MissingExtraError, OptionError, ZooError
from runtime.concurrency.threads import SMALL, default_threads, usable_cpus
from runtime.engines import engine_module, engine_names
from runtime.pyinstaller import hook_folders
from runtime.verify import Replay, verify
from tests.engines import FLOAT_ENGINES
from tests.runtime.edits import edit_manifest, remove_model
from tests.runtime.forked import made_up

SUFFIXES = ("onnx", "tflite")
LIBRARIES = {
    "onnxruntime": ["onnxruntime"],
    "litert": ["ai_edge_litert", "tflite_runtime"],
    "openvino": ["openvino"],
}
EXTRAS = {"onnxruntime": "onnx", "litert": "litert", "openvino": "openvino"}


@pytest.fixture
def hide(monkeypatch):
    """Make an engine's libraries look as if they were not installed."""

    def hide(engine):
        for library in LIBRARIES[engine]:
            monkeypatch.setitem(sys.modules, library, None)

    return hide


def complaint(kind, *args, **options):
    with pytest.raises(kind) as caught:
        runtime.load(*args, **options)
    assert isinstance(caught.value, ZooError)
    text = str(caught.value)
    assert len(text.splitlines()) == 1
    return text


def test_auto_takes_onnxruntime_and_says_why_not_litert(tiny_bundle):
    model = runtime.load(tiny_bundle)
    assert (model.engine_name, model.file.name, model.engine.device) == ("onnxruntime", "model.onnx", "cpu")
    assert model.skipped == (
        "engine 'litert' was not needed: 'onnxruntime' comes first",
        "engine 'openvino' was not needed: 'onnxruntime' comes first",
    )
    assert model.engine.version == f"onnxruntime {version('onnxruntime')}"


def test_a_file_that_the_library_would_answer_wrongly_is_refused(bundle_copy, monkeypatch):
    """tflite_runtime opens int8-dynamic files and gives other answers, on x86-64 and on ARM."""

    def change(manifest):
        manifest["models"]["model.tflite"]["spec"]["precision"] = "int8-dynamic"

    edit_manifest(bundle_copy, change)
    assert runtime.load(bundle_copy, engine="litert").file_spec.precision == "int8-dynamic"
    monkeypatch.setattr("runtime.engines.litert.find_spec", lambda name: name == "tflite_runtime")
    message = complaint(EngineError, bundle_copy, engine="litert")
    assert message.startswith("model.tflite: tflite_runtime answers int8-dynamic files wrongly")
    assert [
        each.passed for each in verify(bundle_copy) if isinstance(each, Replay) and each.file == "model.tflite"
    ] == [None]


def test_an_engine_is_taken_by_name(tiny_bundle):
    model = runtime.load(tiny_bundle, engine="litert")
    assert (model.engine_name, model.file.name, model.skipped) == ("litert", "model.tflite", ())


def test_auto_takes_the_engine_that_runs_what_is_there(bundle_copy):
    remove_model(bundle_copy, "model.onnx")
    model = runtime.load(bundle_copy)
    assert model.engine_name == "litert"
    assert len(model.skipped) == 1
    assert model.skipped[0].startswith("engine 'onnxruntime' runs .onnx files;")


def test_a_bundle_without_the_engines_format_says_what_there_is(bundle_copy):
    remove_model(bundle_copy, "model.onnx")
    text = complaint(EngineError, bundle_copy, engine="onnxruntime")
    assert text == f"engine 'onnxruntime' runs .onnx files; {bundle_copy} has only model.tflite"


def test_an_unknown_engine(tiny_bundle):
    text = complaint(OptionError, tiny_bundle, engine="onnxrutime")
    choices = "auto, fastest, litert, onnxruntime, openvino, tflm"
    assert text == f"unknown engine 'onnxrutime' (did you mean 'onnxruntime'?); choose from: {choices}"


@pytest.mark.parametrize("engine", FLOAT_ENGINES)
def test_a_device_is_never_replaced_silently(tiny_bundle, engine):
    text = complaint(DeviceError, tiny_bundle, engine=engine, device="cuda")
    assert text.startswith(f"engine {engine!r} has no device 'cuda' here")
    assert text.endswith("; it has: cpu")


def test_auto_keeps_to_the_device_too(tiny_bundle):
    text = complaint(DeviceError, tiny_bundle, device="cuda")
    assert text.startswith(f"{tiny_bundle}: no engine here can run it: ")
    assert text.count("no device 'cuda' here") == 3


@pytest.fixture
def broken_cuda(monkeypatch):
    """Make ONNX Runtime promise a device that it can't start: it then falls back to the CPU."""
    monkeypatch.setattr(
        onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider", "CUDAExecutionProvider"]
    )


@pytest.mark.filterwarnings("ignore:Specified provider:UserWarning")
def test_a_device_that_does_not_start_is_an_error(tiny_bundle, broken_cuda):
    text = complaint(DeviceError, tiny_bundle, engine="onnxruntime", device="cuda")
    assert text.endswith("did not start CUDAExecutionProvider; it fell back to CPUExecutionProvider")


@pytest.mark.filterwarnings("ignore:Specified provider:UserWarning")
def test_auto_passes_over_a_device_that_does_not_start_and_says_so(tiny_bundle, broken_cuda):
    model = runtime.load(tiny_bundle)
    assert model.engine.device == "cpu"
    assert model.skipped[0].endswith("did not start CUDAExecutionProvider; it fell back to CPUExecutionProvider")


@pytest.mark.parametrize("threads", [0, -1])
def test_threads_below_1_are_refused(tiny_bundle, threads):
    assert complaint(OptionError, tiny_bundle, threads=threads) == f"threads must be 1 to 1024, got {threads}"


@pytest.mark.parametrize("engine", FLOAT_ENGINES)
def test_threads_reach_the_engine(tiny_bundle, engine):
    assert runtime.load(tiny_bundle, engine=engine, threads=1).engine.threads == 1
    assert runtime.load(tiny_bundle, engine=engine, threads=2).engine.threads == 2


@pytest.mark.parametrize("engine", FLOAT_ENGINES)
def test_a_small_model_gets_one_thread_by_default(tiny_bundle, engine):
    assert runtime.load(tiny_bundle, engine=engine).engine.threads == 1
    assert default_threads(SMALL) == usable_cpus() >= 1


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_model_file_alone_is_enough(tiny_bundle, tmp_path, photo, suffix):
    alone = shutil.copy(tiny_bundle / f"model.{suffix}", tmp_path / f"renamed.{suffix}")
    model = runtime.load(alone)
    whole = runtime.load(tiny_bundle, engine=model.engine_name)
    assert model.spec == whole.spec
    assert model.file_spec == whole.file_spec
    assert np.array_equal(model.predict(photo).scores, whole.predict(photo).scores)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_model_file_alone_needs_its_own_engine(tiny_bundle, suffix):
    other = {"onnx": "litert", "tflite": "onnxruntime"}[suffix]
    assert f"has only model.{suffix}" in complaint(EngineError, tiny_bundle / f"model.{suffix}", engine=other)


def test_an_onnx_file_of_somebody_else(tiny_bundle, tmp_path):
    model = onnx.load(tiny_bundle / "model.onnx")
    del model.metadata_props[:]
    onnx.save(model, tmp_path / "model.onnx")
    assert "carries no edgezoo metadata" in complaint(BundleError, tmp_path / "model.onnx")


def test_a_tflite_file_of_somebody_else(tiny_bundle, tmp_path):
    data = (tiny_bundle / "model.tflite").read_bytes()
    assert data.count(b"edgezoo\0") == 1
    (tmp_path / "model.tflite").write_bytes(data.replace(b"edgezoo\0", b"another\0"))
    assert "carries no edgezoo metadata" in complaint(BundleError, tmp_path / "model.tflite")


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("text", ["{}", "[]", "not JSON", '{"format": 2}', '{"format": 1}'])
def test_metadata_that_breaks_the_contract(tiny_bundle, tmp_path, suffix, text):
    if suffix == "onnx":
        model = onnx.load(tiny_bundle / "model.onnx")
        helper.set_model_props(model, {"edgezoo": text})
        data = model.SerializeToString()
    else:
        data = (tiny_bundle / "model.tflite").read_bytes().replace(b"edgezoo\0", b"another\0")
        data = tflite.embed(data, "edgezoo", text)
    (tmp_path / f"model.{suffix}").write_bytes(data)
    text = complaint(runtime.ManifestError, tmp_path / f"model.{suffix}")
    assert text.startswith(f"{tmp_path / f'model.{suffix}'}'s metadata: ")


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize(
    "data",
    [b"", b"garbage" * 99, bytes(64), b"\x1c\0\0\0TFL3" + b"\xff" * 99],
    ids=["empty", "text", "zeros", "head"],
)
def test_garbage(tmp_path, suffix, data):
    path = tmp_path / f"model.{suffix}"
    path.write_bytes(data)
    assert complaint(BundleError, path).startswith(f"{path}: ")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_model_file_that_is_not_there(tmp_path, suffix):
    path = tmp_path / f"absent.{suffix}"
    assert complaint(BundleError, path).startswith(f"{path}: ")


@pytest.mark.timeout(10)
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_pipe_is_not_waited_for(tmp_path, suffix):
    os.mkfifo(tmp_path / f"model.{suffix}")
    complaint(BundleError, tmp_path / f"model.{suffix}")


@pytest.mark.parametrize("engine", FLOAT_ENGINES)
def test_a_graph_that_the_engine_refuses(tiny_bundle, engine):
    module = engine_module(engine)
    data = (tiny_bundle / f"model.{module.FORMAT}").read_bytes()
    with pytest.raises(EngineError, match=f"engine '{engine}' can't open the model"):
        module.open(data[: len(data) // 2], inputs=("image",), outputs=("logits",))


@pytest.mark.parametrize("engine", FLOAT_ENGINES)
def test_an_engine_that_is_not_installed(tiny_bundle, hide, engine):
    hide(engine)
    text = complaint(MissingExtraError, tiny_bundle, engine=engine)
    assert text == f"engine {engine!r} is not installed: pip install 'edgezoo[{EXTRAS[engine]}]'"


def test_auto_takes_the_engine_that_is_installed(tiny_bundle, hide):
    hide("onnxruntime")
    model = runtime.load(tiny_bundle)
    assert model.engine_name == "litert"
    assert model.skipped[0] == "engine 'onnxruntime' is not installed: pip install 'edgezoo[onnx]'"


def test_no_engine_is_installed(tiny_bundle, hide):
    for engine in FLOAT_ENGINES:
        hide(engine)
    text = complaint(EngineError, tiny_bundle)
    assert "pip install 'edgezoo[onnx]'" in text
    assert "pip install 'edgezoo[litert]'" in text


def test_an_onnx_file_alone_names_the_missing_engine(tiny_bundle, hide):
    hide("onnxruntime")
    hide("openvino")
    text = complaint(EngineError, tiny_bundle / "model.onnx")
    assert "pip install 'edgezoo[onnx]'" in text
    assert "pip install 'edgezoo[openvino]'" in text


MODELS = Path(__file__).parents[2] / "zoo" / "models"
LSTM = next(MODELS.glob("*/model.step.onnx")).parent.name


@pytest.mark.parametrize("change", ["removed", "replaced", "elsewhere"])
@pytest.mark.parametrize("engine", FLOAT_ENGINES)
def test_a_loaded_model_needs_its_files_no_more(tmp_path, monkeypatch, engine, change):
    """Lists and reports open the file once more, and streams another one."""
    monkeypatch.chdir(tmp_path)
    names = ("mnist-cnn", LSTM)
    for name in names:
        shutil.copytree(MODELS / name, name)
    models = [runtime.load(name, engine=engine, threads=2, trusted=True) for name in names]
    samples = [made_up(model) for model in models]
    expected = [model.predict(sample).scores for model, sample in zip(models, samples, strict=True)]
    files = [file for name in names for file in (tmp_path / name).iterdir()]
    for file in files:
        if change == "removed":
            file.unlink()
        elif change == "replaced":
            file.write_bytes(b"other")
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "other")
    for model, sample, scores in zip(models, samples, expected, strict=True):
        assert np.allclose(model.predict([sample] * 3)[2].scores, scores, atol=1e-6)
        assert model.forward(model.spec.input.read(sample)[None]).shape == (1, 10)
        assert model.report().engine == model.engine.version
        assert model.file.is_absolute()
        copies = [threading.Thread(target=model.predict, args=(sample,)) for _ in range(3)]
        for thread in copies:
            thread.start()
        for thread in copies:
            thread.join()
    assert np.allclose(list(models[1].stream(samples[1]))[-1].scores, expected[1], atol=1e-5)


@pytest.mark.parametrize("engine", [*FLOAT_ENGINES, "tflm"])
def test_nothing_can_be_written(engine, monkeypatch, tmp_path):
    """No temporary folder, and no cache folder."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "absent"))
    monkeypatch.setenv("EDGEZOO_CACHE", "/proc/edgezoo")
    smallest = Path(runtime.__file__).parent / "smallest" / f"model.{engine_module(engine).FORMAT}"
    model = runtime.load(smallest, engine=engine)
    assert model.predict(np.zeros((8, 8, 3), np.uint8)).label in model.labels
    (part,) = (part for part in model.report().parts if part.share > 0.5)
    assert part.device == "cpu"
    assert part.nodes > 0
    with pytest.raises(EngineError, match="tflm" if engine == "tflm" else engine):
        engine_module(engine).open(smallest.read_bytes()[:300], ("image",), ("logits",))


def test_a_program_that_was_packaged_without_its_engines(tiny_bundle, monkeypatch):
    monkeypatch.setattr("runtime.engines._present", lambda: ())
    engine_names.cache_clear()
    try:
        assert "packaged without the modules of runtime.engines" in complaint(EngineError, tiny_bundle)
    finally:
        engine_names.cache_clear()


def test_packagers_are_told_what_to_collect():
    (folder,) = hook_folders()
    assert {file.name for file in Path(folder).glob("hook-*.py")} == {"hook-runtime.py", "hook-zoo.py"}
    for name in engine_names():
        assert any(find_spec(library) for library in engine_module(name).LIBRARIES)
