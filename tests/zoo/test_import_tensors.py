"""Third-party files of plain tensors, and of raw outputs: each gives what its engine gives when fed by hand."""

from __future__ import annotations

import json

import numpy as np
import onnx
import onnx.helper as oh
import onnxruntime
import pytest

import runtime
from runtime.bundle import Bundle
from runtime.errors import InputError, OptionError
from runtime.quantization import QuantizationParams
from runtime.spec import FileSpec
from runtime.verify import verify
from tests.zoo.foreign import MEAN, STD, graph_file, scaled
from zoo.imports.facts import ModelFacts
from zoo.imports.run import import_file

FLOAT, HALF, INT64 = onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16, onnx.TensorProto.INT64
RANDOM = np.random.default_rng(3)


def graph(path, nodes, inputs, outputs, **constants):
    """Write an ONNX file of some nodes."""
    parts = [[oh.make_tensor_value_info(*each) for each in part] for part in (inputs, outputs)]
    weights = [onnx.numpy_helper.from_array(value, name) for name, value in constants.items()]
    made = oh.make_graph(nodes, "foreign", *parts, weights)
    path.write_bytes(oh.make_model(made, opset_imports=[oh.make_opsetid("", 18)], ir_version=9).SerializeToString())
    return path


def by_hand(path, **inputs):
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, inputs), strict=True))


def imported(path, tmp_path, facts=None, **options):
    import_file(path, ModelFacts(**(facts or {})), out=tmp_path / "bundle", overwrite=True, **options)
    results = list(verify(tmp_path / "bundle"))
    assert [each.note for each in results if each.passed is False] == []
    assert any(each.passed for each in results)
    return runtime.load(tmp_path / "bundle")


def recurrent(path):
    """Write a file as speech detectors are: a state whose batch axis is second, and a plain number."""
    nodes = [
        oh.make_node("Cast", ["rate"], ["real"], to=FLOAT),
        oh.make_node("Div", ["real", "unit"], ["factor"]),
        oh.make_node("ReduceMean", ["sound", "last"], ["mean"], keepdims=1),
        oh.make_node("Mul", ["mean", "factor"], ["speech"]),
        oh.make_node("Add", ["state", "mean"], ["next"]),
    ]
    return graph(
        path,
        nodes,
        [("sound", FLOAT, ("batch", "samples")), ("state", FLOAT, (2, "batch", 4)), ("rate", INT64, ())],
        [("speech", FLOAT, ("batch", 1)), ("next", FLOAT, (2, "batch", 4))],
        unit=np.array(8000, np.float32),
        last=np.array([1], np.int64),
    )


def test_tensors_without_a_batch_axis(tmp_path):
    path = recurrent(tmp_path / "net.onnx")
    one = {
        "sound": RANDOM.normal(size=(50,)).astype(np.float32),
        "state": RANDOM.normal(size=(2, 1, 4)).astype(np.float32),
        "rate": np.array(16000),
    }
    (tmp_path / "samples").mkdir()
    np.savez(tmp_path / "samples" / "a.npz", **one)
    model = imported(path, tmp_path, samples=tmp_path / "samples")
    assert model.file_spec.batch == 1
    assert model.file_spec.unbatched == ("state", "rate", "next")
    assert model.spec.input.lengths == {"samples": 50, "batch": 1}
    wanted = by_hand(path, **(one | {"sound": one["sound"][None]}))
    for prediction in (model.predict(one), *model.predict([one, one])):
        np.testing.assert_array_equal(prediction["speech"], wanted["speech"][0])
        np.testing.assert_array_equal(prediction["next"], wanted["next"])
    with pytest.raises(OptionError, match="nothing says how long 'samples' usually is: give it with --length"):
        import_file(path, out=tmp_path / "other")
    with pytest.raises(OptionError, match=r"unknown axis 'sample' .did you mean 'samples'"):
        import_file(path, ModelFacts(lengths={"sample": 3}), out=tmp_path / "other")


def test_several_tensors_of_any_batch_and_length(tmp_path):
    table = RANDOM.normal(size=(5, 3)).astype(np.float32)
    nodes = [
        oh.make_node("Gather", ["table", "words"], ["each"]),
        oh.make_node("ReduceMean", ["each", "one"], ["mean"], keepdims=0),
        oh.make_node("Add", ["mean", "numbers"], ["sum"]),
    ]
    path = graph(
        tmp_path / "net.onnx",
        nodes,
        [("words", INT64, ("n", "time")), ("numbers", FLOAT, ("n", 3))],
        [("each", FLOAT, ("n", "time", 3)), ("sum", FLOAT, ("n", 3))],
        table=table,
        one=np.array([1], np.int64),
    )
    model = imported(path, tmp_path, {"lengths": {"time": 4}})
    assert model.file_spec.batch is None
    assert [str(tensor) for tensor in model.spec.output.tensors] == ["float32 [batch, time, 3]", "float32 [batch, 3]"]
    inputs = {"words": RANDOM.integers(0, 5, (2, 7)), "numbers": RANDOM.normal(size=(2, 3)).astype(np.float32)}
    wanted = by_hand(path, **inputs)
    for at, prediction in enumerate(model.predict(inputs)):
        np.testing.assert_array_equal(prediction["each"], wanted["each"][at])
        np.testing.assert_allclose(prediction["sum"], wanted["sum"][at], atol=1e-6)


def test_half_precision_is_taken_as_floats(tmp_path):
    path = graph(
        tmp_path / "net.onnx",
        [oh.make_node("Add", ["x", "x"], ["twice"])],
        [("x", HALF, ("n", 3))],
        [("twice", HALF, ("n", 3))],
    )
    model = imported(path, tmp_path)
    assert model.file_spec.dtypes == {"x": "float16", "twice": "float16"}
    np.testing.assert_array_equal(model.predict(np.array([1.0, 2.0, 0.5]))["twice"], np.float32([2, 4, 1]))
    with pytest.raises(InputError, match="takes 'x' as float16, into which its values don't fit"):
        model.predict(np.array([1e6, 0.0, 0.0]))


