"""The one definition of how far an output is off."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from runtime.compare import BEST_SNR, Difference, difference
from runtime.tasks import Classification

TWO = Classification("classification", "logits", ("one", "two"))


def compare(reference, outputs, *tie):
    return difference(np.array(reference, np.float32), np.array(outputs, np.float32), TWO, *tie)


def test_known_values():
    result = compare([[3, 4], [0, 8]], [[3, 4], [2, 8]])
    assert result.maximum == 2 / 8
    assert result.mean == 2 / 8 / 4
    assert result.cosine == pytest.approx(8 / np.hypot(2, 8), abs=1e-12)
    assert result.agreement == 1


def test_the_scale_is_the_largest_absolute_reference():
    assert compare([[-10, 1]], [[-10, 2]]).maximum == 0.1


def test_cosine_is_the_worst_samples():
    assert compare([[1, 0], [1, 0]], [[5, 0], [0, 1]]).cosine == 0
    assert compare([[1, 0]], [[-1, 0]]).cosine == -1


def test_agreement_counts_samples_with_the_same_decision():
    assert compare([[1, 2], [2, 1], [1, 2], [1, 2]], [[1, 3], [2, 1], [2, 1], [0, 9]]).agreement == 0.75


@pytest.mark.parametrize(("gap", "agreement"), [(0.0, 1), (1e-3, 1), (2e-3, 1), (3e-3, 0)])
def test_either_winner_of_a_tie_counts(gap, agreement):
    assert compare([[1, 1 - gap, 0]], [[0.5, 1, 0]], 1e-3 + 1e-7).agreement == agreement


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_an_output_that_is_not_finite_is_infinitely_far(value):
    assert compare([[1, 2], [3, 4]], [[1, 2], [3, value]]) == Difference(np.inf, np.inf, -1, 0, -BEST_SNR)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_reference_that_is_not_finite_proves_nothing(value):
    assert compare([[1, 2], [3, value]], [[1, 2], [3, 4]]) == Difference(np.inf, np.inf, -1, 0, -BEST_SNR)


def test_a_reference_of_zeros():
    assert compare([[0, 0]], [[0, 0]]) == Difference(0, 0, 1, 1, BEST_SNR)
    result = compare([[0, 0]], [[0, 1e-6]])
    assert result.maximum > 1e30
    assert result.cosine == 0


FINITE = st.floats(-1e6, 1e6, width=32)


@given(arrays(np.float32, st.tuples(st.integers(1, 5), st.integers(2, 5)), elements=FINITE))
def test_an_output_does_not_differ_from_itself(logits):
    result = difference(logits, logits, TWO)
    assert (result.maximum, result.mean, result.agreement) == (0, 0, 1)
    assert result.cosine == pytest.approx(1, abs=1e-12)
