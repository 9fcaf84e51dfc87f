"""Which device runs a file: the order of `auto`, what is strict, what really ran, and external delegates for real."""

from __future__ import annotations

import gc
import json
import shutil
import subprocess
import sys
from pathlib import Path
from weakref import WeakSet

import numpy as np
import onnxruntime
import pytest

import runtime
from runtime import DeviceError, EngineError
from runtime.concurrency.engine_pool import EnginePool
from runtime.engines import DeviceInfo, Settings, engine_module, engine_names, open_best
from runtime.engines import onnxruntime as ort
from runtime.engines._litert_compiled import Compiled
from tests.engines import FLOAT_ENGINES

SMALLEST = Path(runtime.__file__).with_name("smallest")


class Opened:
    """What an attempt opens."""

    skipped: tuple[str, ...] = ()

    def __init__(self, device):
        self.device = device


DEVICES = (
    DeviceInfo("npu", "NPU", unavailable_reason="no driver"),
    DeviceInfo("gpu", "GPU"),
    DeviceInfo("dsp", "DSP", opt_in_reason="it computes in fp16"),
    DeviceInfo("cpu", "CPU"),
    DeviceInfo("slow", "Slow"),
)


def broken_on(*devices):
    def attempt(device):
        if device in devices:
            raise DeviceError(f"{device} is broken")
        return Opened(device)

    return attempt


def test_auto_takes_the_first_device_and_says_why_not_the_others():
    opened = open_best("mine", DEVICES, "auto", broken_on())
    assert opened.device == "gpu"
    assert opened.skipped == (
        "device 'dsp' is taken only by name: it computes in fp16",
        "device 'cpu' was not needed: 'gpu' comes first",
        "device 'slow' was not needed: 'gpu' comes first",
    )


def test_auto_passes_over_what_is_broken():
    opened = open_best("mine", DEVICES, "auto", broken_on("gpu", "cpu"))
    assert opened.device == "slow"
    assert opened.skipped[1:] == ("gpu is broken", "cpu is broken")


def test_auto_gives_up_with_the_last_ones_reason():
    with pytest.raises(EngineError, match="slow is broken"):
        open_best("mine", DEVICES, "auto", broken_on("gpu", "cpu", "slow"))


@pytest.mark.parametrize(
    ("wanted", "complaint"),
    [
        ("npu", "engine 'mine' has no device 'npu' here (no driver); it has: gpu, dsp, cpu, slow"),
        ("tpu", "engine 'mine' has no device 'tpu' here; it has: gpu, dsp, cpu, slow"),
        ("gpu", "gpu is broken"),
    ],
)
def test_a_named_device_is_strict(wanted, complaint):
    with pytest.raises(DeviceError) as caught:
        open_best("mine", DEVICES, wanted, broken_on("gpu"))
    assert str(caught.value) == complaint


def test_a_device_that_needs_its_name_gets_it():
    assert open_best("mine", DEVICES, "dsp", broken_on()).device == "dsp"


@pytest.mark.parametrize("name", engine_names())
def test_every_engine_offers_the_cpu_and_names_every_device_once(name):
    devices = engine_module(name).devices()
    names = [info.device for info in devices]
    assert len(set(names)) == len(names)
    assert next(info for info in devices if info.device == "cpu").unavailable_reason == ""


@pytest.mark.parametrize("platform", ort.ORDERS)
def test_every_platform_knows_every_provider(monkeypatch, platform):
    monkeypatch.setattr(ort, "platform", lambda: platform)
    assert {info.device for info in ort.devices()} == set(ort.PROVIDERS)
    assert set(ort.ORDERS[platform]) <= set(ort.PROVIDERS)


def test_a_gpu_comes_before_the_cpu_on_every_platform(monkeypatch):
    every = [provider.name for provider in ort.PROVIDERS.values()]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: every)
    firsts = {}
    for platform in ort.ORDERS:
        monkeypatch.setattr(ort, "platform", lambda platform=platform: platform)
        firsts[platform] = next(info.device for info in ort.devices() if not info.unavailable_reason)
    assert firsts == {"linux": "cuda", "win32": "cuda", "darwin": "coreml", "android": "qnn"}