def test_integers_of_a_tflite_file_stand_for_real_values(tmp_path):
    """Features as a keyword spotter has them; the manifest says each tensor's own scale."""
    import torch
    from torch import nn

    from tests.micro import litert, static_int8

    class Features(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer, self.last = nn.Conv2d(1, 4, 3, stride=2), nn.Linear(4, 3)

        def forward(self, values):
            return self.last(torch.relu(self.layer(values.permute(0, 3, 1, 2))).mean((2, 3)))

    torch.manual_seed(0)
    samples = RANDOM.normal(0, 40, (12, 20, 10, 1)).astype(np.float32)
    data = static_int8(Features(), samples)
    path = tmp_path / "net.tflite"
    path.write_bytes(data)
    with pytest.raises(OptionError, match="a gray image or features of another kind: say which, with --input"):
        import_file(path, out=tmp_path / "bundle")
    model = imported(path, tmp_path, {"input": "tensors"})
    (tensor,), (answer,) = model.spec.input.tensors, model.spec.output.tensors
    assert tensor.dtype == answer.dtype == "float32"
    assert set(model.file_spec.dtypes.values()) == {"int8"}
    scale = model.file_spec.quantization[tensor.name].scale
    assert (tensor.low, tensor.high) == pytest.approx((-128 * scale, 127 * scale), abs=128 * scale)
    wanted = litert(data, samples)
    step = model.file_spec.quantization[answer.name].scale
    answers = np.stack([each[answer.name] for each in model.predict(samples)])
    np.testing.assert_allclose(answers, wanted, atol=1.01 * step)  # XNNPACK's rounding
    manifest = json.loads((tmp_path / "bundle" / "manifest.json").read_text())
    assert manifest["format"] == 3


def test_raw_outputs_of_an_image(tmp_path):
    kernel = RANDOM.normal(size=(4, 3, 3, 3)).astype(np.float32)
    path = graph(
        tmp_path / "net.onnx",
        [
            oh.make_node("Conv", ["image", "kernel"], ["map"]),
            oh.make_node("GlobalAveragePool", ["map"], ["mean"]),
            oh.make_node("Flatten", ["mean"], ["embedding"]),
        ],
        [("image", FLOAT, (1, 3, 12, 10))],
        [("map", FLOAT, (1, 4, 10, 8)), ("embedding", FLOAT, (1, 4))],
        kernel=kernel,
    )
    scaling = {"mean": tuple(255 * m for m in MEAN), "std": tuple(255 * s for s in STD)}
    model = imported(path, tmp_path, {**scaling, "task": "raw"})
    assert model.spec.input.kind == "image"
    pixels = RANDOM.integers(0, 256, (12, 10, 3), np.uint8)
    wanted = by_hand(path, image=np.ascontiguousarray(scaled(pixels[None]).transpose(0, 3, 1, 2)))
    for name, array in wanted.items():
        np.testing.assert_allclose(model.predict(pixels)[name], array[0], atol=1e-5)
    assert Bundle.read(tmp_path / "bundle").manifest.models["model.onnx"].spec.feed.output == ""


REFUSED = {
    "text": ([("x", onnx.TensorProto.STRING, ("n", 3))], {}, "text [any, 3] has a type that can't be fed"),
    "no shape": ([("x", FLOAT, None)], {}, "doesn't say the shape of 'x'"),
    "the scaling of pixels": ([("x", FLOAT, ("n", 3))], {"mean": (1.0,), "std": (1.0,)}, "--mean is not for --input"),
    "a classifier": ([("x", FLOAT, ("n", 3))], {"task": "classification"}, "needs --input image"),
    "a length": ([("x", FLOAT, ("n", 3, 8, 8))], {"lengths": {"n": 3}}, "--length is for --input tensors"),
    "no axis": ([("x", FLOAT, ())], {}, "needs an axis besides the batch axis"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_can_not_be_described_is_refused_in_a_sentence(case, tmp_path):
    inputs, facts, words = REFUSED[case]
    path = graph_file(tmp_path / "net.onnx", inputs, [("y", *inputs[0][1:])])
    with pytest.raises(OptionError) as refused:
        import_file(path, ModelFacts(**facts), out=tmp_path / "bundle")
    assert words in str(refused.value)
    assert str(path) in str(refused.value)
    assert not (tmp_path / "bundle").exists()


def test_the_command_takes_lengths(tmp_path, cli):
    path = recurrent(tmp_path / "net.onnx")
    done = cli("import", path, "--length", "samples=30", "--length", "batch=1", "--out", tmp_path / "b", "--json")
    facts = json.loads(done.out)["facts"]
    assert facts["lengths"] == {"value": {"samples": 30, "batch": 1}, "from": "the command line"}
    assert facts["task"]["value"] == "raw"
    done = cli("import", path, "--length", "30", "--out", tmp_path / "c")
    assert "--length must be AXIS=LENGTH, such as time=100" in done.err


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"dtypes": {"x": "float16"}, "quantization": {"x": QuantizationParams(0.5, 0)}}, "'x' is quantized"),
        ({"unbatched": ("x",), "batch": None}, "without a batch axis a file runs batches of 1, got None"),
    ],
)
def test_files_that_contradict_themselves(fields, words):
    with pytest.raises(ValueError, match=words):
        FileSpec(**{"format": "onnx", "precision": "fp32", "input_dtype": None, "batch": 1, **fields})
