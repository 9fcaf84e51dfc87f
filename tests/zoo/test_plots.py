"""Pictures: each is a PNG with something on it, and all that is written on it can be read, whatever the sizes."""

from __future__ import annotations

import io
import itertools
from pathlib import Path

import numpy as np
import pytest
from matplotlib.axis import Tick
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text
from matplotlib.transforms import Bbox
from PIL import Image

from runtime.images.preprocess import image_steps
from runtime.inputs import ImageInput, SequenceInput
from runtime.spec import ModelSpec
from runtime.tasks import CTC, Anomaly, Binary, Classification, Forecasting, MultiLabel, Regression
from zoo.data import Split
from zoo.measure.answers import Answers
from zoo.measure.mistakes import draw_mistakes, find_mistakes
from zoo.report import plots
from zoo.report.plot_text import BOX, _fonts, fit, letter, wrap
from zoo.tasks import task

pytestmark = pytest.mark.filterwarnings("error")


LONG = (
    "pneumonoultramicroscopicsilicovolcanoconiosis",
    "붉은배지느러미발도요새와넓적부리도요새의아종",
    "a $5_$ {gecko} in the house",
)
TITLE = "a_rather_long_model_name_for_edge_devices, oxford-pets validation: line error rate 97.53% on 12,345 samples"


@pytest.fixture(autouse=True)
def sheets(monkeypatch):
    """Every figure that was drawn: none may have a text outside, or two that lie on each other."""
    drawn = []
    monkeypatch.setattr(plots, "letter", lambda sheet: (letter(sheet), drawn.append(sheet)))
    yield drawn
    for sheet in drawn:
        readable(sheet)


def readable(sheet):
    renderer = FigureCanvasAgg(sheet).get_renderer()  # the texts lie where they were drawn
    boxes = {}
    for text in written(sheet):
        box = text.get_window_extent(renderer)
        assert sheet.bbox.x0 - 1 <= box.x0 <= box.x1 <= sheet.bbox.x1 + 1, f"{text.get_text()!r} is cut"
        assert sheet.bbox.y0 - 1 <= box.y0 <= box.y1 <= sheet.bbox.y1 + 1, f"{text.get_text()!r} is cut"
        boxes[text] = box.padded(-1)
    for one, other in itertools.combinations(boxes, 2):
        over = Bbox.intersection(boxes[one], boxes[other])
        assert over is None or not (over.width > 0 and over.height > 0), f"{one.get_text()!r} on {other.get_text()!r}"


def written(sheet):
    """Return the texts that are drawn: an axis keeps labels of ticks that lie beyond its ends."""
    labels = {label for tick in sheet.findobj(Tick) for label in (tick.label1, tick.label2)}
    texts = [text for text in sheet.findobj(Text) if text not in labels]
    for axis in (axis for axes in sheet.axes if axes.axison for axis in (axes.xaxis, axes.yaxis)):
        low, high = sorted(axis.get_view_interval())
        ticks = (*axis.get_major_ticks(), *axis.get_minor_ticks())
        texts += [tick.label1 for tick in ticks if low <= tick.get_loc() <= high]
        texts += [tick.label2 for tick in ticks if low <= tick.get_loc() <= high]
    return [text for text in texts if text.get_visible() and text.get_text().strip()]


def check(picture):
    with Image.open(io.BytesIO(picture)) as image:
        assert image.format == "PNG"
        assert min(image.size) > 200
        assert max(image.size) < 6000
        gray = np.asarray(image.convert("L"))
    assert gray.std() > 5
    assert (gray < 128).sum() > 100


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


NAMES = {
    "two": ("no", "yes"), "three": ("barolo", "grignolino", "barbera"), "long": LONG, "ten": tuple("0123456789"),
    "37": tuple(f"a rather long name of breed {i}" for i in range(37)),
    "many": tuple(f"label {i}" for i in range(100)), "imagenet": tuple(f"label {i}" for i in range(1000)),
}  # fmt: skip


@pytest.mark.parametrize("kind", NAMES)
def test_confusion(kind):
    names = NAMES[kind]
    counts = np.random.default_rng(0).integers(0, 9, (len(names), len(names)))
    counts[0] = 0
    counts[1, 1] = 12_345
    check(plots.confusion(counts.tolist(), names, TITLE))


@pytest.mark.parametrize("kind", ["two", "long", "many"])
def test_label_bars(kind):
    names = enumerate(NAMES[kind])
    classes = {name: {"precision": None if i % 2 else 0.5, "recall": 0.3 + i / 200} for i, name in names}
    check(plots.label_bars(classes, TITLE))


@pytest.mark.parametrize("values", [[1.0], [1.0, 1.0], [0.0, 2.0, 1.0] * 600])
def test_scatter(values):
    check(plots.scatter(np.array(values), np.array(values[::-1]), f"price in $_$ {' '.join(LONG)}", TITLE))


