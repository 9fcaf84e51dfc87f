"""From logits to an answer that a person reads."""

from __future__ import annotations

import base64
import io
import pickle
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from runtime import EngineError
from runtime.postprocess import decode
from runtime.tasks import Classification

LABELS = ("ant", "bee", "cow", "<b>dog</b>")
PIXELS = np.random.default_rng(0).integers(0, 256, (1, 5, 4, 3), np.uint8)


def predict(*logits, k=5, pixels=PIXELS):
    output = Classification("classification", "logits", LABELS)
    return decode(output, np.array([logits], np.float32), pixels, k)[0]


def test_label_and_score_are_the_likeliest():
    prediction = predict(0, np.log(2), np.log(5), 0)
    assert prediction.label == "cow"
    assert prediction.score == pytest.approx(5 / 9, abs=1e-7)
    assert type(prediction.score) is float


def test_scores_are_probabilities():
    scores = predict(1, 2, 3, 4).scores
    assert scores.dtype == np.float32
    assert scores == pytest.approx(np.exp([1, 2, 3, 4]) / np.exp([1, 2, 3, 4]).sum(), abs=1e-7)


@given(arrays(np.float32, 4, elements=st.floats(width=32, allow_nan=False, allow_infinity=False)))
def test_any_finite_logits_give_scores_that_sum_to_1(logits):
    prediction = predict(*logits)
    assert prediction.scores.sum() == pytest.approx(1, abs=1e-6)
    assert prediction.score == prediction.scores[logits.argmax()]


@pytest.mark.parametrize("k", [1, 2, 4, 9])
def test_top_lists_the_k_likeliest(k):
    prediction = predict(1, 3, 2, 0, k=k)
    assert [label for label, _ in prediction.top] == ["bee", "cow", "ant", "<b>dog</b>"][:k]
    assert prediction.top[0] == (prediction.label, prediction.score)
    assert all(type(score) is float for _, score in prediction.top)


def test_ties_stay_in_the_order_of_the_labels():
    labels = tuple(f"label {i}" for i in range(100))
    output = Classification("classification", "logits", labels)
    logits = np.arange(100, dtype=np.float32)[None] % 2
    prediction = decode(output, logits, PIXELS, 100)[0]
    assert tuple(label for label, _ in prediction.top) == labels[1::2] + labels[::2]
    assert prediction.label == "label 1"


def test_a_batch_is_decoded_in_order():
    output = Classification("classification", "logits", LABELS)
    pixels = np.arange(2 * 12, dtype=np.uint8).reshape(2, 2, 2, 3)
    first, second = decode(output, np.eye(4, dtype=np.float32)[[3, 1]], pixels, 2)
    assert (first.label, second.label) == ("<b>dog</b>", "bee")
    assert np.array_equal(second.input, pixels[1])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_logits_that_are_not_finite_are_the_engines_fault(value):
    with pytest.raises(EngineError, match="not finite"):
        predict(1, value, 2, 3)


@pytest.mark.parametrize("shape", [(1, 3), (1, 5), (4,), (1, 4, 1)])
def test_logits_of_another_shape_are_the_engines_fault(shape):
    output = Classification("classification", "logits", LABELS)
    with pytest.raises(EngineError, match=re.escape(f"{list(shape)} for [batch, 4]")):
        decode(output, np.zeros(shape, np.float32), PIXELS, 5)


def test_repr_is_the_answer_and_its_rivals():
    assert repr(predict(5, 3, 4, 0)) == "Prediction('ant' 0.662; then cow 0.244, bee 0.090)"


def test_repr_without_rivals_names_none():
    assert repr(predict(5, 3, 4, 0, k=1)) == "Prediction('ant' 0.662)"


def test_html_escapes_labels():
    page = predict(0, 0, 0, 9)._repr_html_()
    assert "&lt;b&gt;dog&lt;/b&gt;" in page
    assert "<b>" not in page


@pytest.mark.parametrize("channels", [1, 3])
def test_html_shows_what_the_model_saw(channels):
    pixels = PIXELS[..., :channels]
    page = predict(0, 0, 0, 9, pixels=pixels)._repr_html_()
    encoded = re.search('src="data:image/png;base64,([^"]+)"', page).group(1)
    picture = np.asarray(Image.open(io.BytesIO(base64.b64decode(encoded))))
    assert np.array_equal(picture.reshape(pixels[0].shape), pixels[0])


def test_a_prediction_can_be_sent_to_another_process():
    prediction = predict(1, 2, 3, 4)
    assert pickle.loads(pickle.dumps(prediction)).top == prediction.top