@pytest.fixture
def profile():
    """A profile of a session that ran two nodes on a GPU and one on the CPU, as ONNX Runtime writes it."""

    def node(name, provider, duration):
        return {"cat": "Node", "name": f"{name}_kernel_time", "dur": duration, "args": {"provider": provider}}

    return [
        {"cat": "Session", "name": "model_run", "dur": 999},
        node("a", "CUDAExecutionProvider", 60),
        {"cat": "Node", "name": "a_fence_before", "dur": 5, "args": {}},
        node("b", "CUDAExecutionProvider", 20),
        node("c", "CPUExecutionProvider", 20),
    ]


def test_a_profile_tells_what_ran_where(profile):
    places = {"CUDAExecutionProvider": "cuda", "CPUExecutionProvider": "cpu"}
    gpu, cpu = ort.parts(profile, places)
    assert (gpu.provider, gpu.device, gpu.nodes, gpu.share) == ("CUDAExecutionProvider", "cuda", 2, 0.8)
    assert (cpu.provider, cpu.device, cpu.nodes, cpu.share) == ("CPUExecutionProvider", "cpu", 1, 0.2)


@pytest.fixture
def idle_gpu(monkeypatch):
    """An execution provider that starts and takes no node, as real ones do with operators that they lack."""
    session = onnxruntime.InferenceSession

    class Idle(session):
        def __init__(self, data, options, providers):
            super().__init__(data, options, providers=["CPUExecutionProvider"])

        def get_providers(self):
            return ["CUDAExecutionProvider", "CPUExecutionProvider"]

    monkeypatch.setattr(onnxruntime, "InferenceSession", Idle)
    monkeypatch.setattr(
        onnxruntime, "get_available_providers", lambda: ["CUDAExecutionProvider", "CPUExecutionProvider"]
    )


def test_a_gpu_that_runs_nothing_is_no_gpu(tiny_bundle, idle_gpu):
    with pytest.raises(DeviceError, match=r"takes none of the graph's .* all would run on the CPU"):
        runtime.load(tiny_bundle, engine="onnxruntime", device="cuda")
    model = runtime.load(tiny_bundle, engine="onnxruntime")
    assert model.engine.device == "cpu"
    assert "takes none of the graph's" in model.skipped[0]


def test_bound_inputs_and_outputs_give_the_same(tiny_bundle, images, monkeypatch):
    model = runtime.load(tiny_bundle, engine="onnxruntime")
    wanted = [each.scores for each in model.predict(images)]
    monkeypatch.setitem(ort.PROVIDERS, "cpu", ort.Provider("CPUExecutionProvider", own_memory=True))
    bound = runtime.load(tiny_bundle, engine="onnxruntime")
    assert np.array_equal([each.scores for each in bound.predict(images)], wanted)
    with pytest.raises(EngineError):
        bound.engine.run({"image": np.zeros((1, 12, 10, 4), np.uint8)})


@pytest.mark.parametrize("engine", FLOAT_ENGINES)
def test_a_report_says_what_runs(tiny_bundle, engine):
    model = runtime.load(tiny_bundle, engine=engine, threads=2)
    report = model.report()
    assert (report.file, report.engine, report.device, report.threads) == (
        model.file.name,
        model.engine.version,
        "cpu",
        2,
    )
    assert report.off_cpu == 0
    assert sum(part.nodes for part in report.parts) >= 3
    assert sum(part.share for part in report.parts) == pytest.approx(1)
    assert min(report.load_seconds, report.warm_up_seconds, report.run_seconds) > 0
    assert json.loads(json.dumps(report.to_dict()))["off_cpu"] == 0


def test_xnnpack_runs_all_but_the_cast_of_pixels(tiny_bundle):
    parts = {part.provider: part for part in runtime.load(tiny_bundle, engine="litert").report().parts}
    assert parts["built-in kernels"].nodes == 1
    assert parts["XNNPACK"].nodes >= 5


def test_options_reach_the_library(tiny_bundle):
    with pytest.raises(EngineError, match="NO_SUCH_PROPERTY"):
        runtime.load(tiny_bundle, engine="openvino", options={"NO_SUCH_PROPERTY": "1"})


