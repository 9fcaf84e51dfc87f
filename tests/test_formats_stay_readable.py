"""Bundles of every released format stay readable: each folder in `fixtures` was written by the release of its time."""

from pathlib import Path

import numpy as np
import pytest

import runtime
from runtime.bundle import GOLDEN
from runtime.bundle.golden import Golden
from runtime.spec import State
from runtime.verify import verify
from tests.engines import FLOAT_ENGINES

FIXTURES = Path(__file__).with_name("fixtures")
BUNDLES = sorted(FIXTURES.glob("format-*"))
ENGINES = FLOAT_ENGINES
SCORES = [0.3086801767349243, 0.3024246394634247, 0.3888951539993286]


@pytest.mark.parametrize("folder", BUNDLES, ids=lambda folder: folder.name)
def test_verifies_and_predicts(folder):
    bundle = runtime.Bundle.read(folder)
    results = list(verify(folder))
    assert {result.file for result in results[1:]} == set(bundle.manifest.models)
    assert all(result.passed for result in results), results
    raw = list(Golden.decode(bundle.bytes(GOLDEN), GOLDEN).raw)
    one, *others = ([answer.to_dict() for answer in runtime.load(folder, engine=name).predict(raw)] for name in ENGINES)
    for other in others:
        assert numbers(one) == pytest.approx(numbers(other), rel=1e-5, abs=1e-6)


def numbers(value):
    """Return the numbers in a JSON value, in order."""
    if isinstance(value, dict | list):
        return [number for part in (value.values() if isinstance(value, dict) else value) for number in numbers(part)]
    return [value] if isinstance(value, float) else []


def test_format_1_says_what_it_said():
    manifest = runtime.Bundle.read(FIXTURES / "format-1").manifest
    assert manifest.format == 1
    assert manifest.model.output.labels == ("red", "green", "blue")
    assert manifest.model.input.shape == (8, 8, 3)
    assert [step.step for step in manifest.model.input.preprocess] == ["reduce", "orient", "flatten", "mode", "resize"]
    assert manifest.models["model.tflite"].spec.input_dtype == "uint8"
    assert manifest.models["model.onnx"].parity.agreement == 1
    assert manifest.card.data.licence == "CC0"
    assert manifest.card.training["options"] == {"widths": [2]}


def test_format_1_answers_what_it_answered():
    image = np.zeros((20, 30, 3), np.uint8)
    for name in ENGINES:
        answer = runtime.load(FIXTURES / "format-1", engine=name).predict(image)
        assert answer.scores == pytest.approx(SCORES, abs=1e-6)


def test_format_2_says_what_it_said():
    manifest = runtime.Bundle.read(FIXTURES / "format-2").manifest
    assert manifest.format == 2
    assert (manifest.model.input.length, manifest.model.input.features) == (6, ("heat", "wind"))
    assert (manifest.model.output.horizon, manifest.model.output.unit) == (2, "MW")
    assert [model.spec.steps for model in manifest.models.values()] == [None, None, 6, None]
    assert manifest.models["model.step.tflite"].spec.state == (State("before", (2, 2)),)
    assert manifest.models["model.step.onnx"].parity.metric == "rmse"


@pytest.mark.parametrize("name", ENGINES)
def test_format_2_streams(name):
    model = runtime.load(FIXTURES / "format-2", engine=name)
    steps = np.arange(12, dtype=np.float32).reshape(6, 2)
    assert list(model.stream(steps))[-1].value == pytest.approx(model.predict(steps).value, rel=1e-6)


def test_format_3_says_what_it_said():
    manifest = runtime.Bundle.read(FIXTURES / "format-3").manifest
    numbers, words = manifest.model.input.tensors
    assert manifest.format == 3
    assert (numbers.shape, numbers.axes, words.shape, words.dtype) == ((8,), ("feature",), ("length",), "int64")
    assert manifest.model.input.lengths == {"length": 5}
    assert [tensor.name for tensor in manifest.model.output.tensors] == ["small", "large"]
    files = {name: model.spec for name, model in manifest.models.items()}
    assert (files["model.onnx"].lengths, files["model.tflite"].lengths) == ({}, {"length": 5})
    assert files["model.tflite"].dtypes == {"words": "int32"}
    assert manifest.models["model.onnx"].parity.tensors.keys() == {"small", "large"}


def test_format_3_has_detectors():
    manifest = runtime.Bundle.read(FIXTURES / "format-3-detector").manifest
    output, parity = manifest.model.output, manifest.models["model.int8.tflite"].parity
    assert (output.labels, output.height, output.width) == (("red", "green"), 64, 96)
    assert (output.layout.layout, output.layout.strides) == ("distances", (8,))
    assert (output.confidence, output.iou) == (0.5, 0.6)
    assert (parity.metric, parity.exported, parity.metrics["mAP"][0]) == ("mAP50", 1, 1)
    assert parity.labels["green"] == (1, 1)


@pytest.mark.parametrize("name", ENGINES)
def test_a_detector_of_format_3_finds_what_it_found(name):
    picture = np.full((128, 192, 3), 100, np.uint8)
    picture[32:48, 64:80] = (0, 250, 0)
    (box,) = runtime.load(FIXTURES / "format-3-detector", engine=name).predict(picture).boxes
    assert (box.label, *map(round, box[2:])) == ("green", 64, 32, 80, 48)
