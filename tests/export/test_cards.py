"""The model card says for each kind of input and output what it takes and gives."""

from __future__ import annotations

import ast

import numpy as np
import pytest
import yaml

import export
from export.card import Speed, model_card
from runtime import Bundle
from runtime.bundle import DataOrigin, Origin

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


def card(input_spec, output):
    return model_card(export.ModelSpec("it", input_spec, output), {}, {}, export.Card(), [], "")


@pytest.mark.parametrize(
    ("input_spec", "words"),
    [
        (IMAGE, "**Input** 24×8 pixels, gray; any image is brought to that"),
        (
            TABLE,
            "**Input** a row of a table with the columns age (18 to 90, or empty), it's a city (empty, Bern, Oslo).",
        ),
        (SEQUENCE, "**Input** a sequence of 2 features (heat, wind) a step, 12 steps in training."),
        (ROWS, "8 steps in training; the rows of a gray image, from top to bottom"),
    ],
    ids=["image", "table", "sequence", "rows"],
)
def test_what_it_takes(input_spec, words):
    assert words in card(input_spec, CLASSES)


@pytest.mark.parametrize(
    ("output", "words", "metric"),
    [
        (CLASSES, "**Output** one of 30 labels: class 0, class 1,", "accuracy"),
        (export.Binary("binary", "y", ("ham", "spam")), "one of 2 labels: ham, spam.", "accuracy"),
        (export.Binary("binary", "y", ("ham", "spam"), "sigmoid"), "The graph contains the sigmoid", "accuracy"),
        (export.MultiLabel("multilabel", "y", ("a", "b"), 0.25), "with a probability of 0.25 or more: a, b.", "f1"),
        (export.Regression("regression", "y", "price", "EUR", 0.0, 1.0), "**Output** price in EUR.", "rmse"),
        (export.Forecasting("forecasting", "y", "load", "", 3, 0.0, 1.0), "the next 3 values of load.", "rmse"),
        (export.CTC("ctc", "y", "ab`"), "a line of text in the characters `` ab` ``.", "line error rate"),
        (export.Anomaly("anomaly", "y", 2, 0.25), "above 0.25 it is an anomaly.", "roc auc"),
    ],
    ids=lambda value: getattr(value, "task", None),
)
def test_what_it_gives(output, words, metric):
    text = card(IMAGE, output)
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


DATA = DataOrigin(
    "my: photos", "a | camera", "CC BY 4.0", {"train": 900, "validation": 50}, "f00d",
    {"train": {"cat": 880, "dog\n|": 20}, "validation": {"cat": 30, "dog\n|": 20}},
)  # fmt: skip
METRICS = {"validation accuracy": 0.9, "validation loss": 0.25, "test accuracy": 0.8}
TWO = export.Classification("classification", "y", ("cat", "dog"))


def front(text):
    """The front matter, as the hub reads it."""
    start, yaml_text, _ = text.split("---\n", 2)
    assert start == ""
    return yaml.safe_load(yaml_text)


def described(**facts):
    return model_card(export.ModelSpec('"it": 🐈', IMAGE, TWO), {}, {}, export.Card(**facts), [], "")


def test_the_front_matter_is_what_the_hub_reads():
    front_matter = front(described(data=DATA, metrics=METRICS))
    assert front_matter["library_name"] == "edgezoo"
    assert front_matter["license"] == "cc-by-4.0"
    assert front_matter["pipeline_tag"] == "image-classification"
    (model,) = front_matter["model-index"]
    assert model["name"] == '"it": 🐈'
    (result,) = model["results"]
    assert result["task"] == {"type": "image-classification"}
    assert result["dataset"] == {"type": "my--photos", "name": "my: photos", "split": "test"}
    assert result["metrics"] == [{"type": "accuracy", "value": 0.8, "name": "test accuracy"}]


def test_the_hub_client_reads_the_front_matter():
    cards = pytest.importorskip("huggingface_hub").ModelCardData
    data = cards(**front(described(data=DATA, metrics=METRICS)), ignore_metadata_errors=False)
    (result,) = data.eval_results
    assert (result.metric_type, result.metric_value, result.dataset_name) == ("accuracy", 0.8, "my: photos")


@pytest.mark.parametrize(
    ("weights", "data", "license_id"),
    [
        (None, None, "unknown"),
        ("Apache-2.0", None, "apache-2.0"),
        ("Apache-2.0", "CC BY 4.0", "other"),
        (None, "not stated", "other"),
        ("MIT", "MIT", "mit"),
    ],
)
def test_a_license_is_named_if_all_agree(weights, data, license_id):
    facts = {
        "weights": weights and Origin("w", "there", weights),
        "data": data and DataOrigin("d", "here", data, {}, "f00d"),
    }
    assert front(described(**facts))["license"] == license_id


def test_the_balance_of_labels_and_what_follows_from_it():
    text = described(data=DATA)
    assert "900 train, 50 validation samples. Fingerprint `f00d`" in text
    assert "| cat | 880 | 30 |" in text
    assert "| dog \\| | 20 | 20 |" in text
    assert "unbalanced: 20 training samples of dog |, 880 of cat" in text
    assert "measured on 50 samples: a single one is 2.0% of them" in text


def test_many_labels_are_summed_up():
    balance = {"train": {f"class {i}": i for i in range(1000)}}
    text = described(data=DataOrigin("d", "s", "MIT", {"train": 499_500}, "f00d", balance))
    assert "| 961 more | 498759 |" in text
    assert len(text.splitlines()) < 120


def test_pictures_have_captions_and_an_order():
    card = export.Card()
    text = model_card(export.ModelSpec("it", IMAGE, TWO), {}, {}, card, ["curves.png", "mine.png", "confusion.png"], "")
    lines = [line for line in text.splitlines() if line.startswith("![")]
    assert [line.partition("](")[2] for line in lines] == ["confusion.png)", "curves.png)", "mine.png)"]
    assert lines[0].startswith("![Confusion matrix]")


def test_how_to_load_it_everywhere(tiny_bundle):
    bundle = Bundle.read(tiny_bundle)
    text = bundle.bytes("README.md").decode()
    assert "pip install 'edgezoo[litert]'" in text
    assert "zoo predict path/to/this/folder/model.tflite photo.jpg" in text
    assert "zoo demo path/to/this/folder" in text
    assert "no file here is for one" in text
    manifest = bundle.manifest
    files = {name: bundle.bytes(name) for name in manifest.files}
    speed = Speed("a machine", {"model.onnx": 0.00123})
    timed = model_card(manifest.model, manifest.models, files, manifest.card, [], "", speed)
    assert [line.split("|")[-2].strip() for line in timed.splitlines() if line.startswith("| `")] == ["1.23 ms", "–"]
    assert "medians of one sample at a time on a machine." in timed


def test_it_tells_what_proved_the_files():
    card = export.Card(training={"proved on": "40 crops of\ntwo photos"})
    text = model_card(export.ModelSpec("it", IMAGE, CLASSES), {}, {}, card, [], "")
    assert "They were proved on 40 crops of two photos." in text
