"""Every recipe and every task, trained for a moment, passes parity in every format.

Recipes, tasks and formats are found from disk, so a new file is tested.
"""

from __future__ import annotations

import numpy as np
import pytest

import runtime
from export.formats import formats_in
from export.precision import GATES
from runtime.bundle import Bundle
from runtime.compare import FP32_TOLERANCE, difference
from runtime.inputs import AudioInput, ImageInput, SequenceInput
from runtime.verify import Replay, verify
from tests.engines import FLOAT_ENGINES
from tests.nightly import NIGHTLY
from tests.quick import CASES, TASKS, WHOLE
from zoo.registry import descriptions

SNR = dict.fromkeys(GATES, 20.0) | {"fp32": 100.0, "fp16": 45.0, "int4-weights": 0.0}
"""Decibels of the worst network after one epoch: each bit is worth 6, deep networks with depthwise layers lose half.
4 bits are no promise: a network of such layers is lost in them, and its file isn't written."""

TIES = {"mAP50": 1e-6}
"""How far a metric may be: after one epoch a detector's boxes nearly tie, and average precision follows their order."""


def test_every_task_has_a_case():
    assert set(TASKS) == set(descriptions("zoo.tasks"))


@pytest.fixture(scope="module", params=sorted(CASES))
def bundle(request, quick_bundle):
    return Bundle.read(quick_bundle(request.param))


def test_every_precision_is_as_near_as_its_bits_allow(bundle):
    for name, entry in bundle.manifest.models.items():
        nearest = SNR[entry.spec.precision]
        assert entry.parity.snr >= nearest, f"{bundle.manifest.model.name} {name}: {entry.parity}"


@pytest.mark.parametrize("format_name", formats_in("fp32"))
def test_parity_on_real_samples(bundle, format_name):
    model, card = bundle.manifest.model, bundle.manifest.card
    for name, entry in bundle.manifest.models.items():
        if (entry.spec.format, entry.spec.precision) != (format_name, "fp32"):
            continue
        parity = entry.parity
        figures = f"{model.name} {name}: max {parity.max_difference}, mean {parity.mean_difference}"
        assert parity.max_difference <= FP32_TOLERANCE, figures
        assert parity.hard_max_difference <= FP32_TOLERANCE, figures
        assert parity.agreement == 1, figures
        if not entry.spec.state:
            assert parity.samples == card.data.samples["validation"]
            assert parity.exported == pytest.approx(parity.reference, rel=1e-6, abs=TIES.get(parity.metric))
            assert parity.reference == pytest.approx(
                card.metrics[f"validation {model.output.metric}"], rel=1e-6, abs=TIES.get(parity.metric)
            )


def test_golden_pack_replays_on_every_engine(bundle):
    trusted = not NIGHTLY and bundle.path.name not in WHOLE  # the trials of a few bundles show that sound files pass
    replays = [result for result in verify(bundle.path, trusted=trusted) if isinstance(result, Replay)]
    assert {result.file for result in replays if result.passed} == set(bundle.manifest.models)
    for result in replays:
        assert result.passed or (result.passed is None and " wrong: use engine" in result.note), result


@pytest.mark.parametrize("format_name", formats_in("fp32"))
def test_one_file_alone_predicts_like_the_bundle(bundle, format_name, tmp_path):
    alone = tmp_path / f"renamed.{format_name}"
    alone.write_bytes(bundle.bytes(f"model.{format_name}"))
    whole, single = runtime.load(bundle.path), runtime.load(alone)
    assert single.spec == whole.spec
    sample = whole.spec.input.edge_cases()[2]
    if isinstance(whole.spec.input, ImageInput):  # of another size, so that preprocessing has work to do
        sample = np.random.default_rng(1).integers(0, 256, (50, 40, 3), np.uint8)
        assert single.predict(sample).to_dict().keys() == whole.predict(sample).to_dict().keys()
        sample = whole.spec.input.read(sample)
    compared = difference(*(model.forward(sample[None]) for model in (whole, single)), whole.spec.output)
    assert compared.maximum <= FP32_TOLERANCE


@pytest.mark.parametrize("format_name", formats_in("fp32"))
def test_scaling_lives_in_the_graph(bundle, format_name):
    """Raw values are all a caller gives: others change the answer, so nothing clips or rescales them."""
    model = runtime.load(bundle.path / f"model.{format_name}")
    low, high, *_ = model.spec.input.edge_cases()
    assert difference(model.forward(low[None]), model.forward(high[None]), model.spec.output).maximum > 1e-3


def test_causal_recipes_stream(bundle):
    """After each step the stream gives the answer of the whole sequence so far, on every engine."""
    models = bundle.manifest.models.values()
    steps = {e.spec.format: e.parity for e in models if e.spec.state and e.spec.precision == "fp32"}
    if not bundle.manifest.model.input.step_length:
        assert not steps
        return
    assert set(steps) == set(formats_in("fp32"))
    assert all(parity.max_difference <= FP32_TOLERANCE for parity in steps.values())
    whole = runtime.load(bundle.path / "model.onnx")
    if isinstance(whole.spec.input, AudioInput):
        clip = whole.spec.input.edge_cases()[2:3]
        for engine in FLOAT_ENGINES:
            *_, last = runtime.load(bundle.path, engine=engine).rollout(clip)
            assert difference(whole.forward(clip), last, whole.spec.output).maximum <= FP32_TOLERANCE
        return
    sequence = whole.spec.input.edge_cases()[2]
    for engine in FLOAT_ENGINES:
        predictions = list(runtime.load(bundle.path, engine=engine).stream(sequence))
        assert len(predictions) == len(sequence)
        for length in (1, 3, len(sequence)):
            wanted = whole.predict(sequence[:length])
            assert close(predictions[length - 1].to_dict(), wanted.to_dict()), f"{engine}, step {length}"


def close(one, other):
    """Tell whether two answers say the same: words equal, numbers up to rounding by the engines."""
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(close(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(close, one, other))
    return one == (pytest.approx(other, rel=1e-4, abs=1e-4) if isinstance(one, float) else other)


def test_other_lengths_and_batches_of_sequences(bundle):
    if not isinstance(bundle.manifest.model.input, SequenceInput):
        return
    model = runtime.load(bundle.path / "model.onnx")
    sequence = model.spec.input.edge_cases()[2]
    for length in (1, 5, len(sequence) + 9):
        other = np.resize(sequence, (length, sequence.shape[1]))
        together = model.forward(np.stack([other, other[::-1], other]))
        np.testing.assert_allclose(together[0], model.forward(other[None])[0], rtol=1e-4, atol=1e-4)
