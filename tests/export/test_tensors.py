"""Modules of several inputs and outputs: named tensors, each proved by itself, predicted with dicts of arrays."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import export
import runtime
from export import Raw, TensorsInput, TensorSpec
from runtime.bundle.golden import Golden
from runtime.compare import FP32_TOLERANCE, difference
from runtime.errors import BundleError, ExportError, InputError, ParityError
from runtime.verify import Replay, verify
from tests.engines import FLOAT_ENGINES
from tests.networks import TwoInTwoOut

WORDS, FEATURES, LENGTH = 20, 8, 12


class OfAnyLength(nn.Module):
    """A value for each step, and their mean; both inputs have so many steps."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.one, self.other = nn.Linear(6, 8), nn.Linear(2, 8)

    def forward(self, one, other):
        hidden = torch.tanh(self.one(one) + self.other(other))
        return hidden, [hidden.mean(1)]


class Features(nn.Module):
    """A map of activations, and an embedding."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.layer, self.embed = nn.Conv2d(3, 4, 3, stride=2), nn.Linear(4, 5)

    def forward(self, image):
        activations = torch.relu(self.layer(image))
        return activations, self.embed(activations.mean((2, 3)))


def two_in_two_out():
    torch.manual_seed(0)
    return TwoInTwoOut()


def sample(seed):
    random = np.random.default_rng(seed)
    return {"numbers": random.normal(size=FEATURES), "words": random.integers(0, WORDS, 5)}


SPEC = export.ModelSpec(
    "two",
    TensorsInput(
        "tensors", (TensorSpec("numbers", (FEATURES,), axes=("feature",)), TensorSpec("words", (5,), "int64"))
    ),
    Raw("raw", (TensorSpec("small", (4,)), TensorSpec("large", (3,)))),
)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    samples = [sample(seed) for seed in range(24)]
    calibration = export.Calibration([sample(seed) for seed in range(100, 130)])
    out = tmp_path_factory.mktemp("tensors") / "two"
    precisions = ("fp32", "int8", "int8-dynamic")
    return export.export(
        two_in_two_out(), SPEC, samples, out=out, precisions=precisions, calibration=calibration, allow_drift=True
    )


def original(samples):
    words = torch.from_numpy(np.stack([each["words"] for each in samples]))
    numbers = torch.from_numpy(np.stack([each["numbers"] for each in samples]).astype(np.float32))
    with torch.no_grad():
        return {name: array.numpy() for name, array in two_in_two_out().eval()(words, numbers).items()}


def test_each_output_is_proved_by_itself(bundle):
    files = bundle.manifest.models
    assert {"model.onnx", "model.tflite", "model.int8.onnx", "model.int8.tflite"} <= files.keys()
    for name in ("model.onnx", "model.tflite"):
        assert files[name].parity.tensors.keys() == {"small", "large"}
        assert max(files[name].parity.tensors.values()) == files[name].parity.max_difference <= FP32_TOLERANCE
    for name in ("model.int8-dynamic.onnx", "model.int8-dynamic.tflite"):
        assert max(files[name].parity.tensors.values()) < 0.05, name
        assert not files[name].spec.drift, name


def test_what_samples_tell_is_in_the_manifest(bundle):
    assert bundle.manifest.format == 3
    numbers, words = bundle.manifest.model.input.tensors
    assert (words.low, words.high) == (0, WORDS - 1)
    assert -5 < numbers.low < -2
    assert bundle.manifest.models["model.tflite"].spec.dtypes == {
        "words": "int32"
    }  # what LiteRT's converter makes of it


@pytest.mark.parametrize("engine", FLOAT_ENGINES)
def test_dicts_of_arrays_are_predicted(bundle, engine, tmp_path):
    model = runtime.load(bundle.path, engine=engine)
    samples = [sample(seed) for seed in range(40, 43)]
    wanted = original(samples)
    np.savez(tmp_path / "one.npz", **samples[0])
    batch = {name: np.stack([each[name] for each in samples]) for name in samples[0]}
    for predictions in (
        model.predict(samples),
        model.predict(batch),
        list(model.stream(samples)),
        [model.predict(tmp_path / "one.npz"), *(model.predict(each) for each in samples[1:])],
    ):
        assert len(predictions) == 3
        for at, prediction in enumerate(predictions):
            for name in ("small", "large"):
                scale = np.abs(wanted[name]).max()
                np.testing.assert_allclose(prediction[name], wanted[name][at], atol=FP32_TOLERANCE * scale)
    assert predictions[0].to_dict()["outputs"]["small"] == predictions[0]["small"].tolist()
    assert "small float32 [4]" in predictions[0].summary
    assert predictions[0].input["words"].dtype == np.int64


def test_the_golden_pack_replays_on_every_engine(bundle):
    replays = [result for result in verify(bundle.path) if isinstance(result, Replay)]
    assert {result.file for result in replays if result.passed} == set(bundle.manifest.models)
    assert not [result for result in replays if result.passed is False]
    pack = bundle.golden()
    again = Golden.decode(pack.encode(), "golden.npz")
    assert again.encode() == pack.encode()
    assert again.outputs.keys() == {"small", "large"}


def test_one_file_alone_predicts(bundle, tmp_path):
    alone = tmp_path / "renamed.onnx"
    alone.write_bytes(bundle.bytes("model.onnx"))
    assert runtime.load(alone).spec == bundle.manifest.model


def test_small_values_are_not_hidden_behind_large_ones():
    wanted = {"small": np.full((4, 4), 1e-3, np.float32), "large": np.full((4, 3), 100, np.float32)}
    wrong = wanted | {"small": wanted["small"] + np.float32(2e-4)}
    result = difference(wanted, wrong, SPEC.output)
    assert result.maximum == pytest.approx(0.2, rel=1e-3)
    assert result.tensors["large"] == 0
    assert result.agreement == 0


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"numbers": np.zeros(FEATURES)}, "the tensor 'words' is missing; wanted: numbers, words"),
        (sample(0) | {"word": 1}, "unknown tensor 'word'"),
        (sample(0) | {"numbers": np.zeros(3)}, "tensor 'numbers': expected float32 [8] without a batch axis"),
        (sample(0) | {"numbers": np.full(FEATURES, np.nan)}, "tensor 'numbers' holds values that are not finite"),
        (sample(0) | {"words": np.zeros(5)}, "tensor 'words': expected int64 [5], got float64 [5]"),
        (sample(0) | {"words": np.full(5, 2**64 - 1, np.uint64)}, "don't fit into int64"),
        (sample(0) | {"numbers": [[1], [2, 3]]}, "tensor 'numbers': "),
        (np.zeros(3), "expected a dict or a .npz file with the tensors numbers, words, got ndarray"),
        (b"PK\x03\x04 and no more", "not a .npz file, or damaged"),
        ("photo.jpg", "photo.jpg: expected a .npz file with the tensors numbers, words"),
        ("none.npz", "none.npz: can't be read"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_inputs_that_do_not_fit_are_refused(bundle, value, message):
    with pytest.raises(InputError) as caught:
        runtime.load(bundle.path).predict(value)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_integers_that_a_file_narrows_are_checked(bundle):
    with pytest.raises(InputError, match="takes 'words' as int32, into which its values don't fit"):
        runtime.load(bundle.path, engine="litert").predict(sample(0) | {"words": np.full(5, 2**40)})


def test_axes_of_any_length_are_named(tmp_path):
    random = np.random.default_rng(0)

    def steps(length):
        return {"one": random.normal(size=(length, 6)), "other": random.normal(size=(length, 2))}

    spec = export.ModelSpec(
        "steps",
        TensorsInput("tensors", (TensorSpec("one", ("time", 6)), TensorSpec("other", ("time", 2)))),
        Raw("raw", (TensorSpec("each", ("time", 8)), TensorSpec("mean", (8,)))),
    )
    bundle = export.export(OfAnyLength(), spec, [steps(LENGTH) for _ in range(20)], out=tmp_path / "steps")
    files = {name: file.spec for name, file in bundle.manifest.models.items()}
    assert (files["model.onnx"].lengths, files["model.tflite"].lengths) == ({}, {"time": LENGTH})
    assert bundle.manifest.model.input.lengths == {"time": LENGTH}
    other = steps(LENGTH + 5)
    prediction = runtime.load(bundle.path / "model.onnx").predict(other)
    with torch.no_grad():
        each, (mean,) = OfAnyLength()(*(torch.from_numpy(array[None]).float() for array in other.values()))
    np.testing.assert_allclose(prediction["each"], each[0], atol=FP32_TOLERANCE)
    np.testing.assert_allclose(prediction["mean"], mean[0], atol=FP32_TOLERANCE)
    with pytest.raises(InputError, match=r"model\.tflite runs 'time' of 12 here, 'one' has 17"):
        runtime.load(bundle.path / "model.tflite").predict(other)
    with pytest.raises(InputError, match="its axis 'time' has the length 3, that of another tensor 12"):
        runtime.load(bundle.path).predict(steps(LENGTH) | {"other": np.zeros((3, 2))})


def test_raw_outputs_of_images(tmp_path):
    images = [np.random.default_rng(seed).integers(0, 256, (20, 16, 3), np.uint8) for seed in range(20)]
    spec = export.ModelSpec(
        "features",
        export.ImageInput("image", "image", (12, 10, 3), export.image_steps((12, 10), "RGB")),
        Raw("raw", (TensorSpec("map", (4, 5, 4)), TensorSpec("embedding", (5,)))),
    )
    module = export.NormalizePixels(Features(), (0.5,) * 3, (0.2,) * 3)
    bundle = export.export(module, spec, images, out=tmp_path / "features")
    for engine in ("onnxruntime", "litert"):
        prediction = runtime.load(bundle.path, engine=engine).predict(images[0])
        with torch.no_grad():
            wanted = module.eval()(torch.from_numpy(prediction.input[None]))
        np.testing.assert_allclose(prediction["map"], wanted[0][0], atol=2 * FP32_TOLERANCE)
        np.testing.assert_allclose(prediction["embedding"], wanted[1][0], atol=FP32_TOLERANCE)


class Gives(nn.Module):
    """What it is told to give."""

    def __init__(self, *results):
        super().__init__()
        self.layer, self.results = nn.Linear(2, 2), results

    def forward(self, numbers):
        values = self.layer(numbers)
        return self.results[0](values)


@pytest.mark.parametrize(
    ("result", "message"),
    [
        (lambda values: {"a": values, "c": values}, "the module gives no tensor 'b'; it gives 'a', 'c'"),
        (lambda values: (values, values, values), "the module gives 3 tensors, the specification names 2: a, b"),
        (lambda values: (values, values[:, :1]), "the module gives 'b' as [2, 1] for 2 samples, not [2, 2]"),
        (lambda values: (values, values.long()), "the module gives 'b' as int64, the specification says float32"),
        (lambda values: (values, values / 0), "own outputs 'b' are not finite"),
    ],
    ids=["dict", "number", "shape", "type", "finite"],
)
def test_outputs_that_do_not_fit_are_told(tmp_path, result, message):
    spec = export.ModelSpec(
        "none",
        TensorsInput("tensors", (TensorSpec("numbers", (2,)),)),
        Raw("raw", (TensorSpec("a", (2,)), TensorSpec("b", (2,)))),
    )
    with pytest.raises(ExportError) as caught:
        export.export(Gives(result), spec, [np.ones(2), np.zeros(2)], out=tmp_path / "none")
    assert message in str(caught.value)


def test_one_tensor_needs_no_dict(tmp_path):
    spec = export.ModelSpec(
        "one", TensorsInput("tensors", (TensorSpec("numbers", (2,)),)), Raw("raw", (TensorSpec("values", (2,)),))
    )
    module = Gives(lambda values: values)
    samples = np.random.default_rng(0).normal(size=(12, 2)).astype(np.float32)
    bundle = export.export(module, spec, samples, ("onnx",), out=tmp_path / "one")
    model = runtime.load(bundle.path)
    with torch.no_grad():
        wanted = module(torch.from_numpy(samples)).numpy()
    for one in (samples[0], {"numbers": samples[0].tolist()}, runtime_npy(samples[0])):
        np.testing.assert_allclose(model.predict(one)["values"], wanted[0], atol=FP32_TOLERANCE)
    assert len(model.predict(samples)) == 12
    np.testing.assert_allclose(model.forward(samples), wanted, atol=FP32_TOLERANCE)


def runtime_npy(array):
    import io

    np.save(file := io.BytesIO(), array)
    return file.getvalue()


@pytest.mark.parametrize(
    "tensors",
    [
        (),
        (TensorSpec("a", (2,)), TensorSpec("a", (3,))),
        (TensorSpec("a", ()),),
    ],
)
def test_tensors_that_can_not_be_told_apart(tensors):
    with pytest.raises(ValueError, match=r"tensor|axis"):
        TensorsInput("tensors", tensors)


@pytest.mark.parametrize("shape", [(0,), (2**25,), (1,) * 8, ("",), (2, "\x1b")])
def test_shapes_that_are_none(shape):
    with pytest.raises(ValueError, match="tensor 'a'"):
        TensorSpec("a", shape)


def test_targets_are_refused(tmp_path):
    with pytest.raises(ExportError, match="raw"):
        export.export(two_in_two_out(), SPEC, [sample(0)], out=tmp_path / "x", targets=[0])


@pytest.mark.parametrize("name", ["model.onnx", "model.tflite", "model.int8.onnx", "model.int8.tflite"])
def test_a_diagnosis_names_the_layer_of_an_output(bundle, name):
    from export.diagnosis import diagnose

    spec, inputs = bundle.manifest.models[name].spec, bundle.inputs()
    sound = diagnose(two_in_two_out(), bundle.manifest.model, bundle.bytes(name), spec, inputs)
    assert {"small", "large"} <= {layer.path for layer in sound.layers}
    if "int8" not in name:
        assert sound.first is None
        other = two_in_two_out()
        with torch.no_grad():
            other.large.weight[0] *= -1
        diagnosis = diagnose(other, bundle.manifest.model, bundle.bytes(name), spec, inputs)
        assert [layer.path for layer in diagnosis.layers if layer.jumps] == ["large"]


def test_a_pack_that_does_not_fit_the_manifest_is_refused(bundle):
    pack = bundle.golden()
    from dataclasses import replace

    for outputs in ({"small": pack.outputs["small"]}, pack.outputs | {"large": pack.outputs["large"][:, :2]}):
        changed = replace(pack, outputs=outputs, answers={})
        object.__setattr__(bundle, "bytes", lambda name, changed=changed: changed.encode())
        try:
            with pytest.raises(BundleError, match="manifest's"):
                bundle.golden()
        finally:
            bundle.__dict__.pop("bytes")


def test_a_file_of_a_wrong_output_is_not_written(tmp_path, monkeypatch):
    """One tensor of two goes wrong in the file: the message names it."""
    from export.formats.onnx import conversion

    convert = conversion._export

    def spoiled(graph):
        model = convert(graph)
        for tensor in model.graph.initializer:
            if "small" in tensor.name and "bias" in tensor.name:
                values = np.frombuffer(tensor.raw_data, np.float32).copy()
                tensor.raw_data = (values + 0.5).tobytes()
        return model

    monkeypatch.setattr(conversion, "_export", spoiled)
    with pytest.raises(ParityError, match="difference of 'small' is max"):
        export.export(two_in_two_out(), SPEC, [sample(seed) for seed in range(20)], ("onnx",), out=tmp_path / "spoiled")
