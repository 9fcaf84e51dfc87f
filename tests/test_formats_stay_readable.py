"""Bundles of every released format stay readable: each folder in `fixtures` was written by the release of its time."""

from pathlib import Path

import numpy as np
import pytest

import runtime
from runtime.verify import verify

FIXTURES = Path(__file__).with_name("fixtures")
BUNDLES = sorted(FIXTURES.glob("format-*"))


@pytest.mark.parametrize("folder", BUNDLES, ids=lambda folder: folder.name)
def test_verifies_and_predicts(folder):
    results = list(verify(folder))
    assert len(results) == 3
    assert all(result.passed for result in results), results
    image = np.zeros((20, 30, 3), np.uint8)
    answers = {
        name: runtime.load(folder, engine=name).predict(image).scores.tolist() for name in ("onnxruntime", "litert")
    }
    assert answers["onnxruntime"] == pytest.approx(answers["litert"], abs=1e-6)


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
