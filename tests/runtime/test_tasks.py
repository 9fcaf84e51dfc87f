"""Each task's answer, decision and metric, with values worked out by hand."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from runtime.compare import difference
from runtime.postprocess import decode
from runtime.tasks import CTC, Anomaly, Binary, Classification, Forecasting, MultiLabel, Regression

SEEN = np.arange(6, dtype=np.float32).reshape(3, 2)
CLASSES = Classification("classification", "y", ("ant", "bee", "cow"))
TWO = Binary("binary", "y", ("ham", "spam"))
MANY = MultiLabel("multilabel", "y", ("cat", "dog", "fox"), 0.8)
VALUE = Regression("regression", "y", "price", "EUR", 100.0, 10.0)
NEXT = Forecasting("forecasting", "y", "load", "MW", 2, 100.0, 10.0)
TEXT = CTC("ctc", "y", "ab ")
ODD = Anomaly("anomaly", "y", 2, 4.0)
TASKS = (CLASSES, TWO, MANY, VALUE, NEXT, TEXT, ODD)


def first(task, *raw, k=5):
    raw = np.array([raw], np.float32)
    return decode(task, raw, SEEN[:1], k)[0]


def same(task, wanted, outputs, slack=0.0):
    wanted, outputs = (np.array(raw, np.float32) for raw in (wanted, outputs))
    return task.agreement(wanted, outputs, slack).tolist()


def steps(path):
    """Return raw outputs whose likeliest path is the given one: ``-`` is the blank."""
    return np.eye(4, dtype=np.float32)[["-ab ".index(char) for char in path]] * 9


def logit(share):
    return float(np.log(share / (1 - share)))


def test_binary_decodes_both_labels():
    answer = first(TWO, logit(0.75))
    assert (answer.label, answer.score) == ("spam", pytest.approx(0.75))
    assert answer.scores == pytest.approx([0.25, 0.75])
    assert first(TWO, -logit(0.75)).label == "ham"
    assert [label for label, _ in answer.top] == ["spam", "ham"]
    assert answer.summary == "spam 75.0%   ham 25.0%"


@pytest.mark.parametrize("raw", [-1e4, 1e4, -3e38, 3e38])
def test_extreme_logits_give_probabilities(raw):
    with np.errstate(all="raise", under="ignore"):
        assert first(TWO, raw).score == 1
        assert first(MANY, raw, raw, raw).scores.tolist() == [float(raw > 0)] * 3


def test_binary_agreement_and_accuracy():
    assert same(TWO, [[1], [-1], [0.1]], [[2], [1], [-0.1]]) == [True, False, False]
    assert same(TWO, [[0.1]], [[-0.1]], slack=0.1) == [True]
    assert TWO.measure(np.array([[1], [-1], [0]], np.float32), np.array([1, 1, 0])) == pytest.approx(2 / 3)


def test_multilabel_holds_from_the_threshold_on():
    answer = first(MANY, logit(0.9), logit(0.79), logit(0.81))
    assert answer.labels == ["cat", "fox"]
    assert [name for name, _ in answer.top] == ["cat", "fox", "dog"]
    assert answer.summary == "cat 90.0%   fox 81.0%"
    assert first(MANY, -9, -9, -9).labels == []
    assert first(MANY, -9, -9, -9).summary == "none"
    assert len(first(MANY, 9, 9, 9, k=1).top) == 1
    assert first(MANY, 9, 9, 9, k=1).labels == ["cat", "dog", "fox"]


@given(arrays(np.float32, 3, elements=st.floats(-20, 20, width=32)), st.floats(0.01, 0.99))
def test_multilabel_decides_by_logits_as_by_probabilities(raw, threshold):
    task = MultiLabel("multilabel", "y", ("cat", "dog", "fox"), threshold)
    answer = decode(task, raw[None], SEEN[:1], 3)[0]
    clear = np.abs(answer.scores - threshold) > 1e-6
    held = np.array([label in answer.labels for label in task.labels])
    decided = raw >= logit(threshold)
    assert (held == decided)[clear].all()


def test_multilabel_agreement_and_f1():
    line = logit(0.8)
    assert same(MANY, [[9, -9, 9]] * 2, [[8, -8, 7], [9, 9, 9]]) == [True, False]
    assert same(MANY, [[9, -9, line + 0.1]], [[9, -9, line - 0.1]], slack=0.2) == [True]
    # of 3 held and 2 wanted labels 2 are common: F1 = 2 * 2 / (3 + 2)
    raw = np.array([[9, 9, -9], [-9, -9, 9]], np.float32)
    assert MANY.measure(raw, np.array([[1, 0, 0], [0, 0, 1]])) == pytest.approx(0.8)
    nothing = np.zeros((2, 3))
    assert MANY.measure(np.full((2, 3), -9, np.float32), nothing) == 1
    assert MANY.measure(raw, nothing) == 0


@pytest.mark.parametrize(
    ("task", "chances", "scores"),
    [
        (Classification("classification", "y", tuple("abc"), "softmax"), (0.25, 0.625, 0.125), (0.25, 0.625, 0.125)),
        (Classification("classification", "y", tuple("abc"), "sigmoid"), (0.5, 1.0, 0.75), (0.5, 1.0, 0.75)),
        (Classification("classification", "y", tuple("abc"), "softmax"), (-0.004, 1.004, 0), (0, 1, 0)),
        (Binary("binary", "y", ("ham", "spam"), "sigmoid"), (0.75,), (0.25, 0.75)),
        (MultiLabel("multilabel", "y", tuple("ab"), 0.5, "sigmoid"), (0.25, 0.5), (0.25, 0.5)),
    ],
)
def test_probabilities_of_a_graph_stay_as_they_are(task, chances, scores):
    assert first(task, *chances).scores.tolist() == pytest.approx(scores)


def test_decisions_about_probabilities():
    spam = Binary("binary", "y", ("ham", "spam"), "sigmoid")
    assert same(spam, [[0.25], [0.25], [0.5005]], [[0.4], [0.6], [0.4]], slack=1e-3) == [True, False, True]
    assert spam.measure(np.array([[0.25], [0.75]], np.float32), np.array([0, 0])) == 0.5
    both = MultiLabel("multilabel", "y", tuple("ab"), 0.25, "sigmoid")
    assert same(both, [[0.3, 0.1]], [[0.9, 0.2]]) == [True]
    assert first(both, 0.3, 0.1).labels == ["a"]
    assert both.measure(np.array([[0.3, 0.1]], np.float32), np.array([[1, 0]])) == 1
    text = CTC("ctc", "y", "ab", "softmax")
    line = np.array([[[0.1, 0.8, 0.1], [0.75, 0.125, 0.125]]], np.float32)
    assert decode(text, line, SEEN[:1], 1)[0].score == pytest.approx(0.6)


def test_a_value_has_its_unit():
    answer = first(VALUE, 1234.5)
    assert answer.value == 1234.5
    assert type(answer.value) is float
    assert answer.summary == "price 1,234.5 EUR"
    assert answer.to_dict() == {"target": "price", "value": 1234.5, "unit": "EUR"}
    assert first(Regression("regression", "y", "share", "", 0.0, 1.0), 0.25).summary == "share 0.25"


def test_a_forecast_has_a_value_for_each_step():
    answer = first(NEXT, 1, 2.5)
    assert answer.value.tolist() == [1, 2.5]
    assert answer.summary == "load 1, 2.5 MW"
    assert answer.to_dict() == {"target": "load", "value": [1, 2.5], "unit": "MW"}


def test_values_agree_within_the_slack():
    assert same(VALUE, [[1], [1]], [[1.05], [1.2]], slack=0.1) == [True, False]
    assert same(NEXT, [[1, 2], [1, 2]], [[1, 2.05], [1, 3]], slack=0.1) == [True, False]


def test_rmse_is_in_the_unit_of_the_target():
    assert VALUE.measure(np.array([[3], [5]], np.float32), np.array([0, 1])) == pytest.approx(np.sqrt((9 + 16) / 2))
    assert NEXT.measure(np.array([[1, 2]], np.float32), np.array([[1, 4]])) == pytest.approx(np.sqrt(2))


@pytest.mark.parametrize("task", [CLASSES, TWO, VALUE, ODD], ids=lambda task: task.task)
def test_a_column_of_targets_is_measured_like_a_row(task):
    raw, targets = example(task), np.array([1, 0, 1])
    assert task.measure(raw, targets[:, None]) == task.measure(raw, targets)
    with pytest.raises(ValueError, match="reshape"):
        task.measure(raw, targets[:2])


def test_differences_of_values_are_seen_far_from_zero():
    """A network that answers nothing but the mean of the years is far from one that does its work."""
    year = Regression("regression", "y", "year", "", 2000.0, 0.5)
    years = np.array([[1999.5], [2000], [2000.75]], np.float32)
    assert difference(years, years, year).maximum == 0
    assert difference(years, np.full_like(years, 2000), year).maximum > 1e-3
    assert difference(years, np.nextafter(years, np.float32(3000)), year).maximum < 1e-5


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("----", ""),
        ("a", "a"),
        ("aaab", "ab"),
        ("a-a", "aa"),
        ("-a--ab-", "aab"),
        ("aa  bb", "a b"),
        ("b-b- - ", "bb  "),
        ("ab-ba", "abba"),
    ],
)
def test_ctc_merges_repetitions_and_drops_blanks(path, text):
    assert TEXT.texts(steps(path)[None]) == [text]
    assert decode(TEXT, steps(path)[None], SEEN[:1], 1)[0].text == text


def test_ctc_scores_the_path_and_reads_each_sample_alone():
    raw = np.stack([steps("a-b"), steps("--a")])
    first_line, second_line = decode(TEXT, raw, SEEN[:2], 1)
    assert (first_line.text, second_line.text) == ("ab", "a")
    assert first_line.score == pytest.approx((np.exp(9) / (np.exp(9) + 3)) ** 3, rel=1e-5)
    assert first_line.summary == "'ab' 99.9%"


def test_ctc_agreement_forgives_ties_alone():
    wanted = steps("ab")[None].copy()
    wanted[0, 0, 2] = 8.95  # "b" is nearly as likely as "a"
    other, wrong = steps("bb")[None], steps("a ")[None]
    assert same(TEXT, wanted, wanted) == [True]
    assert same(TEXT, wanted, other) == [False]
    assert same(TEXT, wanted, other, slack=0.05) == [True]
    assert same(TEXT, wanted, wrong, slack=0.05) == [False]


def test_lines_are_right_or_wrong_as_wholes():
    raw = np.stack([steps("a-ab"), steps("b---")])
    assert TEXT.measure(raw, np.array([[0, 0, 1], [1, -1, -1]])) == 0
    assert TEXT.measure(raw, np.array([[0, 0, 1], [1, 1, -1]])) == 0.5
    assert TEXT.measure(raw, np.array([[0, 1, -1], [-1, -1, -1]])) == 1


def test_an_anomaly_is_above_the_threshold():
    assert first(ODD, 2, 2).score == 4
    assert not first(ODD, 2, 2).is_anomaly
    assert first(ODD, 3, -2).is_anomaly
    assert first(ODD, 3, -2).summary == "anomaly, score 6.5 (threshold 4)"
    assert first(ODD, 0, 1).to_dict() == {"score": 0.5, "threshold": 4, "is_anomaly": False}
    assert first(ODD, 1e20, 1e20).score == pytest.approx(1e40)


def test_anomalies_agree_on_the_side_of_the_threshold():
    assert same(ODD, [[1.9, 2], [3, 3], [0, 0]], [[2.1, 2], [3, 3.1], [0, 0.1]]) == [False, True, True]
    assert same(ODD, [[1.9, 2]], [[2.1, 2]], slack=0.2) == [True]


@pytest.mark.parametrize(
    ("scores", "targets", "area"),
    [
        ([1, 2, 3, 4], [0, 0, 1, 1], 1),
        ([4, 3, 2, 1], [0, 0, 1, 1], 0),
        ([1, 3, 2, 4], [0, 0, 1, 1], 0.75),
        ([1, 1, 1, 1], [0, 0, 1, 1], 0.5),
        ([1, 2, 2, 3], [0, 0, 1, 1], 0.875),  # one pair of four is tied and counts half
        ([1, 2], [0, 0], 0.5),
        ([1, 2], [1, 1], 0.5),
    ],
)
def test_the_area_under_the_roc_curve_counts_ties_half(scores, targets, area):
    raw = np.sqrt(np.array(scores, np.float32))[:, None].repeat(2, axis=1)
    assert ODD.measure(raw, np.array(targets)) == pytest.approx(area)


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=2, max_size=30))
def test_the_area_is_the_share_of_pairs_in_order(samples):
    raw = np.array([[score, score] for score, _ in samples], np.float32)
    odd = [score for score, anomaly in samples if anomaly]
    normal = [score for score, anomaly in samples if not anomaly]
    pairs = [(a > b) + (a == b) / 2 for a in odd for b in normal]
    wanted = np.mean(pairs) if pairs else 0.5
    assert ODD.measure(raw, np.array([anomaly for _, anomaly in samples], int)) == pytest.approx(wanted)


def example(task):
    shape = tuple(4 if size is None else size for size in task.shape)
    return np.random.default_rng(0).normal(size=(3, *shape)).astype(np.float32)


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.task)
def test_every_task_keeps_to_its_contract(task):
    raw = example(task)
    for answer, seen in zip(decode(task, raw, SEEN, 2), SEEN, strict=True):
        assert np.array_equal(answer.input, seen)
        assert answer.summary and "\n" not in answer.summary
        assert json.loads(json.dumps(answer.to_dict())) == answer.to_dict()
        assert all(type(name) is str and 0 <= share <= 1 for name, share in answer.bars)
        assert pickle.loads(pickle.dumps(answer)).summary == answer.summary
        assert repr(answer)
    assert task.agreement(raw, raw, 0).all()
    assert task.better in ("max", "min")
    result = difference(raw, raw, task)
    assert (result.maximum, result.agreement) == (0, 1)
    assert difference(raw, raw + np.float32(np.abs(raw).max()), task).maximum > 1e-3


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.task)
def test_html_is_bars_or_the_summary(task):
    answer = decode(task, example(task), SEEN, 2)[0]
    page = answer._repr_html_()
    assert "<img" not in page
    assert ("<table" in page) == bool(answer.bars)
    assert ("<span>" in page) == (not answer.bars)


def test_html_escapes_the_summary():
    page = first(Regression("regression", "y", "<b>", "&", 0.0, 1.0), 1)._repr_html_()
    assert "&lt;b&gt; 1 &amp;" in page
    assert "<b>" not in page


@pytest.mark.parametrize(
    "make",
    [
        lambda: Binary("binary", "y", ("a", "a")),
        lambda: MultiLabel("multilabel", "y", ()),
        lambda: MultiLabel("multilabel", "y", ("a",), 1.0),
        lambda: MultiLabel("multilabel", "y", ("a",), 0.0),
        lambda: Regression("regression", "y", "", "", 0.0, 1.0),
        lambda: Regression("regression", "y", "a", "\x1b[31m", 0.0, 1.0),
        lambda: Regression("regression", "y", "a", "", 0.0, 0.0),
        lambda: Forecasting("forecasting", "y", "a", "", 0, 0.0, 1.0),
        lambda: CTC("ctc", "y", ""),
        lambda: CTC("ctc", "y", "aa"),
        lambda: CTC("ctc", "y", "a\n"),
        lambda: Anomaly("anomaly", "y", 0, 1.0),
        lambda: Anomaly("anomaly", "y", 2, 0.0),
    ],
)
def test_outputs_that_make_no_sense_are_refused(make):
    with pytest.raises(ValueError, match=r"must be|needs"):
        make()
