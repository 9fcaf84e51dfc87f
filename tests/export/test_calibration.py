"""Calibration: which samples are chosen, which ranges each method takes of them, and what rounding weights adds."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

import export
from export.precision.calibration import BATCH, DECAY, METHODS, batches, choose, observe, rounding_error
from runtime.errors import CalibrationError, OptionError

LABELS = ("cat", "dog", "fox")
INPUT_SPEC = export.TableInput("table", "features", (export.NumericColumn("numeric", "number", 0.0, 1.0, 0.0, 999.0),))
ANIMALS = export.ModelSpec("animals", INPUT_SPEC, export.Classification("classification", "logits", LABELS))
VALUES = replace(ANIMALS, output=export.Regression("regression", "value", "price", "", 0.0, 1.0))
ODD = replace(ANIMALS, output=export.Anomaly("anomaly", "missed", 1, 0.5))
STEPS = replace(ANIMALS, input=export.SequenceInput("sequence", "sequence", 4, ("heat",), (0.0,), (1.0,)))


def rows(count):
    return [{"number": float(i)} for i in range(count)]


def unbalanced(*counts):
    """Return so many samples of each class, all of one class before the next."""
    return rows(sum(counts)), np.repeat(np.arange(len(counts)), counts)


def chosen(samples, targets=None, number=200, spec=ANIMALS):
    return choose(export.Calibration(samples, targets, number), spec)


@pytest.mark.parametrize(
    ("counts", "number", "wanted"),
    [
        ((900, 80, 20), 30, (10, 10, 10)),
        ((900, 80, 5), 30, (13, 12, 5)),
        ((900, 0, 50), 20, (10, 0, 10)),
        ((20, 5, 5), 200, (20, 5, 5)),
        ((30, 30, 30), 10, (4, 3, 3)),
    ],
)
def test_classes_are_balanced_as_far_as_there_are_any(counts, number, wanted):
    samples, targets = unbalanced(*counts)
    calibrated = chosen(samples, targets, number)
    picked = Counter(targets[int(value)] for value in calibrated.inputs[:, 0])
    assert calibrated.balance == {label: picked[i] for i, label in enumerate(LABELS)}
    assert sorted(calibrated.balance.values()) == sorted(wanted)
    assert len({*calibrated.inputs[:, 0]}) == len(calibrated.inputs) == min(number, sum(counts))


def test_the_same_samples_every_time_and_not_just_the_first():
    samples, targets = unbalanced(100, 100, 100)
    once, again = (chosen(samples, targets, 30).inputs for _ in range(2))
    assert np.array_equal(once, again)
    assert np.ptp(once) > 250
    few = chosen(samples, targets, 12).inputs
    assert {*few[:, 0]} <= {*once[:, 0]}


def test_two_classes_of_a_binary_task():
    spec = replace(ANIMALS, output=export.Binary("binary", "logit", ("no", "yes")))
    samples, targets = unbalanced(200, 9)
    calibrated = chosen(samples, targets.astype(np.float32), 20, spec)
    assert calibrated.balance == {"no": 11, "yes": 9}


@pytest.mark.parametrize("spec", [VALUES, ODD])
@pytest.mark.parametrize("targets", [None, np.zeros(40)])
def test_tasks_without_classes_take_any(spec, targets):
    calibrated = chosen(rows(40), targets, 15, spec)
    assert (len(calibrated.inputs), calibrated.balance) == (15, {})
    assert len({*calibrated.inputs[:, 0]}) == 15


def test_classes_without_targets_take_any():
    assert chosen(rows(40), None, 15).balance == {}


def test_sequences_of_another_length_are_left_out_and_not_counted():
    samples = [np.full((4 if i % 2 else 3, 1), i, np.float32) for i in range(60)]
    targets = np.arange(60) // 20
    calibrated = chosen(samples, targets, 60, STEPS)
    assert calibrated.inputs.shape == (30, 4, 1)
    assert calibrated.balance == {"cat": 10, "dog": 10, "fox": 10}
    with pytest.raises(CalibrationError, match=r"at least 10 sequences of 4 steps, got 6$"):
        chosen(samples[:12], None, 60, STEPS)


def test_too_few_samples():
    with pytest.raises(CalibrationError, match=r"at least 10 training samples, got 9: give more data"):
        chosen(rows(9))
    assert len(chosen(rows(10)).inputs) == 10


def test_one_class_alone_is_named():
    with pytest.raises(CalibrationError, match=r"all 30 calibration samples are of one class, 'dog'; .*all 3 classes"):
        chosen(rows(30), np.ones(30, int))


def test_options_are_checked():
    with pytest.raises(OptionError, match=r"unknown calibration method 'minmax' .did you mean 'min-max'.*entropy"):
        export.Calibration(rows(20), method="minmax")
    with pytest.raises(OptionError, match="calibration needs at least 10 samples, got 9"):
        export.Calibration(rows(20), number=9)
    with pytest.raises(OptionError, match="20 calibration samples have 3 targets"):
        export.Calibration(rows(20), np.zeros(3))


def observed(parts, method, axis=1):
    """Return the statistics of one activation that comes in parts."""
    return observe(lambda: iter([{"a": np.asarray(part, np.float32)} for part in parts]), method, axis)


def test_min_max_takes_the_extremes_of_all():
    statistics = observed([[[-1.0, 2.0]], [[0.5, 7.0]], [[-3.0, 0.0]]], "min-max")
    assert statistics.ranges == {"a": (-3.0, 7.0)}


def test_moving_average_smooths_the_extremes_of_batches():
    low, high = observed([[[0.0, 1.0]], [[-1.0, 11.0]]], "moving-average").ranges["a"]
    assert low == pytest.approx((1 - DECAY) * -1)
    assert high == pytest.approx(DECAY * 1 + (1 - DECAY) * 11)


BULK = np.random.default_rng(0).normal(0, 1, (20, 3000, 10))
"""600,000 values of a normal distribution: the rarest hundred-thousandth are three on each side."""


def with_outlier():
    parts = BULK.copy()
    parts[7, 3, 5] = 1000
    return parts


def test_percentile_cuts_an_outlier_off():
    low, high = observed(with_outlier(), "percentile").ranges["a"]
    assert -6 < low < -3.5
    assert 3.5 < high < 6
    assert observed(with_outlier(), "min-max").ranges["a"][1] == 1000


def test_entropy_cuts_the_tails_and_keeps_the_bulk():
    low, high = observed(BULK, "entropy").ranges["a"]
    assert 1.5 < min(-low, high) <= max(-low, high) < np.abs(BULK).max() + 0.01
    assert observed(with_outlier(), "entropy").ranges["a"][1] < 1000


@pytest.mark.timeout(20)
@pytest.mark.parametrize("method", METHODS)
def test_a_huge_outlier_in_a_later_batch_takes_no_time(method):
    parts = np.ones((3, 4, 5))
    parts[2, 1, 1] = 1e6
    assert 1 <= observed(parts, method).ranges["a"][1] <= 1e6 + 1


@pytest.mark.parametrize("method", METHODS)
def test_every_method_takes_a_plain_activation(method):
    low, high = observed([np.linspace(-1, 1, 400).reshape(20, 20)] * 10, method).ranges["a"]
    assert -1.01 <= low <= -0.5
    assert 0.5 <= high <= 1.01


@pytest.mark.parametrize("method", METHODS)
def test_a_constant_activation_has_its_value_as_range(method):
    low, high = observed(np.zeros((3, 4, 5)), method).ranges["a"]
    assert -1 <= low <= 0 <= high <= 1


@pytest.mark.parametrize(("axis", "order"), [(1, (0, 3, 1, 2)), (-1, (0, 1, 2, 3))])
def test_means_are_those_of_each_channel(axis, order):
    images = np.random.default_rng(0).normal((0, 10, 20), 1, (24, 5, 4, 3))
    statistics = observed(np.split(images.transpose(order), 6), "min-max", axis)
    assert statistics.means["a"] == pytest.approx(images.mean(axis=(0, 1, 2)), rel=1e-5)


def test_means_of_parts_of_different_sizes_are_weighed():
    assert observed([[[0.0]] * 9, [[10.0]]], "min-max").means["a"] == pytest.approx([1.0])


@pytest.mark.parametrize("axis", [1, -1])
def test_channels_are_the_last_axis_of_features_and_sequences(axis):
    assert observed([np.arange(6).reshape(2, 3)], "min-max", axis).means["a"] == pytest.approx([1.5, 2.5, 3.5])
    assert observed([np.arange(6).reshape(1, 2, 3)], "min-max", axis).means["a"] == pytest.approx([1.5, 2.5, 3.5])


def test_what_has_no_channels_has_a_range_alone():
    """Its one axis is the batch's, or made of it, and the last batch is smaller."""
    statistics = observe(lambda: iter([{"a": np.ones(8, np.float32)}, {"a": np.zeros(6, np.float32)}]), "min-max", 1)
    assert statistics.ranges == {"a": (0.0, 1.0)}
    assert statistics.means == {}


