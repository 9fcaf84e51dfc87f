"""TFLM's engine: real values in and out of int8 graphs, LiteRT's answers, and refusals that name the operator."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

import runtime
from export.formats import tflite
from runtime import DeviceError, EngineError, MissingExtraError
from runtime.engines import Settings, tflm
from runtime.native_output import suppress_output
from runtime.spec import FileSpec, encode_metadata
from tests.micro import converted, litert, static_int8
from tests.networks import Recurrent

pytest.importorskip("tflite_micro", reason="has builds for Linux on x86-64 only")


def opened(data, **options):
    arguments = {"inputs": ("image",), "outputs": ("logits",), **options}
    return tflm.open(data, **arguments)


@pytest.fixture(scope="module")
def lacking():
    """A float file with operators that TFLM lacks."""

    class Odd(torch.nn.Module):
        def forward(self, values):
            return torch.sign(values) + torch.atan2(values, values + 1)

    return converted(Odd(), np.ones((2, 4), np.float32))


@pytest.fixture(scope="module")
def alone(micro, tmp_path_factory):
    """A .tflm file that carries its metadata."""
    path = tmp_path_factory.mktemp("micro") / "model.int8.tflm"
    text = encode_metadata(micro.spec, FileSpec("tflm", "fp32", "float32", 1))
    path.write_bytes(tflite.embed(micro.data, "edgezoo", text))
    return path


def test_answers_are_litert_s_within_one_step(micro):
    model = opened(micro.data)
    pixels = micro.images.astype(np.float32)
    logits = np.concatenate([model.run({"image": one[None]})["logits"] for one in pixels])
    wanted = litert(micro.data, pixels)
    assert (logits.dtype, logits.shape) == (np.float32, (64, 3))
    assert np.abs(logits - wanted).max() <= 1.01 * model.gives[0].scale
    # int8 moves an answer; where PyTorch's two best are further apart than that, the decision stays
    best = np.sort(micro.outputs, axis=1)
    clear = best[:, -1] - best[:, -2] > 2 * np.abs(logits - micro.outputs).max()
    assert clear.sum() > 5
    assert (logits.argmax(1) == micro.outputs.argmax(1))[clear].all()


def test_a_file_alone_predicts_with_labels(micro, alone):
    with suppress_output():
        model = runtime.load(alone)
    assert (model.engine_name, model.engine.threads, model.file_spec.batch) == ("tflm", 1, 1)
    assert model.engine.version.startswith("tflite_micro ")
    answers = model.predict(list(micro.images[:5]))
    wanted = litert(micro.data, micro.images[:5].astype(np.float32)).argmax(1)
    assert [answer.label for answer in answers] == [micro.spec.output.labels[i] for i in wanted]


def test_threads_share_one_interpreter(micro):
    model = opened(micro.data)
    pixels = micro.images.astype(np.float32)
    wanted = [model.run({"image": one[None]})["logits"] for one in pixels]
    with ThreadPoolExecutor(8) as pool:
        logits = list(pool.map(lambda one: model.run({"image": one[None]})["logits"], np.concatenate([pixels] * 4)))
    assert all(np.array_equal(one, other) for one, other in zip(logits, wanted * 4, strict=True))


def test_real_values_become_integers_as_c_rounds_them():
    tensor = tflm.Tensor((1, 6), np.dtype(np.int8), 1.0, -128)
    values = np.array([[-3, 0, 0.5, 127.49, 254.6, 300]], np.float32)
    assert tensor.quantize(values).tolist() == [[-128, -128, -127, -1, 127, 127]]
    halves = tflm.Tensor((1, 4), np.dtype(np.int8), 0.5, 3)
    assert halves.quantize(np.array([[-0.25, 0.25, 0.75, -1.0]], np.float32)).tolist() == [[2, 4, 5, 1]]
    assert halves.dequantize(np.array([[2, 4, 5, 1]], np.int8)).tolist() == [[-0.5, 0.5, 1.0, -1.0]]


def test_a_float_file_is_run_as_it_is():
    torch.manual_seed(0)
    layer, values = torch.nn.Linear(4, 3), np.linspace(-2, 2, 8, dtype=np.float32).reshape(2, 4)
    model = opened(converted(layer, values))
    with torch.inference_mode():
        wanted = layer(torch.from_numpy(values)).numpy()
    outputs = np.concatenate([model.run({"image": one[None]})["logits"] for one in values])
    np.testing.assert_allclose(outputs, wanted, atol=1e-6)


def test_the_arena_is_the_smallest_that_works(micro):
    from tflite_micro import runtime as library

    size = tflm.arena(micro.data)
    assert 12 * 10 * (3 + 8) < size < tflm.ARENA  # the first layer's input and output live at the same time
    library.Interpreter.from_bytes(micro.data, arena_size=size)
    with pytest.raises(RuntimeError), suppress_output():
        library.Interpreter.from_bytes(micro.data, arena_size=size - 16)


def test_a_lacking_operator_is_named(lacking):
    with pytest.raises(EngineError) as caught, suppress_output():
        opened(lacking)
    assert str(caught.value) == "engine 'tflm' can't open the model: TFLM has no operator SIGN"


def test_an_operator_that_fails_is_named():
    """A recurrent net over many steps joins them all, and TFLM joins ten at most."""
    samples = np.random.default_rng(0).normal(size=(4, 12, 3)).astype(np.float32)
    torch.manual_seed(0)
    data = static_int8(Recurrent(3, 2), samples)
    with (
        pytest.raises(EngineError, match=r"TFLM can't run the operator CONCATENATION: .*kMaxInputNum"),
        suppress_output(),
    ):
        opened(data)


def test_refusals_are_heard_not_shown(lacking, capfd):
    assert tflm.refusal(lacking) == tflm.Refusal("SIGN", True, "Didn't find op for builtin opcode 'SIGN'")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("part", [0, 10, 1000])
def test_what_is_no_tflite_file_is_refused(micro, part):
    with pytest.raises(EngineError, match="can't open the model: not a TFLite file"):
        opened(micro.data[:part])


def test_graphs_of_other_numbers_of_inputs_are_refused():
    class Sum(torch.nn.Module):
        def forward(self, one, other):
            return one + other

    with suppress_output():
        import litert_torch

        edge = litert_torch.convert(Sum().eval(), (torch.zeros(1, 4), torch.ones(1, 4)))
    with pytest.raises(EngineError, match="its graph has 2 inputs and 1 outputs, not 1 and 1"):
        opened(bytes(edge.model_content()))


def test_another_shape_or_name_is_refused(micro):
    model = opened(micro.data)
    with pytest.raises(EngineError, match=r"takes \[1, 12, 10, 3\], not \[2, 12, 10, 3\]"):
        model.run({"image": micro.images[:2]})
    with pytest.raises(EngineError, match="needs the input 'image'"):
        model.run({"picture": micro.images[:1]})


def test_it_has_no_other_device(micro):
    with pytest.raises(DeviceError, match="engine 'tflm' has no device 'cuda' here; it has: cpu"):
        opened(micro.data, settings=Settings("cuda"))


def test_it_names_its_extra(alone, monkeypatch):
    monkeypatch.setitem(sys.modules, "tflite_micro", None)
    with pytest.raises(MissingExtraError, match=r"engine 'tflm' is not installed: pip install 'edgezoo\[tflm\]'"):
        runtime.load(alone, engine="tflm")