def test_openvino_refuses_what_the_graph_does_not_take(tiny_bundle):
    engine = runtime.load(tiny_bundle, engine="openvino").engine
    with pytest.raises(EngineError, match=r"image must be uint8 \[-1, 12, 10, 3\], got uint8 \[1, 12, 9, 3\]"):
        engine.run({"image": np.zeros((1, 12, 9, 3), np.uint8)})


def test_openvino_compiles_a_graph_for_each_call_at_a_time(tiny_bundle):
    """With several streams quantized graphs gave wrong answers; pinned threads of several graphs share a CPU."""
    engine = engine_module("openvino")
    opened = engine.open((tiny_bundle / "model.onnx").read_bytes(), (), ("logits",), Settings(threads=1))
    assert isinstance(opened, EnginePool)
    compiled, _ = opened.compiled(((1, 12, 10, 3),))
    assert compiled.get_property("NUM_STREAMS") == 1
    assert compiled.get_property("ENABLE_CPU_PINNING") is False


@pytest.fixture
def compiled(tiny_bundle):
    """The tiny bundle's file opened by LiteRT's CompiledModel, on the one accelerator that every machine has."""
    from runtime.engines import litert

    data = (tiny_bundle / "model.tflite").read_bytes()
    return Compiled(data, ("image",), ("logits",), "cpu", 1, litert._ordered)


def test_compiled_model_answers_like_the_interpreter(compiled, tiny_bundle):
    interpreter = runtime.load(tiny_bundle, engine="litert").engine
    pixels = np.random.default_rng(0).integers(0, 256, (5, 12, 10, 3), np.uint8)
    for batch in (pixels, pixels[:1], pixels[::2]):
        logits = compiled.run({"image": batch})["logits"]
        wanted = np.concatenate([interpreter.run({"image": each[None]})["logits"] for each in batch])
        assert logits.shape == wanted.shape
        assert np.abs(logits - wanted).max() <= 1e-5 * np.abs(wanted).max()


@pytest.mark.parametrize("pixels", [np.zeros((1, 12, 10, 3), np.float32), np.zeros((1, 12, 9, 3), np.uint8)])
def test_compiled_model_checks_what_the_library_would_copy_unseen(compiled, pixels):
    with pytest.raises(EngineError, match="the graph takes image as uint8"):
        compiled.run({"image": pixels})
    with pytest.raises(EngineError, match="needs the input 'image'"):
        compiled.run({"picture": pixels})


@pytest.mark.parametrize("device", ["gpu", "npu"])
def test_an_accelerator_that_is_not_there_is_never_replaced(tiny_bundle, device, monkeypatch):
    from runtime.engines import litert

    with pytest.raises(DeviceError, match=f"has no device '{device}' here"):
        runtime.load(tiny_bundle, engine="litert", device=device)
    monkeypatch.setattr(litert, "_unseen", lambda _: "")  # as if the machine showed one
    with pytest.raises(EngineError, match=f"on {device}"):
        runtime.load(tiny_bundle, engine="litert", device=device)


DELEGATE = r"""
#include <cstddef>
#include <cstdint>
#include <cstring>
struct Delegate {  // TfLiteDelegate of tensorflow/lite/core/c/common.h
  void* data; int (*prepare)(void*, Delegate*); void* from; void* to; void* free; int64_t flags; void* opaque;
};
static int nothing(void*, Delegate*) { return 0; }
extern "C" Delegate* tflite_plugin_create_delegate(char** keys, char** values, size_t count, void (*say)(const char*)) {
  for (size_t i = 0; i < count; i++)
    if (!std::strcmp(keys[i], "fail")) { say(values[i]); return nullptr; }
  return new Delegate{nullptr, nothing, nullptr, nullptr, nullptr, 0, nullptr};
}
extern "C" void tflite_plugin_destroy_delegate(Delegate* delegate) { delete delegate; }
"""
"""An external delegate that takes no node, or says why it can't start (external_delegate_interface.h)."""


@pytest.fixture(scope="session")
def delegate(tmp_path_factory):
    if not shutil.which("g++"):
        pytest.skip("no C++ compiler")
    folder = tmp_path_factory.mktemp("delegate")
    (folder / "delegate.cc").write_text(DELEGATE)
    library = folder / "libdelegate.so"
    subprocess.run(["g++", "-shared", "-fPIC", "-o", library, folder / "delegate.cc"], check=True)
    return f"delegate:{library}"


