"""JSON values become dataclasses, or a message that names the field."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime import ManifestError
from runtime.images.preprocess import image_steps
from runtime.images.steps import Flatten, Mode, Orient, Reduce, Resize, Step
from runtime.inputs import CategoricalColumn, ImageInput, NumericColumn, SequenceInput, TableInput, TensorsInput
from runtime.schema import build, parse_json, to_json
from runtime.spec import ModelSpec
from runtime.tasks import Classification, Regression


@dataclass(frozen=True)
class Circle:
    kind: Literal["circle"]
    radius: float


@dataclass(frozen=True)
class Square:
    kind: Literal["square"]
    side: int

    def __post_init__(self) -> None:
        if self.side < 0:
            raise ValueError(f"side must not be negative, got {self.side}")


@dataclass(frozen=True)
class Drawing:
    name: str
    shapes: tuple[Circle | Square, ...] = ()
    size: tuple[int, int] = (1, 1)
    visible: bool = True
    author: str | None = None
    frame: Square | None = None
    weights: dict[str, float] = field(default_factory=dict)
    layers: dict[str, Square] = field(default_factory=dict)
    notes: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Steps:
    steps: tuple[Step, ...]


def draw(**values):
    return build(Drawing, {"name": "d", **values}, "drawing", ManifestError)


def complaint(cls, value):
    with pytest.raises(ManifestError) as caught:
        build(cls, value, "drawing", ManifestError)
    text = str(caught.value)
    assert len(text.splitlines()) == 1
    return text


def test_every_kind_of_field_is_read():
    assert draw(
        shapes=[{"kind": "circle", "radius": 2}, {"kind": "square", "side": 3}],
        size=[4, 5],
        visible=False,
        author="a",
        frame={"kind": "square", "side": 6},
        weights={"x": 1, "y": 0.5},
        layers={"top": {"kind": "square", "side": 7}},
        notes={"any": [None, {"thing": 1}]},
    ) == Drawing(
        "d",
        (Circle("circle", 2.0), Square("square", 3)),
        (4, 5),
        False,
        "a",
        Square("square", 6),
        {"x": 1.0, "y": 0.5},
        {"top": Square("square", 7)},
        {"any": [None, {"thing": 1}]},
    )


def test_defaults_stand_for_absent_fields():
    assert draw() == Drawing("d")
    assert draw(author=None, frame=None) == Drawing("d")


def test_a_whole_number_for_a_float_becomes_a_float():
    assert type(draw(weights={"x": 1}).weights["x"]) is float


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({}, "drawing: the field 'name' is missing"),
        ({"nmae": "d"}, "drawing: unknown field 'nmae' (did you mean 'name'?); choose from: author, frame"),
        ([], "drawing: expected table, got []"),
        (None, "drawing: expected table, got None"),
        ({"name": 3}, "drawing.name: expected text, got 3"),
        ({"name": None}, "drawing.name: expected text, got None"),
        ({"name": "d", "visible": 1}, "drawing.visible: expected true or false, got 1"),
        ({"name": "d", "visible": "true"}, "drawing.visible: expected true or false, got 'true'"),
        ({"name": "d", "author": 3}, "drawing.author: expected text or none, got 3"),
        ({"name": "d", "size": [1]}, "drawing.size: expected list of 2 (int, int), got [1]"),
        ({"name": "d", "size": [1, 2, 3]}, "drawing.size: expected list of 2 (int, int), got [1, 2, 3]"),
        ({"name": "d", "size": 3}, "drawing.size: expected list of 2 (int, int), got 3"),
        ({"name": "d", "size": [1, True]}, "drawing.size[1]: expected int, got True"),
        ({"name": "d", "size": [1.0, 2]}, "drawing.size[0]: expected int, got 1.0"),
        ({"name": "d", "weights": {"x": True}}, "drawing.weights.x: expected float, got True"),
        ({"name": "d", "weights": {"x": "1"}}, "drawing.weights.x: expected float, got '1'"),
        ({"name": "d", "weights": [1]}, "drawing.weights: expected table of float, got [1]"),
        ({"name": "d", "shapes": "circle"}, "drawing.shapes: expected list of "),
        ({"name": "d", "frame": {"kind": "square"}}, "drawing.frame: the field 'side' is missing"),
        (
            {"name": "d", "layers": {"top": {"kind": "square", "side": -1}}},
            "drawing.layers.top: side must not",
        ),
    ],
)
def test_a_wrong_value_is_named(value, expected):
    assert complaint(Drawing, value).startswith(expected)


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        (
            {"kind": "circel", "radius": 1},
            "unknown kind 'circel' (did you mean 'circle'?); choose from: circle, square",
        ),
        ({"radius": 1}, "unknown kind None"),
        ({"kind": ["circle"], "radius": 1}, "unknown kind ['circle']"),
        ({"kind": {}, "radius": 1}, "unknown kind {}"),
        ({"kind": "circle", "side": 1}, "unknown field 'side'"),
        ({"kind": "circle"}, "the field 'radius' is missing"),
        ("circle", "expected table or table, got 'circle'"),
    ],
)
def test_a_wrong_tag_is_named(shape, expected):
    assert complaint(Drawing, {"name": "d", "shapes": [shape]}).startswith(f"drawing.shapes[0]: {expected}")


@pytest.mark.parametrize("number", [10**400, -(10**400)], ids=["positive", "negative"])
def test_a_number_that_no_float_holds_is_refused(number):
    assert complaint(Drawing, {"name": "d", "weights": {"x": number}}).startswith("drawing.weights.x: ")


@pytest.mark.parametrize("number", [float("inf"), float("-inf"), float("nan")])
def test_a_number_that_json_cannot_hold_is_refused(number):
    assert complaint(Drawing, {"name": "d", "weights": {"x": number}}).startswith("drawing.weights.x: ")


@pytest.mark.parametrize("key", ["two\nlines", "a\rb", "\x1b[2J", "\u2028"])
def test_a_key_cannot_break_the_line_or_steer_the_terminal(key):
    assert complaint(Drawing, {"name": "d", "weights": {key: "1"}}).isprintable()


def test_long_values_are_cut():
    assert len(complaint(Drawing, {"name": ["x" * 10_000]})) < 150


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"a": 1, "a": 2}', "a key appears twice"),
        ('{"x": {"a": 1, "a": 1}}', "a key appears twice"),
        ("NaN", "NaN is not JSON"),
        ("[-Infinity]", "-Infinity is not JSON"),
        ("[" * 10_000, "not valid JSON"),
        ('{"a":' * 10_000, "not valid JSON"),
        ("", "not valid JSON"),
        ("{} {}", "not valid JSON"),
        ("{'a': 1}", "not valid JSON"),
        (b"\xff\xfe\xff", "not valid JSON"),
        ("9" * 5000, "not valid JSON"),
        ("1e999", "not valid JSON"),
    ],
    ids=lambda value: repr(value)[:12],
)
def test_json_that_is_not_json(text, expected):
    with pytest.raises(ManifestError, match=expected) as caught:
        parse_json(text, "manifest.json", ManifestError)
    assert str(caught.value).startswith("manifest.json: ")
    assert len(str(caught.value).splitlines()) == 1


SIDES = st.integers(1, 4096)
COLORS = st.tuples(*[st.integers(0, 255)] * 3)
STEPS = st.one_of(
    st.builds(Reduce, width=SIDES, height=SIDES),
    st.just(Orient()),
    st.builds(Flatten, ground=COLORS),
    st.builds(Mode, mode=st.sampled_from(["L", "RGB"])),
    st.builds(
        Resize,
        width=SIDES,
        height=SIDES,
        fit=st.sampled_from(["crop", "stretch", "pad"]),
        share=st.floats(0, 1, exclude_min=True),
        interpolation=st.sampled_from(["nearest", "box", "bilinear", "bicubic", "lanczos"]),
        ground=COLORS,
    ),
)


@given(st.builds(Steps, st.lists(STEPS, max_size=6).map(tuple)))
def test_steps_survive_json(steps):
    assert build(Steps, json.loads(to_json(steps)), "steps", ManifestError) == steps


@given(
    st.builds(
        Drawing,
        name=st.text(),
        weights=st.dictionaries(st.text(), st.floats(allow_nan=False, allow_infinity=False)),
    )
)
def test_any_text_and_number_survive_json(drawing):
    assert build(Drawing, parse_json(to_json(drawing), "d", ManifestError), "d", ManifestError) == drawing


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
)
FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "name": st.just("d") | JSON,
        "shapes": st.lists(st.fixed_dictionaries({"kind": st.just("circle") | JSON, "radius": JSON})) | JSON,
        "size": st.lists(JSON, max_size=3) | JSON,
        "author": JSON,
        "frame": JSON,
        "weights": JSON,
        "layers": JSON,
    },
)


@given(FIELDS | JSON)
def test_no_value_raises_anything_else(value):
    try:
        drawing = build(Drawing, value, "drawing", ManifestError)
    except ManifestError as problem:
        assert len(str(problem).splitlines()) == 1
    else:
        assert build(Drawing, json.loads(to_json(drawing)), "drawing", ManifestError) == drawing


STEPS = image_steps((12, 10), "RGB")
AGE = NumericColumn("numeric", "age", 40.0, 10.0, 18.0, 90.0)
LABELS = Classification("classification", "logits", ("no", "yes"))
MADE_WRONG = {
    "a kind": (lambda: ImageInput("images", "image", (12, 10, 3), STEPS), "ImageInput.kind: unknown value 'images'"),
    "a name": (lambda: ImageInput("image", 1, (12, 10, 3), STEPS), "ImageInput.name: expected text, got 1"),
    "a shape": (lambda: ImageInput("image", "image", (12, 10), STEPS), "ImageInput.shape: expected list of 3"),
    "steps": (lambda: ImageInput("image", "image", (12, 10, 3), None), "ImageInput.preprocess: expected list"),
    "a step": (lambda: ImageInput("image", "image", (12, 10, 3), ("resize",)), r"ImageInput.preprocess\[0\]"),
    "a column": (lambda: TableInput("table", "row", ("age",)), r"TableInput.columns\[0\]"),
    "a mean": (lambda: NumericColumn("numeric", "age", float("nan"), 1.0, 0.0, 1.0), "NumericColumn.mean"),
    "a deviation": (lambda: NumericColumn("numeric", "age", 0.0, float("inf"), 0.0, 1.0), "NumericColumn.std"),
    "a bound": (lambda: NumericColumn("numeric", "age", 0.0, 1.0, "low", 1.0), "NumericColumn.low: expected float"),
    "categories": (lambda: CategoricalColumn("categorical", "sex", (0, 1)), r"categories\[0\]: expected text, got 0"),
    "a text as categories": (lambda: CategoricalColumn("categorical", "sex", "fm"), "categories: expected list"),
    "a length": (lambda: SequenceInput("sequence", "x", 8.0, ("a",), (0.0,), (1.0,)), "SequenceInput.length"),
    "features": (lambda: SequenceInput("sequence", "x", 8, "a", (0.0,), (1.0,)), "SequenceInput.features"),
    "means": (lambda: SequenceInput("sequence", "x", 8, ("a",), 0.0, (1.0,)), "SequenceInput.mean: expected list"),
    "labels": (
        lambda: Classification("classification", "logits", (0, 1)),
        r"Classification.labels\[0\]: expected text",
    ),
    "an input": (lambda: ModelSpec("net", "image", LABELS), "ModelSpec.input: expected table"),
    "an output": (lambda: ModelSpec("net", TableInput("table", "row", (AGE,)), None), "ModelSpec.output: expected"),
    "a model's name": (
        lambda: ModelSpec(7, TableInput("table", "row", (AGE,)), LABELS),
        "ModelSpec.name: expected text",
    ),
    "a unit": (lambda: Regression("regression", "value", "price", None, 0.0, 1.0), "Regression.unit: expected text"),
}


@pytest.mark.parametrize("case", MADE_WRONG)
def test_specs_made_in_code_are_checked_like_those_of_files(case):
    make, complaint = MADE_WRONG[case]
    with pytest.raises(ValueError, match=complaint):
        make()


def test_lists_and_numbers_of_numpy_become_what_is_declared():
    made = SequenceInput("sequence", "x", np.int64(8), ["a"], np.zeros(1), [np.float32(2)])
    assert made == SequenceInput("sequence", "x", 8, ("a",), (0.0,), (2.0,))
    assert hash(TableInput("table", "row", [AGE])) == hash(TableInput("table", "row", (AGE,)))


@pytest.mark.parametrize(
    "text",
    [
        '{"kind": "tensors", "tensors": [{"name": "a", "shape": [2]}], "lengths": {"' + "x" * 100_000 + '": 5}}',
        '{"kind": "tensors", "tensors": [], "lengths": {"a": ' + "9" * 100_000 + ".0}}",
    ],
    ids=["a key", "a number"],
)
def test_a_long_value_makes_no_long_message(text):
    with pytest.raises(ManifestError) as caught:
        build(TensorsInput, parse_json(text, "manifest.json", ManifestError), "manifest.json", ManifestError)
    assert len(str(caught.value)) < 1100
