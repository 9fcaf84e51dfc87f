"""Every task: which targets it takes, its loss, what a guess is worth, and what its report says of known answers."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from runtime.errors import OptionError
from runtime.images.preprocess import image_steps
from runtime.inputs import ImageInput, NumericColumn, SequenceInput, TableInput
from runtime.tasks import CTC, Anomaly, Binary, Classification, Detection, Forecasting, MultiLabel, Regression
from runtime.tasks.box_layouts import Distances
from runtime.tensor_spec import TensorSpec
from runtime.tensors import by_name, map_tensors
from zoo.data import Boxes, Classes, Dataset, LabelSets, Rows, Split, Texts, Values, load_dataset
from zoo.measure.scores import score
from zoo.recipes import Training
from zoo.registry import descriptions
from zoo.tasks import choose, task

PLAIN = Training()
ROW = TableInput("table", "x", (NumericColumn("numeric", "x", 0.0, 1.0, -5.0, 5.0),))

ANIMALS = Classification("classification", "logits", ("ant", "bee", "cat"))
ANSWER = Binary("binary", "logit", ("no", "yes"))
COLORS = MultiLabel("multilabel", "logits", ("red", "green", "blue"))
WEIGHT = Regression("regression", "value", "weight", "kg", 10.0, 4.0)
LOAD = Forecasting("forecasting", "values", "load", "kW", 2, 10.0, 4.0)
LINE = CTC("ctc", "logits", "123")
ODD = Anomaly("anomaly", "residuals", 2, 1.0)
CELLS = (TensorSpec("distances", (21, 4)), TensorSpec("scores", (21, 2)))
OBJECTS = Detection("detection", CELLS, ("ant", "bee"), 32, 32, Distances("distances", (8, 16, 32)), 0.3, 0.6)
ONE_BOX = [[[1, 1, 1, 17, 17], [-1, -1, -1, -1, -1]]]

EMPTY = -1


def dataset(target, train, validation=None):
    """A table of numbered rows with the given targets."""
    splits = {}
    for name, values in (("train", train), ("validation", train if validation is None else validation)):
        splits[name] = Split([(float(i),) for i in range(len(values))], np.array(values))
    return Dataset("things", Rows({"x": None}), target, splits, "a test", "none")


def loss(output, raw, targets, training=PLAIN, train_targets=None):
    targets = np.array(targets)
    criterion = task(output.task).loss(output, training, targets if train_targets is None else np.array(train_targets))
    tensors = map_tensors(lambda values: torch.tensor(np.array(values), dtype=torch.float32), raw)
    return float(criterion(tensors, torch.from_numpy(targets)))


def as_arrays(raw):
    return map_tensors(lambda values: np.array(values, np.float32), raw)


def detected(*boxes):
    """Raw outputs that say boxes ``(label, logit, left, top, right, bottom)``, each in a cell of its own."""
    raw = {"distances": np.zeros((1, 21, 4), np.float32), "scores": np.full((1, 21, 2), -50, np.float32)}
    for cell, (label, logit, left, top, right, bottom) in enumerate(boxes):
        y, x = 4 + 8 * (cell // 4), 4 + 8 * (cell % 4)
        raw["distances"][0, cell] = np.array([x - left, y - top, right - x, bottom - y]) / 8
        raw["scores"][0, cell, label] = logit
    return raw


def path(*steps):
    """Logits that say one class at each step, surely."""
    return np.eye(4, dtype=np.float32)[list(steps)] * 50


# which task


@pytest.mark.parametrize(
    ("target", "name"),
    [
        (Classes(("a", "b", "c")), "classification"),
        (Classes(("a",)), "classification"),
        (Classes(("a", "b")), "binary"),
        (LabelSets(("a", "b")), "multilabel"),
        (Values("y"), "regression"),
        (Values("y", "", 3), "forecasting"),
        (Texts("01"), "ctc"),
        (Boxes(("a",)), "detection"),
    ],
)
def test_the_task_follows_from_the_target(target, name):
    assert choose("auto", target) == name
    assert choose("anomaly", target) == "anomaly"


def test_an_unknown_task_is_answered_with_the_nearest():
    with pytest.raises(OptionError, match=r"unknown task 'regresion' \(did you mean 'regression'\?\).*auto"):
        task("regresion")


# conversion


def test_digits_become_numbers():
    digits = load_dataset("digits", 0)
    converted = task("regression").convert(digits, PLAIN)
    assert converted.target == Values("value")
    for name, split in converted.splits.items():
        assert split.targets.dtype == np.float32
        assert split.targets.tolist() == digits.splits[name].targets.tolist()
        assert split.items is digits.splits[name].items


def test_numbers_in_labels_count_not_their_places():
    converted = task("regression").convert(dataset(Classes(("-1.5", "10", "2")), [0, 1, 2, 1]), PLAIN)
    assert converted.splits["train"].targets.tolist() == [-1.5, 10, 2, 10]


@pytest.mark.parametrize("labels", [("1", "two"), ("1", "nan"), ("inf", "2"), ("1", "")])
def test_labels_that_are_no_numbers_cannot_be_regressed(labels):
    with pytest.raises(OptionError, match="task=regression needs numbers; 'things' has classes"):
        task("regression").convert(dataset(Classes(labels), [0, 1]), PLAIN)


@pytest.mark.parametrize("name", ["classification", "binary"])
def test_whole_numbers_become_classes(name):
    converted = task(name).convert(dataset(Values("y"), np.float32([7, -2, 7]), np.float32([-2, 7])), PLAIN)
    assert converted.target == Classes(("-2", "7"))
    assert converted.splits["train"].targets.tolist() == [1, 0, 1]
    assert converted.splits["validation"].targets.tolist() == [0, 1]
    assert converted.splits["train"].targets.dtype == np.int64


def test_a_class_becomes_the_set_of_it_alone():
    converted = task("multilabel").convert(dataset(Classes(("a", "b", "c")), [2, 0]), PLAIN)
    assert converted.target == LabelSets(("a", "b", "c"))
    assert converted.splits["train"].targets.tolist() == [[0, 0, 1], [1, 0, 0]]


def test_three_classes_are_not_binary():
    with pytest.raises(OptionError, match=r"task=binary needs two classes; 'things' has 3: .*task=classification"):
        task("binary").convert(dataset(Classes(("a", "b", "c")), [0, 1, 2]), PLAIN)


SETS = (LabelSets(("a", "b")), [[0, 1], [1, 0]])
CLASSES = (Classes(("a", "b")), [0, 1])
FRACTIONS = (Values("y"), np.float32([0.5, 2]))
MANY = (Values("y"), np.arange(101, dtype=np.float32))
NEXT = (Values("y", "", 2), np.float32([[1, 2], [3, 4]]))
TEXT = (Texts("01"), [[0, 1], [1, EMPTY]])
OBJECT = (Boxes(("ant", "bee")), np.float32(ONE_BOX))


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("classification", FRACTIONS, "task=classification needs classes; 'things' has numbers"),
        ("classification", MANY, "task=classification needs classes; 'things' has numbers"),
        ("classification", SETS, "task=classification needs classes; 'things' has sets of labels"),
        ("binary", TEXT, "task=binary needs classes; 'things' has texts"),
        ("multilabel", NEXT, "task=multilabel needs classes; 'things' has numbers"),
        ("regression", NEXT, "task=regression needs numbers; 'things' has numbers"),
        ("regression", SETS, "task=regression needs numbers; 'things' has sets of labels"),
        ("forecasting", FRACTIONS, "task=forecasting needs a series; the targets of 'things' are numbers"),
        ("ctc", CLASSES, "task=ctc needs texts; the targets of 'things' are classes"),
        ("anomaly", FRACTIONS, "task=anomaly needs classes; 'things' has numbers"),
        ("detection", CLASSES, "task=detection needs boxes; the targets of 'things' are classes"),
        ("classification", OBJECT, "task=classification needs classes; 'things' has boxes"),
    ],
)
def test_targets_that_do_not_fit_are_refused(name, arguments, message):
    with pytest.raises(OptionError, match=message):
        task(name).convert(dataset(*arguments), PLAIN)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("classification", CLASSES),
        ("binary", CLASSES),
        ("multilabel", SETS),
        ("regression", FRACTIONS),
        ("forecasting", NEXT),
        ("ctc", TEXT),
        ("detection", OBJECT),
    ],
)
def test_targets_that_fit_stay_as_they_are(name, arguments):
    whole = dataset(*arguments)
    assert task(name).convert(whole, PLAIN) is whole


@pytest.mark.parametrize(("label", "odd"), [("", 2), ("cat", 2), ("ant", 0)])
def test_no_anomaly_is_left_in_training(label, odd):
    whole = dataset(Classes(("ant", "bee", "cat")), [0, 1, 2, 0], [2, 1, 0])
    converted = task("anomaly").convert(whole, Training(anomaly=label))
    assert converted.target == Classes(("normal", "anomaly"))
    assert set(converted.splits["train"].targets.tolist()) == {0}
    assert len(converted.splits["train"].items) == 4 - [0, 1, 2, 0].count(odd)
    assert converted.splits["validation"].targets.tolist() == [int(target == odd) for target in (2, 1, 0)]


@pytest.mark.parametrize("labels", [("normal", "anomaly"), ("anomaly", "normal")])
def test_a_label_called_anomaly_is_the_anomaly(labels):
    converted = task("anomaly").convert(dataset(Classes(labels), [0, 1, 1]), PLAIN)
    assert converted.splits["validation"].targets.tolist() == [int(labels[i] == "anomaly") for i in (0, 1, 1)]
    assert set(converted.splits["train"].targets.tolist()) == {0}


def test_an_unknown_anomaly_is_answered_with_the_nearest():
    with pytest.raises(OptionError, match=r"unknown label for anomaly 'bees' \(did you mean 'bee'\?\)"):
        task("anomaly").convert(dataset(Classes(("ant", "bee")), [0, 1]), Training(anomaly="bees"))


# what is lacking


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("classification", (Classes(("a",)), [0, 0]), "a single class ('a')"),
        ("classification", (Classes(("a", "b", "c")), [0, 1, 2], [0, 1]), "no readable samples in validation of: c ("),
        ("binary", (Classes(("a", "b")), [1, 1], [0, 1]), "no readable samples in train of: a ("),
        ("multilabel", (LabelSets(("a", "b")), [[1, 0], [1, 1]]), "the label 'a' holds for every training sample"),
        ("multilabel", (LabelSets(("a", "b")), [[1, 0], [0, 0]]), "the label 'b' holds for no training sample"),
        ("regression", (Values("y"), np.float32([2.5, 2.5])), "the target is 2.5 in every training sample"),
        ("regression", (Values("y"), np.float32([2])), "there are 1 samples to train on and 1 to validate with"),
        ("regression", (Values("y"), np.float32([2, 3]), np.float32([])), "2 samples to train on and 0 to validate"),
        ("forecasting", (Values("y", "", 2), np.ones((3, 2), np.float32)), "the target is 1 in every training sample"),
        ("ctc", (Texts("012"), [[0, 2], [2, EMPTY]]), "no training line holds: 1"),
        ("anomaly", (Classes(("normal", "anomaly")), [0, 0], [0, 0]), "validation has no anomaly samples"),
        ("anomaly", (Classes(("normal", "anomaly")), [0, 0], [1]), "validation has no normal samples"),
        ("anomaly", (Classes(("normal", "anomaly")), np.int64([]), [0, 1]), "there are no normal samples to train on"),
        ("detection", (*OBJECT, -np.ones((1, 2, 5))), "no readable picture in validation has a box"),
    ],
)
def test_what_a_set_lacks_is_said(name, arguments, message):
    (problem,) = task(name).problems(dataset(*arguments))
    assert message in problem
    assert "\n" not in problem


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("classification", (Classes(("a", "b", "c")), [0, 1, 2])),
        ("binary", CLASSES),
        ("multilabel", SETS),
        ("regression", FRACTIONS),
        ("forecasting", NEXT),
        ("ctc", TEXT),
        ("anomaly", (Classes(("normal", "anomaly")), [0, 0], [0, 1])),
        ("detection", OBJECT),
    ],
)
def test_a_whole_set_lacks_nothing(name, arguments):
    assert task(name).problems(dataset(*arguments)) == []


# the output


def output(name, *arguments, input_spec=ROW):
    return task(name).output(dataset(*arguments), input_spec, PLAIN)


def test_the_output_follows_from_the_data():
    assert output("classification", Classes(ANIMALS.labels), [0, 1, 2]) == ANIMALS
    assert output("binary", Classes(("no", "yes")), [0, 1]) == ANSWER
    assert output("multilabel", LabelSets(COLORS.labels), [[0, 1, 1]]) == COLORS
    assert output("regression", Values("weight", "kg"), np.float32([6, 14])) == WEIGHT
    assert output("forecasting", Values("load", "kW", 2), np.float32([[6, 14], [14, 6]])) == LOAD
    assert output("ctc", Texts("123"), [[0, 1]]) == LINE


def test_an_anomaly_has_a_residual_for_each_feature():
    picture = ImageInput("image", "image", (4, 5, 3), image_steps((4, 5), "RGB"))
    steps = SequenceInput("sequence", "s", 7, ("a", "b"), (0.0, 0.0), (1.0, 1.0))
    arguments = (Classes(("normal", "anomaly")), [0, 0], [0, 1])
    assert output("anomaly", *arguments).shape == (1,)
    assert output("anomaly", *arguments, input_spec=picture).shape == (60,)
    assert output("anomaly", *arguments, input_spec=steps).shape == (2,)


def test_one_in_twenty_normal_samples_is_above_the_threshold():
    raw = np.random.default_rng(0).normal(size=(400, 2)).astype(np.float32)
    finished = task("anomaly").finish(ODD, {"train": (raw, None)}.get)
    assert (finished.scores(raw) > finished.threshold).mean() == pytest.approx(0.05, abs=0.003)
    assert replace(finished, threshold=1.0) == ODD
    assert task("anomaly").finish(ODD, lambda split: (np.zeros((4, 2), np.float32), None)).threshold > 0


# the loss

PERFECT = {
    "classification": (ANIMALS, np.eye(3) * 50, [0, 1, 2]),
    "binary": (ANSWER, [[-50], [50]], [0, 1]),
    "multilabel": (COLORS, [[50, -50, 50], [-50, -50, -50]], [[1, 0, 1], [0, 0, 0]]),
    "regression": (WEIGHT, [[6], [14.5]], np.float32([6, 14.5])),
    "forecasting": (LOAD, [[6, 14.5]], np.float32([[6, 14.5]])),
    "ctc": (LINE, np.stack([path(1, 0, 1, 2), path(0, 3, 3, 0)]), [[0, 0, 1], [2, EMPTY, EMPTY]]),
    "anomaly": (ODD, [[0, 0], [7, 7]], [0, 1]),
    "detection": (OBJECTS, detected((1, 50, 1, 1, 17, 17)), np.float32(ONE_BOX)),
}


def test_each_task_is_among_these():
    assert set(PERFECT) == set(descriptions("zoo.tasks"))


@pytest.mark.parametrize("name", PERFECT)
def test_the_loss_of_a_perfect_answer_is_nothing(name):
    output, raw, targets = PERFECT[name]
    assert loss(output, raw, targets) == pytest.approx(0, abs=1e-6)
    worse = map_tensors(lambda values: np.array(values, np.float32) * -1 + 0.5, raw)
    assert loss(output, worse, targets) > 0.01


def test_the_loss_of_no_idea():
    assert loss(ANIMALS, np.zeros((3, 3)), [0, 1, 2]) == pytest.approx(math.log(3))
    assert loss(ANSWER, np.zeros((2, 1)), [0, 1]) == pytest.approx(math.log(2))
    assert loss(COLORS, np.zeros((1, 3)), [[1, 0, 0]]) == pytest.approx(math.log(2))


@pytest.mark.parametrize("kind", ["auto", "mse", "mae", "huber"])
@pytest.mark.parametrize("output", [WEIGHT, LOAD], ids=["regression", "forecasting"])
def test_values_are_measured_in_deviations(kind, output):
    """Half a deviation (2 of 4) too high once, three deviations too low once."""
    expected = {"mae": (0.5 + 3) / 2, "huber": (0.125 + 2.5) / 2}.get(kind, (0.25 + 9) / 2)
    raw, targets = np.float32([12, -2]), np.float32([10, 10])
    if output is WEIGHT:
        value = loss(output, raw[:, None], targets, Training(loss=kind))
    else:
        value = loss(output, raw[None], targets[None], Training(loss=kind))
    assert value == pytest.approx(expected)


@pytest.mark.parametrize("output", [ANIMALS, ANSWER], ids=["classification", "binary"])
def test_rare_classes_weigh_more_in_the_loss(output):
    """Three of the one and one of the other: weights 2/3 and 2 (with a third, absent class: those times 2/3)."""
    train = [0, 0, 0, 1]
    raw = np.zeros((2, 3)) if output is ANIMALS else np.zeros((2, 1))
    raw[1, 0] = 2 if output is ANIMALS else -2  # says class 0 of both
    one, other = loss(output, raw[:1], [0]), loss(output, raw[1:], [1])
    weighed = loss(output, raw, [0, 1], Training(class_weights="balanced"), train)
    assert weighed == pytest.approx((one * 2 / 3 + other * 2) / (2 / 3 + 2), rel=1e-5)
    assert loss(output, raw, [0, 1], Training(class_weights="none"), train) == pytest.approx((one + other) / 2)


def test_smoothed_targets_cost_the_sure():
    smooth = Training(label_smoothing=0.1)
    sure, right = math.log(1 / 0.95), math.log(0.95 / 0.05)
    assert loss(ANSWER, [[right]], [1], smooth) == pytest.approx(0.95 * sure + 0.05 * math.log(20), rel=1e-5)
    assert loss(ANSWER, [[right + 1]], [1], smooth) > loss(ANSWER, [[right]], [1], smooth)
    assert loss(ANSWER, [[right - 1]], [1], smooth) > loss(ANSWER, [[right]], [1], smooth)
    assert loss(COLORS, [[50, -50, -50]], [[1, 0, 0]], smooth) == pytest.approx(0.05 * 50)
    assert loss(ANIMALS, np.eye(3)[:1] * 50, [0], smooth) == pytest.approx(0.1 * 50 * 2 / 3, rel=1e-5)


def test_repeated_characters_need_a_blank_between():
    assert loss(LINE, path(1, 0, 1)[None], [[0, 0]]) == pytest.approx(0, abs=1e-6)
    assert loss(LINE, path(1, 1, 1)[None], [[0, 0]]) > 10


def test_a_line_without_characters_is_all_blank():
    assert loss(LINE, path(0, 0)[None], [[EMPTY, EMPTY]]) == pytest.approx(0, abs=1e-6)


def test_a_line_longer_than_the_steps_is_left_out():
    criterion = task("ctc").loss(LINE, PLAIN, np.array([[0]]))
    logits = torch.zeros((2, 2, 4), requires_grad=True)
    value = criterion(logits, torch.tensor([[0, 0, 1], [1, EMPTY, EMPTY]]))
    value.backward()
    assert float(value.detach()) == pytest.approx(loss(LINE, np.zeros((1, 2, 4)), [[1]]) / 2)
    assert logits.grad[0].abs().max() == 0
    assert 0 < logits.grad[1].abs().max() < 1


def test_anomalies_do_not_count_in_the_loss():
    assert loss(ODD, [[1, 2], [100, 100], [3, 0]], [0, 1, 0]) == pytest.approx((1 + 4 + 9 + 0) / 4)
    assert loss(ODD, [[100, 100]], [1]) == 0


# guesses


@pytest.mark.parametrize(
    ("output", "train", "held", "expected"),
    [
        (ANIMALS, [1, 1, 1, 0, 2], [1, 0, 2, 0], 0.25),
        (ANSWER, [1, 1, 0], [1, 1, 1, 0], 0.75),
        (ANSWER, [0, 0, 1], [1, 1, 1, 0], 0.25),
        (WEIGHT, np.float32([2, 4]), np.float32([3, 5, 1]), math.sqrt(8 / 3)),
        (LOAD, np.float32([[0, 10], [2, 12]]), np.float32([[1, 11], [1, 15]]), math.sqrt(16 / 4)),
        (LINE, [[0, 1]], [[0, EMPTY], [1, 2]], 1.0),
        (ODD, [0, 0], [0, 1, 1], 0.5),
        (OBJECTS, np.float32(ONE_BOX), np.float32(ONE_BOX), 0),
    ],
    ids=["classification", "binary", "binary 0", "regression", "forecasting", "ctc", "anomaly", "detection"],
)
def test_what_a_guess_is_worth(output, train, held, expected):
    held = np.array(held)
    guess = task(output.task).baseline(output, np.array(train))
    for values, tensor in zip(by_name(guess, [output.tensors[0].name]).values(), output.tensors, strict=True):
        assert all(wanted in (None, size) for size, wanted in zip(values.shape, tensor.sizes, strict=True))
    guesses = map_tensors(lambda values: np.repeat(values[None], len(held), 0), guess)
    scores = score(task(output.task), output, guesses, held, np.array(train))
    assert scores["samples"] == len(held)
    assert scores["baseline"] == pytest.approx(expected)
    assert scores["metrics"][output.metric] == pytest.approx(expected)


def test_no_set_of_labels_said_of_everything_beats_the_guess():
    random = np.random.default_rng(0)
    for share in (0.05, 0.3, 0.6):
        targets = (random.random((50, 3)) < share * np.array([1, 1.5, 0.5])).astype(np.int64)
        guess = COLORS.measure(np.repeat(task("multilabel").baseline(COLORS, targets)[None], 50, 0), targets)
        for mask in range(8):
            always = np.where([mask & 1, mask & 2, mask & 4], 9, -9).astype(np.float32)
            assert COLORS.measure(np.repeat(always[None], 50, 0), targets) <= guess + 1e-9


# reports

LOGITS = np.float32([[5, 0, 0], [5, 0, 0], [0, 5, 0], [0, 0, 0.1]])


def test_the_report_of_classes():
    report = task("classification").report(ANIMALS, LOGITS, np.array([0, 1, 1, 1]))
    assert report["confusion"] == [[1, 0, 0], [1, 1, 1], [0, 0, 0]]
    assert report["classes"]["ant"] == {"precision": 0.5, "recall": 1.0, "f1": pytest.approx(2 / 3), "samples": 1}
    assert report["classes"]["bee"] == {"precision": 1.0, "recall": pytest.approx(1 / 3), "f1": 0.5, "samples": 3}
    assert report["classes"]["cat"] == {"precision": 0.0, "recall": None, "f1": 0.0, "samples": 0}
    assert report["metrics"] == {
        "accuracy": 0.5,
        "mean precision": 0.75,
        "mean recall": pytest.approx(2 / 3),
        "mean f1": pytest.approx((2 / 3 + 0.5) / 2),
    }


def test_the_report_of_two_classes():
    raw, targets = np.float32([[-3], [1], [2], [-1]]), np.array([0, 0, 1, 1])
    report = task("binary").report(ANSWER, raw, targets)
    assert report["confusion"] == [[1, 1], [1, 1]]
    assert report["metrics"]["accuracy"] == 0.5
    assert report["metrics"]["roc_auc"] == pytest.approx(0.75)
    assert "roc_auc" not in task("binary").report(ANSWER, raw, np.ones(4, np.int64))["metrics"]


def test_the_report_of_sets_of_labels():
    raw = np.float32([[9, -9, -9], [9, 9, -9], [-9, -9, -9]])
    report = task("multilabel").report(COLORS, raw, np.array([[1, 0, 0], [1, 0, 0], [0, 0, 0]]))
    assert report["metrics"]["f1"] == pytest.approx(2 * 2 / (3 + 2))
    assert report["metrics"]["exact"] == pytest.approx(2 / 3)
    assert report["classes"]["red"] == {"precision": 1.0, "recall": 1.0, "f1": 1.0, "samples": 2}
    assert report["classes"]["green"] == {"precision": 0.0, "recall": None, "f1": 0.0, "samples": 0}
    assert report["classes"]["blue"] == {"precision": None, "recall": None, "f1": None, "samples": 0}
    assert report["metrics"]["mean f1"] == 1.0


@pytest.mark.parametrize("output", [WEIGHT, LOAD], ids=["regression", "forecasting"])
def test_the_report_of_values(output):
    raw, targets = np.float32([[1, 3]]), np.float32([[1, 5]])
    if output is WEIGHT:
        raw, targets = raw.T, targets[0]
    metrics = task(output.task).report(output, raw, targets)["metrics"]
    assert metrics == pytest.approx({"mae": 1, "rmse": math.sqrt(2), "r2": 1 - 4 / 8})
    same = np.full_like(targets, 3)
    assert task(output.task).report(output, raw, same)["metrics"]["r2"] == 0


def test_the_report_of_lines():
    raw = np.stack([path(1, 1, 0, 1), path(0, 2, 0, 0), path(3, 3, 3, 3)])
    metrics = task("ctc").report(LINE, raw, np.array([[0, 0, EMPTY], [1, 2, 0], [2, EMPTY, EMPTY]]))["metrics"]
    assert metrics == pytest.approx({"line_error_rate": 1 / 3, "character_error_rate": 2 / 6})


def test_the_report_of_anomalies():
    raw = np.float32([[0, 0.1], [2, 2], [3, 3], [0, 0.5]])
    metrics = task("anomaly").report(ODD, raw, np.array([0, 0, 1, 1]))["metrics"]
    assert metrics == pytest.approx({"roc_auc": 3 / 4, "found": 0.5, "false alarms": 0.5})


def test_the_report_of_boxes():
    """A bee that is found, one in its place that is not one, an ant that is missed."""
    raw = detected((1, 9, 1, 1, 17, 17), (1, 3, 1, 15, 9, 31))
    targets = np.float32([[[1, 1, 1, 17, 17], [0, 16, 16, 30, 30]]])
    report = task("detection").report(OBJECTS, raw, targets)
    assert report["metrics"] == pytest.approx({"mAP50": 0.5, "mAP": 0.5, "precision": 0.5, "recall": 0.5, "f1": 0.5})
    assert report["classes"]["bee"] == {"precision": 0.5, "recall": 1, "f1": 2 / 3, "samples": 1, "ap50": 1, "ap": 1}
    assert report["classes"]["ant"]["recall"] == 0 and report["classes"]["ant"]["ap50"] == 0


def test_a_box_is_right_once():
    raw = detected((1, 9, 1, 1, 17, 17), (1, 5, 1, 1, 17, 28))  # their overlap is 0.59
    report = task("detection").report(OBJECTS, raw, np.float32(ONE_BOX))
    assert (report["metrics"]["precision"], report["metrics"]["recall"]) == (0.5, 1)


def test_the_thresholds_of_boxes_give_the_best_f1():
    """Two right boxes at 0.9 and 0.7, a wrong one at 0.5: the confidence is between the last two."""
    scores = [math.log(share / (1 - share)) for share in (0.9, 0.7, 0.5)]
    raw = detected((1, scores[0], 1, 1, 17, 17), (0, scores[1], 10, 1, 30, 12), (0, scores[2], 2, 20, 12, 31))
    targets = np.float32([[[1, 1, 1, 17, 17], [0, 10, 1, 30, 12]]])
    finished = task("detection").finish(OBJECTS, lambda split: (raw, targets))
    assert finished.confidence == pytest.approx(0.6, abs=1e-3)
    assert task("detection").report(finished, raw, targets)["metrics"]["f1"] == 1
    nothing = task("detection").finish(OBJECTS, lambda split: (detected(), targets))
    assert nothing == OBJECTS


def test_the_loss_of_many_pictures_is_computed_in_parts():
    one, other = detected((1, 2, 1, 1, 17, 19)), detected((0, 1, 3, 1, 20, 17))
    targets = np.float32([ONE_BOX[0], [[0, 2, 2, 20, 20], [1, 16, 16, 30, 30]]])
    two = {name: np.concatenate([one[name], other[name]]) for name in one}
    many = {name: np.tile(values, (16, 1, 1)) for name, values in two.items()}
    assert loss(OBJECTS, many, np.tile(targets, (16, 1, 1))) == pytest.approx(loss(OBJECTS, two, targets), rel=1e-5)


@pytest.mark.parametrize("name", PERFECT)
def test_a_perfect_answer_has_the_best_metric_and_no_badness(name):
    output, raw, targets = PERFECT[name]
    raw, targets = as_arrays(raw), np.array(targets)
    best = 0 if output.better == "min" else 1
    assert task(name).report(output, raw, targets)["metrics"][output.metric] == best
    assert task(name).severity(output, raw, targets).tolist() == [0] * len(targets)


BAD = {
    "classification": (ANIMALS, [[9, 0, 0], [1, 0, 0], [0, 0, 9]], [1, 1, 2], [1, 0.576, 0]),
    "binary": (ANSWER, [[9], [-1], [2]], [0, 1, 1], [1, 0.731, 0]),
    "multilabel": (COLORS, [[9, 9, -9], [9, -9, -9]], [[0, 0, 0], [1, 0, 0]], [2, 0]),
    "regression": (WEIGHT, [[12], [4]], np.float32([10, 7]), [2, 3]),
    "forecasting": (LOAD, [[12, 10]], np.float32([[10, 10]]), [1]),
    "ctc": (LINE, np.stack([path(1, 2, 0), path(1, 0, 1)]), [[0, 2], [0, 0]], [1, 0]),
    "anomaly": (ODD, [[math.e, math.e], [0.5, 0.5], [0.1, 0.1]], [0, 0, 1], [2, 0, 2 * math.log(10)]),
    "detection": (OBJECTS, detected((1, 9, 1, 1, 17, 17), (0, 9, 1, 1, 17, 17), (1, -9, 0, 0, 9, 9)), ONE_BOX, [1]),
}


@pytest.mark.parametrize("name", PERFECT)
def test_badness_ranks_mistakes(name):
    output, raw, targets, expected = BAD[name]
    severities = task(name).severity(output, as_arrays(raw), np.array(targets))
    assert severities.tolist() == pytest.approx(expected, abs=2e-3)


@pytest.mark.parametrize(
    ("output", "target", "text"),
    [
        (ANIMALS, 1, "bee"),
        (ANSWER, 1, "yes"),
        (COLORS, [1, 0, 1], "red, blue"),
        (COLORS, [0, 0, 0], "none"),
        (WEIGHT, np.float32(12.345678), "12.346 kg"),
        (replace(WEIGHT, unit=""), np.float32(3), "3"),
        (LOAD, [1.5, 2], "1.5, 2 kW"),
        (LINE, [2, 0, 0, EMPTY], "311"),
        (LINE, [EMPTY], ""),
        (ODD, 0, "normal"),
        (ODD, 1, "anomaly"),
        (OBJECTS, np.array(ONE_BOX[0]), "1 bee"),
        (OBJECTS, np.array(ONE_BOX[0])[1:], "none"),
    ],
)
def test_targets_are_written_as_people_write_them(output, target, text):
    assert task(output.task).written(output, np.asarray(target)) == text