@pytest.mark.parametrize(("samples", "horizon"), [(1, 1), (3, 24)])
def test_forecasts(samples, horizon):
    values = np.random.default_rng(0).normal(size=(samples, horizon))
    check(plots.forecasts(values, values + 1, f"load in {LONG[0]}", TITLE))


@pytest.mark.parametrize("lengths", [[1], [0, 4, 4, 9], list(range(60))])
def test_line_bars(lengths):
    check(plots.line_bars(lengths, [i % 3 > 0 or len(lengths) == 1 for i in range(len(lengths))], TITLE))


@pytest.mark.parametrize(
    ("values", "threshold"), [([1.0], 100.0), ([0.0, 0.0], 1e-12), ([0.0, 1e30], 1.0), ([0.1, 5, 9], 1.0)]
)
def test_scores(values, threshold):
    check(plots.scores(np.array(values), np.arange(len(values)) % 2 == 1, threshold, TITLE))


@pytest.mark.parametrize(
    ("count", "shape"),
    [(1, (8, 8, 1)), (5, (30, 20, 3)), (4, (50, 1)), (2, (50, 28)), (1, (1, 3)), (5, (16000,)), (1, (1,))],
)
def test_gallery(count, shape):
    inputs = np.random.default_rng(0).integers(0, 256, (count, *shape)).astype(np.uint8 if len(shape) == 3 else float)
    check(plots.gallery(inputs, [f"folder/{i}.png\n{LONG[0]} →\n{', '.join(LONG)}" for i in range(count)], TITLE))


@pytest.mark.parametrize(("count", "metric"), [(1, "accuracy"), (7, "rmse"), (40, "accuracy")])
def test_comparison(count, metric):
    """Files of the same speed and quality, as int8 files often are, have names of their own too."""
    numbers = [1.0 + 1e-3 * (i % 3) for i in range(count)]
    names = [f"model-{i}-{LONG[0]} model.int8.onnx" for i in range(count)]
    check(plots.comparison(names, numbers, metric, numbers, numbers))
    check(plots.cost(names, numbers, numbers, ["fp32", *["slower"] * (count - 1)], 0))


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
    pictures = task(output.task).draw(output, raw, np.array([target] * samples), "a title")
    assert pictures
    for name, picture in pictures.items():
        assert name.endswith(".png")
        check(picture)


FILES = [Path(f"/data/photos/some_class/IMG_2024_0612_{i:04d}_edited.jpeg") for i in range(20)]


@pytest.mark.parametrize(("output", "shape", "target"), TASKS, ids=[output.task for output, _, _ in TASKS])
def test_the_worst_mistakes_of_every_task_have_names(output, shape, target, sheets):
    random = np.random.default_rng(0)
    raw = random.normal(size=(20, *shape)).astype(np.float32) * 2
    input_spec = ImageInput("image", "image", (8, 30, 1), image_steps((8, 30), "L"))
    if output.task == "forecasting":
        input_spec = SequenceInput("sequence", "sequence", 40, ("load", "wind"), (0.0, 0.0), (1.0, 1.0))
    seen = random.integers(0, 256, (20, *(size or 40 for size in input_spec.shape))).astype(input_spec.dtype)
    targets = np.array([target] * 20)
    answers = Answers(ModelSpec("m", input_spec, output), Split(FILES, targets), seen, raw, targets)
    known = task(output.task)
    wrong = find_mistakes(known, answers)
    (picture,) = draw_mistakes(wrong, answers, TITLE).values()
    check(picture)
    captions = [axes.get_title() for axes in sheets[-1].axes]
    for mistake, caption in zip(wrong, captions, strict=True):
        assert mistake.item in map(str, FILES)
        assert Path(mistake.item).name in caption.replace("\n", "")
    if output.task == "forecasting":
        (before, came, forecast), first = sheets[-1].axes[0].lines, find_mistakes(known, answers)[0].index
        np.testing.assert_array_equal(before.get_ydata(), seen[first, -24:, 0])
        np.testing.assert_array_equal(came.get_ydata(), target)
        np.testing.assert_array_equal(forecast.get_ydata(), raw[first])


def test_text_has_room():
    assert fit("short", 28) == "short"
    assert fit(LONG[0], 11) == "pneum…iosis"
    assert wrap("one two three", 1, 12) == "one two\nthree"
    assert wrap("a" * 40, 1, 12, 2) == "aaaaaaaaa\naaaaaaaa…"
    assert fit("$5_$", 28) == r"\$5_\$"


def test_characters_that_no_font_has_are_boxes_and_a_note(monkeypatch, sheets):
    unknown = "\U0010fffd"  # of no script
    assert unknown in _fonts(frozenset(unknown))[1]
    check(plots.label_bars({unknown: {"precision": 1, "recall": 1}}, "a title"))
    assert sheets[-1].axes[0].get_yticklabels()[0].get_text() == BOX
    assert "no font here has this character" in sheets[-1].get_supxlabel().replace("\n", " ")
