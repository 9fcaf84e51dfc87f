"""How figures are written, whether they are worth anything, and the sentence about over-fitting."""

from __future__ import annotations

import pytest

from runtime.humanize import figure
from runtime.tasks import Binary, Classification, Regression
from zoo.cli.views.training import worth
from zoo.report.metrics import beats, over_fitting, selected_by


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("accuracy", 0.98765, "98.77%"),
        ("f1", 1.0, "100.00%"),
        ("mean precision", 0.5, "50.00%"),
        ("mean recall", 0.5, "50.00%"),
        ("mean f1", 0.0, "0.00%"),
        ("exact", 0.25, "25.00%"),
        ("found", 0.25, "25.00%"),
        ("false alarms", 0.25, "25.00%"),
        ("line_error_rate", 0.001, "0.10%"),
        ("character_error_rate", 1.2, "120.00%"),
        ("rmse", 53.98765, "53.99"),
        ("mae", 123456.0, "123,456"),
        ("r2", -0.5, "-0.5"),
        ("roc_auc", 0.98765, "0.9877"),
        ("loss", 0.00012345, "0.0001234"),
        ("", 3.0, "3"),
    ],
)
def test_shares_are_written_in_per_cent(name, value, text):
    assert figure(name, value) == text


@pytest.mark.parametrize(
    ("better", "value", "baseline", "expected"),
    [("max", 0.6, 0.5, True), ("max", 0.5, 0.5, False), ("min", 0.4, 0.5, True), ("min", 0.5, 0.5, False)],
)
def test_equal_to_a_guess_is_not_better(better, value, baseline, expected):
    assert beats(better, value, baseline) is expected


def test_a_model_that_beats_nothing_is_called_so():
    shares = Classification("classification", "logits", ("a", "b", "c"))
    note = worth(shares, {"metrics": {"accuracy": 0.4}, "baseline": 0.5})
    assert "beats nothing: accuracy 40.00%, and always giving the same answer 50.00%" in note
    assert worth(shares, {"metrics": {"accuracy": 0.51}, "baseline": 0.5}) is None
    values = Regression("regression", "value", "y", "", 0.0, 1.0)
    assert "beats nothing: rmse 2, " in worth(values, {"metrics": {"rmse": 2.0}, "baseline": 1.5})
    assert worth(values, {"metrics": {"rmse": 1.0}, "baseline": 1.5}) is None


def test_a_model_of_unbalanced_classes_is_judged_by_its_mean_recall():
    binary = Binary("binary", "logit", ("common", "rare"))
    classes = {"common": {"samples": 95}, "rare": {"samples": 5}}
    scores = {"metrics": {"accuracy": 0.9, "mean recall": 0.8}, "baseline": 0.95, "classes": classes}
    assert worth(binary, scores) is None
    scores["metrics"]["mean recall"] = 0.5
    note = worth(binary, scores)
    assert "beats nothing: mean recall 50.00%, and always giving the same answer 50.00%" in note
    assert "its classes have 5 to 95 samples: get more of the rare ones" in note
    assert "train longer" not in note


def test_a_run_says_by_which_metric_its_epoch_was_chosen():
    assert selected_by([{"epoch": 1, "val_loss": 1.0, "val_mean recall": 0.5, "lr": 1}], "accuracy") == "mean recall"
    assert selected_by([{"epoch": 1, "val_loss": 1.0}], "rmse") == "rmse"


def history(train, validation):
    return [
        {"epoch": i, "train_loss": one, "val_loss": other}
        for i, (one, other) in enumerate(zip(train, validation, strict=True), 1)
    ]


def test_a_validation_loss_that_rises_for_good_is_over_fitting():
    note = over_fitting(history([1.0, 0.8, 0.5, 0.2], [1.0, 0.7, 0.8, 0.9]))
    assert "over-fitting since epoch 2: the validation loss rose from 0.7 to 0.9" in note
    assert "while the training loss fell from 0.8 to 0.2" in note
    for remedy in ("data", "augmentation", "dropout", "weight_decay", "smaller network"):
        assert remedy in note


@pytest.mark.parametrize(
    ("train", "validation"),
    [
        ([1.0, 0.5], [0.5, 1.0]),
        ([1.0, 0.8, 0.5, 0.4], [1.0, 0.7, 0.6, 0.5]),
        ([1.0, 0.8, 0.5, 0.4], [1.0, 0.7, 0.9, 0.72]),
        ([1.0, 0.8, 0.9, 1.0], [1.0, 0.7, 0.9, 1.2]),
        ([1.0, 0.8, 0.5, 0.4], [1.0, 1.0, 1.0, 1.0]),
        ([0.0, 0.0, 0.0], [0.0, 0.0, 0.0]),
        ([], []),
    ],
    ids=["two epochs", "better and better", "came back", "both rise", "level", "nothing", "no epochs"],
)
def test_other_courses_are_not(train, validation):
    assert over_fitting(history(train, validation)) is None
