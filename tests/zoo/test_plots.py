"""Pictures: each is a PNG with something on it, whatever the sizes."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from runtime.tasks import CTC, Anomaly, Binary, Classification, Forecasting, MultiLabel, Regression
from zoo import plots
from zoo.tasks import task

pytestmark = pytest.mark.filterwarnings("error")


def check(picture):
    with Image.open(io.BytesIO(picture)) as image:
        assert image.format == "PNG"
        assert min(image.size) > 200
        assert max(image.size) < 6000
        grey = np.asarray(image.convert("L"))
    assert grey.std() > 5
    assert (grey < 128).sum() > 100


def row(epoch, name="accuracy", **more):
    return {
        "epoch": epoch, "train_loss": 1 / epoch, "val_loss": 0.5 + 0.1 * epoch, f"train_{name}": 0.5, f"val_{name}": 0.4
    } | more  # fmt: skip


SOME = Classification("classification", "logits", ("a", "b"))
ODD = Anomaly("anomaly", "residuals", 1, 1.0)


@pytest.mark.parametrize(
    ("output", "epochs"), [(SOME, 1), (Regression("regression", "value", "y", "", 0.0, 1.0), 2), (ODD, 30)]
)
def test_curves(output, epochs):
    rows = [row(epoch, output.metric) for epoch in range(1, epochs + 1)]
    if output is ODD:
        rows = [{key: value for key, value in each.items() if "roc" not in key} for each in rows]
    check(plots.curves(rows, output))


@pytest.mark.parametrize(("labels", "name"), [(2, "{}"), (2, "$5_${}"), (25, "a rather long name {}"), (100, "{}")])
def test_confusion(labels, name):
    counts = np.random.default_rng(0).integers(0, 9, (labels, labels))
    counts[0] = 0
    check(plots.confusion(counts.tolist(), [name.format(i) for i in range(labels)], "a title"))


@pytest.mark.parametrize("labels", [1, 100])
def test_label_bars(labels):
    classes = {f"label {i}": {"precision": None if i % 2 else 0.5, "recall": 0.3 + i / 200} for i in range(labels)}
    check(plots.label_bars(classes, "a title"))


@pytest.mark.parametrize("values", [[1.0], [1.0, 1.0], [0.0, 2.0, 1.0] * 600])
def test_scatter(values):
    check(plots.scatter(np.array(values), np.array(values[::-1]), "price in $_$", "a title"))


@pytest.mark.parametrize(("samples", "horizon"), [(1, 1), (3, 24)])
def test_forecasts(samples, horizon):
    values = np.random.default_rng(0).normal(size=(samples, horizon))
    check(plots.forecasts(values, values + 1, "load in kW", "a title"))


@pytest.mark.parametrize("lengths", [[1], [0, 4, 4, 9], list(range(60))])
def test_line_bars(lengths):
    check(plots.line_bars(lengths, [i % 3 > 0 or len(lengths) == 1 for i in range(len(lengths))], "a title"))


@pytest.mark.parametrize(
    ("values", "threshold"), [([1.0], 100.0), ([0.0, 0.0], 1e-12), ([0.0, 1e30], 1.0), ([0.1, 5, 9], 1.0)]
)
def test_scores(values, threshold):
    check(plots.scores(np.array(values), np.arange(len(values)) % 2 == 1, threshold, "a title"))


@pytest.mark.parametrize(
    ("count", "shape"), [(1, (8, 8, 1)), (5, (30, 20, 3)), (4, (50, 1)), (2, (50, 28)), (1, (1, 3))]
)
def test_gallery(count, shape):
    inputs = np.random.default_rng(0).integers(0, 256, (count, *shape)).astype(np.uint8 if len(shape) == 3 else float)
    check(plots.gallery(inputs, [f"this {i} → $_$" for i in range(count)], "a title"))


@pytest.mark.parametrize(("count", "metric"), [(1, "accuracy"), (7, "rmse")])
def test_comparison(count, metric):
    numbers = [1.0 + i for i in range(count)]
    check(plots.comparison([f"model-{i} .onnx" for i in range(count)], numbers, metric, numbers, numbers))


SETTINGS = {"lr": [1e-4, 1e-2, 3e-3], "hidden": [(8,), (8, 4), (8,)], "batch_norm": [True, False, True]}


@pytest.mark.parametrize(("values", "better"), [([0.5, 0.7, None], "max"), ([None, None, 0.2], "min")])
def test_trials(values, better):
    check(plots.trials(values, "line_error_rate", better, SETTINGS))


TASKS = [
    (Classification("classification", "logits", ("ant", "bee", "cat")), (3,), 0),
    (Binary("binary", "logit", ("no", "yes")), (1,), 0),
    (MultiLabel("multilabel", "logits", ("red", "green")), (2,), [1, 0]),
    (Regression("regression", "value", "size", "m", 0.0, 1.0), (1,), np.float32(2)),
    (Forecasting("forecasting", "values", "load", "", 3, 0.0, 1.0), (3,), np.float32([1, 2, 3])),
    (CTC("ctc", "logits", "01"), (7, 3), [0, 1, -1]),
    (ODD, (1,), 0),
]


@pytest.mark.parametrize("samples", [1, 9])
@pytest.mark.parametrize(("output", "shape", "target"), TASKS, ids=[output.task for output, _, _ in TASKS])
def test_every_task_draws_its_answers(output, shape, target, samples):
    raw = np.random.default_rng(0).normal(size=(samples, *shape)).astype(np.float32)
    found = task(output.task).draw(output, raw, np.array([target] * samples), "a title")
    assert found
    for name, picture in found.items():
        assert name.endswith(".png")
        check(picture)