@pytest.mark.parametrize("method", METHODS)
def test_the_padding_of_pooling_is_in_no_range(method):
    parts = np.random.default_rng(0).uniform(2, 3, (4, 5, 6))
    low = observed(parts, method).ranges["a"][0]
    parts[:, 0] = -np.inf
    assert observed(parts, method).ranges["a"][0] == pytest.approx(low, abs=2.1)  # 0 is in every range


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_is_refused(method, value):
    parts = np.zeros((4, 5, 6))
    parts[2, 1, 1] = value
    with pytest.raises(CalibrationError, match=r"activation 'a' is not finite on the calibration samples: train again"):
        observed(parts, method)


@pytest.mark.parametrize("method", METHODS)
def test_empty_activations_have_no_range(method):
    parts = [{"a": np.ones((2, 3), np.float32), "none": np.zeros((2, 0), np.float32)}] * 3
    assert list(observe(lambda: iter(parts), method, 1).ranges) == ["a"]


def test_batches_hold_every_input_once():
    inputs = np.arange(BATCH * 2 + 3)[:, None]
    parts = [batch["values"] for batch in batches({"values": inputs})]
    assert [len(part) for part in parts] == [BATCH, BATCH, 3]
    assert np.array_equal(np.concatenate(parts), inputs)


def test_rounding_error_is_what_rounding_adds():
    weights = np.array([[4.0, 1.4, -0.6], [0.0, 0.0, 0.0], [-127.0, 0.4, 63.6]], np.float32)
    assert rounding_error(weights[:1], 4) == pytest.approx(np.array([[0, -0.4, -0.4]]), abs=1e-6)
    assert rounding_error(weights[1:], 127) == pytest.approx(np.array([[0, 0, 0], [0, -0.4, 0.4]]), abs=1e-5)
    kernels = np.random.default_rng(0).normal(size=(4, 3, 2, 2)).astype(np.float32)
    step = np.abs(kernels).max(axis=(1, 2, 3), keepdims=True) / 64
    assert (np.abs(rounding_error(kernels, 64)) <= step / 2 * 1.001).all()