@pytest.mark.skipif(sys.platform != "linux", reason="builds a Linux library")
def test_an_external_delegate_that_takes_nothing_is_no_delegate(tiny_bundle, delegate):
    with pytest.raises(DeviceError, match=r"takes none of the graph's .* all would run on the CPU"):
        runtime.load(tiny_bundle, engine="litert", device=delegate)


@pytest.mark.skipif(sys.platform != "linux", reason="builds a Linux library")
def test_an_external_delegate_gets_its_options(tiny_bundle, delegate):
    with pytest.raises(EngineError, match="no such chip"):
        runtime.load(tiny_bundle, engine="litert", device=delegate, options={"fail": "no such chip"})


def test_an_external_delegate_that_is_no_library(tiny_bundle, tmp_path):
    (tmp_path / "lib.so").write_text("text")
    for path in (tmp_path / "lib.so", tmp_path / "nowhere.so"):
        with pytest.raises(EngineError, match=path.name):
            runtime.load(tiny_bundle, engine="litert", device=f"delegate:{path}")


@pytest.mark.parametrize("name", engine_names())
def test_the_smallest_model_runs_on_every_engine(name):
    module = engine_module(name)
    if module.missing():
        pytest.skip("not installed")
    data = (SMALLEST / f"model.{module.FORMAT}").read_bytes()
    dtype = np.float32 if name == "tflm" else np.uint8
    engine = module.open(data, ("image",), ("logits",), Settings("cpu"))
    assert engine.run({"image": np.full((1, 8, 8, 3), 9, dtype)})["logits"].shape == (1, 4)
    assert module.placement(data, ("image",), ("logits",))[0].device == "cpu"


def test_openvino_compiles_quantized_graphs_for_each_shape(tmp_path):
    """Those of any shape it answers wrongly."""
    data = (SMALLEST / "model.onnx").read_bytes()
    floats = engine_module("openvino").open(data, ("image",), ("logits",))
    assert list(floats._shapes) == [()], "one graph for any shape"
    source = tmp_path / "quantised.onnx"
    source.write_bytes(data)
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, quantize_static

    class Reader(CalibrationDataReader):
        def __init__(self):
            self.batches = iter(np.random.default_rng(0).integers(0, 256, (8, 1, 8, 8, 3), np.uint8))

        def get_next(self):
            batch = next(self.batches, None)
            return None if batch is None else {"image": batch}

    quantize_static(str(source), str(tmp_path / "out.onnx"), Reader(), quant_format=QuantFormat.QDQ)
    data = (tmp_path / "out.onnx").read_bytes()
    opened = [engine_module(name).open(data, ("image",), ("logits",)) for name in ("onnxruntime", "openvino")]
    assert list(opened[1]._shapes) == [((1, 8, 8, 3),)]
    pixels = np.random.default_rng(1).integers(0, 256, (5, 8, 8, 3), np.uint8)
    wanted, logits = (engine.run({"image": pixels})["logits"] for engine in opened)
    assert np.abs(logits - wanted).max() <= 0.05 * np.abs(wanted).max()
    assert list(opened[1]._shapes) == [((1, 8, 8, 3),)], "sample by sample, whatever the batch"


def test_only_one_session_spins_between_its_runs(tiny_bundle, monkeypatch):
    """Threads that wait for the next run would take the CPUs from every other model in the process."""
    spins = []
    options = onnxruntime.SessionOptions

    class Noted(options):
        def add_session_config_entry(self, key, value):
            if key == "session.force_spinning_stop":
                spins[-1] = value == "0"
            super().add_session_config_entry(key, value)

    def noted():
        spins.append(True)
        return Noted()

    monkeypatch.setattr(ort, "_spinning", type(ort._spinning)(WeakSet))
    monkeypatch.setattr(onnxruntime, "SessionOptions", noted)
    first = runtime.load(tiny_bundle, engine="onnxruntime", threads=2)
    second = runtime.load(tiny_bundle, engine="onnxruntime", threads=2)
    assert spins == [True, False]
    assert first.engine is not second.engine
    first = None  # its place is free
    gc.collect()
    third = runtime.load(tiny_bundle, engine="onnxruntime", threads=2)
    assert (third.engine.threads, spins) == (2, [True, False, True])
