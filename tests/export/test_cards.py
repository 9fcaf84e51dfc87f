"""The model card says for each kind of input and output what it takes and gives."""

from __future__ import annotations

import ast

import numpy as np
import pytest

import export
from export.card import model_card
from runtime import Bundle

TABLE = export.TableInput(
    "table",
    "x",
    (
        export.NumericColumn("numeric", "age", 41.23456, 9.0, 18.0, 90.0, 40.0),
        export.CategoricalColumn("categorical", "it's a\ncity", ("", "Bern", "Oslo")),
    ),
)
SEQUENCE = export.SequenceInput("sequence", "x", 12, ("heat", "wind"), (0.0, 0.0), (1.0, 1.0))
IMAGE = export.ImageInput("image", "x", (8, 24, 1), export.image_steps((8, 24), "L"))
ROWS = export.SequenceInput("sequence", "x", 8, ("a", "b"), (0.0,) * 2, (1.0,) * 2, export.image_steps((8, 2), "L"))
CLASSES = export.Classification("classification", "y", tuple(f"class {i}" for i in range(30)))


def card(taken, given):
    return model_card(export.ModelSpec("it", taken, given), {}, {}, export.Card(), [])


@pytest.mark.parametrize(
    ("taken", "words"),
    [
        (IMAGE, "**Input** 24×8 pixels, grey; any image is brought to that"),
        (
            TABLE,
            "**Input** a row of a table with the columns age (18 to 90, or empty), it's a city (empty, Bern, Oslo).",
        ),
        (SEQUENCE, "**Input** a sequence of 2 features (heat, wind) a step, 12 steps in training."),
        (ROWS, "8 steps in training; the rows of a grey image, from top to bottom"),
    ],
    ids=["image", "table", "sequence", "rows"],
)
def test_what_it_takes(taken, words):
    assert words in card(taken, CLASSES)


@pytest.mark.parametrize(
    ("given", "words", "metric"),
    [
        (CLASSES, "**Output** one of 30 labels: class 0, class 1,", "accuracy"),
        (export.Binary("binary", "y", ("ham", "spam")), "one of 2 labels: ham, spam.", "accuracy"),
        (export.MultiLabel("multilabel", "y", ("a", "b"), 0.25), "with a probability of 0.25 or more: a, b.", "f1"),
        (export.Regression("regression", "y", "price", "EUR", 0.0, 1.0), "**Output** price in EUR.", "rmse"),
        (export.Forecasting("forecasting", "y", "load", "", 3, 0.0, 1.0), "the next 3 values of load.", "rmse"),
        (export.CTC("ctc", "y", "ab`"), "a line of text in the characters `` ab` ``.", "line error rate"),
        (export.Anomaly("anomaly", "y", 2, 0.25), "above 0.25 it is an anomaly.", "roc auc"),
    ],
    ids=lambda value: getattr(value, "task", None),
)
def test_what_it_gives(given, words, metric):
    text = card(IMAGE, given)
    assert words in text
    assert f"| same decision | {metric} |" in text
    assert "class 20" not in text


def test_the_example_of_a_table_is_a_row_that_the_model_takes():
    (line,) = (line for line in card(TABLE, CLASSES).splitlines() if "predict({" in line)
    row = ast.literal_eval(line.removeprefix("print(model.predict(").removesuffix("))"))
    assert row["age"] == 41.23
    assert TABLE.read(row).shape == (4,)


def test_a_card_with_a_metric_and_a_stream(sequence_bundle, table_bundle):
    text = Bundle.read(sequence_bundle).bytes("README.md").decode()
    parity = Bundle.read(sequence_bundle).manifest.models["model.step.onnx"].parity
    assert f"| {parity.exported:.4g} |" in text
    assert "for answer in model.stream(steps):" in text
    assert parity.metric == "rmse"
    assert np.isclose(parity.reference, parity.exported)
    assert 'model.predict("rows.csv")' in Bundle.read(table_bundle).bytes("README.md").decode()
