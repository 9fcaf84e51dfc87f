"""Average precision: by examples made by hand."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from runtime.average_precision import LabeledBoxes, average_precision
from runtime.errors import MissingExtraError

BOX = (10.0, 10.0, 30.0, 30.0)
OTHER = (50.0, 10.0, 90.0, 40.0)


def boxes(*items):
    """Return the boxes of an image, each ``(corners, label)`` or ``(corners, label, score)``."""
    corners = np.array([item[0] for item in items], np.float32).reshape(-1, 4)
    labels = np.array([item[1] for item in items], np.int64)
    scores = np.array([item[2] for item in items if len(item) > 2], np.float32)
    return LabeledBoxes(corners, labels, scores if len(scores) else None)


def detected(*items):
    answer = boxes(*items)
    return answer if items else LabeledBoxes(answer.corners, answer.labels, np.empty(0, np.float32))


def test_the_right_boxes_are_worth_one():
    truth = [boxes((BOX, 0), (OTHER, 1)), boxes((BOX, 1))]
    answers = [detected((BOX, 0, 0.9), (OTHER, 1, 0.8)), detected((BOX, 1, 0.3))]
    result = average_precision(answers, truth, 3)
    assert (result.mean, result.at_50) == (1.0, 1.0)
    assert result.labels == result.labels_at_50 == (1.0, 1.0, None)


def test_one_of_two_boxes_is_half_of_the_curve():
    """Recall ends at 0.5: 51 of COCO's 101 points have a precision of 1."""
    result = average_precision([detected((BOX, 0, 0.9))], [boxes((BOX, 0), (OTHER, 0))], 1)
    assert result.at_50 == pytest.approx(51 / 101)


def test_a_surer_false_box_halves_the_precision_and_a_less_sure_one_costs_nothing():
    truth = [boxes((BOX, 0))]
    assert average_precision([detected((OTHER, 0, 0.9), (BOX, 0, 0.8))], truth, 1).at_50 == pytest.approx(0.5)
    assert average_precision([detected((OTHER, 0, 0.7), (BOX, 0, 0.8))], truth, 1).at_50 == pytest.approx(1)


def test_an_overlap_counts_at_the_thresholds_up_to_it():
    """An intersection over union of 0.72 passes 0.5, 0.55, 0.6, 0.65 and 0.7: five of ten."""
    narrower = (BOX[0], BOX[1], BOX[0] + 0.72 * (BOX[2] - BOX[0]), BOX[3])
    result = average_precision([detected((narrower, 0, 0.9))], [boxes((BOX, 0))], 1)
    assert result.at_50 == pytest.approx(1)
    assert result.mean == pytest.approx(0.5)


def test_labels_and_images_are_told_apart():
    truth = [boxes((BOX, 0)), boxes((OTHER, 1))]
    assert average_precision([detected((BOX, 1, 0.9)), detected((OTHER, 0, 0.9))], truth, 2).mean == 0
    assert average_precision([detected((OTHER, 1, 0.9)), detected((BOX, 0, 0.9))], truth, 2).mean == 0


def test_the_same_box_twice_is_right_once():
    truth = [boxes((BOX, 0), (OTHER, 0))]
    result = average_precision([detected((BOX, 0, 0.9), (BOX, 0, 0.8), (OTHER, 0, 0.7))], truth, 1)
    assert result.at_50 == pytest.approx((51 * 1 + 50 * 2 / 3) / 101)


def test_the_mean_is_over_labels_with_boxes():
    truth = [boxes((BOX, 0), (OTHER, 2))]
    result = average_precision([detected((BOX, 0, 0.9), (BOX, 1, 0.9))], truth, 3)
    assert result.labels_at_50 == (1.0, None, 0.0)
    assert result.at_50 == 0.5


def test_nothing_to_find_and_nothing_found():
    assert average_precision([detected()], [boxes((BOX, 0))], 1).mean == 0
    assert average_precision([detected(), detected()], [boxes(), boxes()], 2).labels == (None, None)
    assert average_precision([detected((BOX, 0, 0.5))], [boxes()], 1).mean == 0


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "faster_coco_eval", None)
    with pytest.raises(MissingExtraError, match=r"faster-coco-eval.*edgezoo\[train\]"):
        average_precision([detected((BOX, 0, 0.5))], [boxes((BOX, 0))], 1)
