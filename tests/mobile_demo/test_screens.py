"""On every screen, for every kind of model, with long names: nothing sticks out, nothing moves, no answer is lost."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from runtime.bundle import MANIFEST
from tests.mobile_demo.app import choose_file, open_model, self_test
from tests.nightly import nightly_but
from zoo.resolve import SHIPPED

FIXTURES = Path(__file__).parents[1] / "fixtures"
SCREENS = {
    "small phone": (320, 568), "narrow phone": (360, 640), "phone": (390, 844), "tablet": (768, 1024),
    "landscape": (844, 390), "laptop at 200 %": (640, 400), "phone at 200 %": (195, 422),
}  # fmt: skip
SHORT = ("small phone", "laptop at 200 %")
"""The screens with the least room for the pad."""
LONG = "pneumonoultramicroscopicsilicovolcanoconiosis"
COLUMN = "od280/od315_of_diluted_wines"
LABELS = [LONG, "붉은배지느러미발도요새와넓적부리도요새의아종", "a gecko that has eaten all it could find in the house"]
UNIT = "thousand_dollars_of_1990_per_square_metre"
OUTSIDE = """() => {
    const width = document.documentElement.clientWidth;
    const scrolled = (each) => each.closest(".history-list, svg, .hidden, .skip");
    const wide = [...document.body.querySelectorAll("*")].filter((each) => each.offsetParent && !scrolled(each))
        .filter((each) => each.getBoundingClientRect().right > width + 1 || each.getBoundingClientRect().left < -1);
    return [document.documentElement.scrollWidth - width, ...wide.map((each) => `${each.tagName}.${each.className}`)];
}"""


def labels(task, names):
    return {"task": task, "name": "logits", "labels": names}


def values(task, target, **more):
    return {"task": task, "name": "value", "target": target, "unit": UNIT, "mean": 0.0, "std": 1.0, **more}


KINDS = {
    "image classes": ("tiny", labels("classification", LABELS), {}),
    "drawn digits": ("mnist", None, {}),
    "multilabel": ("tiny", labels("multilabel", LABELS) | {"threshold": 0.01}, {}),
    "binary": ("table", labels("binary", LABELS[:2]), {"age": LABELS[1]}),
    "regression": ("table", values("regression", "median_value_of_the_houses_in_" + LONG), {"age": COLUMN}),
    "anomaly": ("tiny", {"task": "anomaly", "name": "errors", "features": 3, "threshold": 1e-6}, {}),
    "table": ("table", None, {"city": COLUMN, "year": LONG}),
    "sequence": ("sequence", labels("classification", LABELS[:2]), {"wind": LONG}),
    "forecast": ("sequence", values("forecasting", COLUMN, horizon=2), {"heat": COLUMN, "wind": LONG}),
    "ctc": ("line", None, {}),
    "detector": ("squares", {"labels": LABELS[:2]}, {}),
    "tensors": ("format-3", None, {}),
    "audio": ("ears", labels("classification", LABELS), {}),
}
"""A bundle, what its outputs are taken for (or another part of them), and longer names for some of its columns."""
QUICK = ("image classes", "table", "forecast", "ctc", "detector", "audio")
"""Each kind of input, and each form of answer that is built by itself: bars, a value, a line, characters and boxes."""


@pytest.fixture(scope="module")
def line_bundle(tmp_path_factory):
    """A seeded net that reads lines of digits, right or not, as TFLite."""
    import torch
    from torch import nn

    import export

    class Line(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(16, 11)

        def forward(self, pixels):
            return self.layer(pixels[:, 0].transpose(1, 2))[:, ::4]

    torch.manual_seed(0)
    random = np.random.default_rng(0)
    spec = export.ModelSpec(
        "a line of digits, which is as long as the name of the model that reads it",
        export.ImageInput("image", "image", (16, 160, 1), export.image_steps((16, 160), "L")),
        export.CTC("ctc", "logits", "0123456789"),
    )
    images = [random.integers(0, 256, (16, 160), np.uint8) for _ in range(8)]
    out = tmp_path_factory.mktemp("line") / "bundle"
    export.export(export.NormalizePixels(Line(), (0.5,), (0.2,)), spec, images, out=out, formats=["tflite"])
    return out


@pytest.fixture(scope="module")
def address(site, tiny_bundle, table_bundle, sequence_bundle, line_bundle, ears, tmp_path_factory):
    """A site with a bundle of each kind, whose manifest is another than the one it was exported with."""
    sources = {
        "tiny": tiny_bundle, "table": table_bundle, "sequence": sequence_bundle, "mnist": SHIPPED / "mnist-cnn",
        "line": line_bundle, "squares": FIXTURES / "format-3-detector", "format-3": FIXTURES / "format-3",
        "ears": ears,
    }  # fmt: skip
    made = []
    for kind, (source, output, columns) in KINDS.items():
        folder = tmp_path_factory.mktemp("kinds") / kind.replace(" ", "-")
        shutil.copytree(sources[source], folder)
        manifest = json.loads((folder / MANIFEST).read_text())
        model = manifest["model"]
        if output:
            model.pop("listening", None)  # its labels were others
            model |= {"name": LONG, "output": output if "task" in output else model["output"] | output}
        for column in model["input"].get("columns", []):
            column["name"] = columns.get(column["name"], column["name"])
        if "features" in model["input"]:
            model["input"]["features"] = [columns.get(name, name) for name in model["input"]["features"]]
        (folder / MANIFEST).write_text(json.dumps(manifest))
        made.append(folder)
    return site(*made)


def answered(page):
    """Have the model answer in the tab that is open: a form as it is filled in, else an example."""
    form = page.locator("form.form[aria-label]")
    (page.get_by_role("button", name="Predict") if form.count() else page.locator("button.example")).click()
    page.locator(".answer .headline").wait_for()
    return page.locator(".answer .headline").inner_text()


def check_widths(page, where):
    for screen, (width, height) in SCREENS.items():
        page.set_viewport_size({"width": width, "height": height})
        assert page.evaluate(OUTSIDE) == [0], f"{where} on a {screen}"
    page.set_viewport_size({"width": 390, "height": 844})
    page.evaluate("() => (document.documentElement.style.fontSize = '200%')")
    assert page.evaluate(OUTSIDE) == [0], f"{where} in letters of 200 %"
    page.evaluate("() => (document.documentElement.style.fontSize = '')")


@pytest.mark.parametrize("kind", nightly_but(QUICK.__contains__, KINDS))
def test_no_name_widens_a_page(address, page, kind):
    page.goto(f"{address}#{kind.replace(' ', '-')}")
    choose_file(page, None)
    for tab in page.get_by_role("tab").all():
        tab.click()
        if tab.inner_text() not in ("Camera", "Microphone", "Proof"):
            answered(page)
            check_widths(page, f"{kind}, {tab.inner_text()}")
    page.locator("details.engine summary").click()
    check_widths(page, f"{kind}, the choice of engines")
    page.get_by_role("tab").first.click()
    page.get_by_role("button", name="한국어").click()
    page.get_by_role("button", name="English").wait_for()
    page.locator(".answer .headline").wait_for()
    check_widths(page, f"{kind}, in Korean")


def test_the_cards_say_what_each_model_tells(address, page):
    page.goto(address)
    page.locator("a.model").nth(len(KINDS) - 1).wait_for()
    said = page.locator("a.model .model-text").all_inner_texts()
    for words in (
        "Names one: 0, 1, 2, 3, 4, 5, 6, 7, 8, 9", "Spots what is unusual", "Tells two apart: no, yes",
        f"Forecasts {COLUMN}, the next 2 steps", "Reads a line of 0123456789", f"in {UNIT}",
        f"Finds {LONG[:31]}…", "Computes the tensors small, large",
    ):  # fmt: skip
        assert any(words in card for card in said), said
    check_widths(page, "the choice of models")


@pytest.mark.parametrize("screen", nightly_but(SHORT.__contains__, [*SHORT, "narrow phone", "phone", "landscape"]))
def test_the_page_stays_still_under_the_pen(address, page, screen):
    width, height = SCREENS[screen]
    page.set_viewport_size({"width": width, "height": height})
    open_model(page, address, "drawn-digits", "draw")
    pad = page.locator(".pad canvas")
    box = pad.bounding_box()
    assert box["y"] + box["height"] <= height  # all of it can be drawn on
    for x in (0.4, 0.5, 0.6):
        page.mouse.move(box["x"] + box["width"] * x, box["y"] + box["height"] * 0.2)
        page.mouse.down()
        page.mouse.move(box["x"] + box["width"] * x, box["y"] + box["height"] * 0.8, steps=3)
        page.mouse.up()
        page.locator(".answer:not([aria-busy]) .headline").wait_for()
        assert pad.bounding_box() == box
    said = page.locator(".answer .headline").inner_text()
    page.wait_for_function(
        """() => [...document.querySelectorAll(".headline, .peek-name")].some((each) => {
            const { x, y, width, height } = each.getBoundingClientRect();
            return each.contains(document.elementFromPoint(x + width / 2, y + height / 2));
        })"""
    )  # the answer is seen beside the pad, or in a line at the screen's edge
    peek = page.locator("button.peek")
    if peek.is_visible():
        assert said in peek.inner_text()
        assert pad.bounding_box()["y"] + box["height"] <= peek.bounding_box()["y"]
        peek.click()
        peek.wait_for(state="hidden")


def test_an_answer_stays_with_what_it_answers(address, page):
    open_model(page, address, "image-classes", "photo")
    said = answered(page)
    page.get_by_role("tab", name="Camera").click()
    page.get_by_text("The answer appears here").wait_for()  # nothing was shown to the camera
    page.get_by_role("tab", name="Photo").click()
    assert page.locator(".answer .headline").inner_text() == said


def test_another_language_loses_nothing(address, page):
    open_model(page, address, "drawn-digits", "draw")
    said = answered(page)
    drawn = "() => document.querySelector('.pad canvas').toDataURL()"
    before = page.evaluate(drawn)
    page.get_by_role("tab", name="Proof").click()
    assert self_test(page)["passed"]
    page.get_by_role("tab", name="Photo").click()
    answered(page)
    page.get_by_role("button", name="한국어").click()
    page.get_by_text("엔진").first.wait_for()
    assert page.locator("img.photo").is_visible()
    assert page.locator(".answer .headline").count() == 1
    assert page.locator(".past").count() == 2
    page.get_by_role("tab", name="검증").click()
    page.get_by_text("통과").wait_for()
    page.get_by_role("tab", name="그리기").click()
    assert page.locator(".answer .headline").inner_text() == said
    assert page.evaluate(drawn) == before
    page.get_by_role("button", name="English").click()
    page.get_by_role("button", name="Clear").first.click()
    page.get_by_text("The answer appears here").wait_for()


def test_another_language_keeps_what_was_filled_in(address, page):
    open_model(page, address, "table", "table")
    page.get_by_label(LONG).fill("2011")
    page.get_by_label(COLUMN).select_option("Oslo")
    page.get_by_label("age").fill("")
    said = answered(page)
    page.get_by_role("button", name="한국어").click()
    assert page.locator(".answer .headline").inner_text() == said
    assert [page.get_by_label(name).input_value() for name in ("age", COLUMN, LONG)] == ["", "Oslo", "2011"]


def test_notes_cover_no_answer_and_no_pad(address, page):
    page.set_viewport_size({"width": 320, "height": 568})
    open_model(page, address, "drawn-digits", "draw")
    answered(page)
    page.evaluate("() => window.dispatchEvent(new ErrorEvent('error', { message: 'a long reason, '.repeat(5) }))")
    note = page.locator(".toast").bounding_box()
    for selector in (".answer", ".pad", ".dock"):
        assert note["y"] + note["height"] <= page.locator(selector).bounding_box()["y"]
    page.locator(".toast button").click()
    page.get_by_role("button", name="Copy").click()
    page.get_by_role("button", name=re.compile("Copied|did not allow")).wait_for()  # the button itself says so
    assert page.locator(".toast").count() == 0


def test_another_photo(address, page):
    open_model(page, address, "image-classes", "photo")
    another = page.get_by_role("button", name="Another photo")
    assert not another.is_visible()
    answered(page)
    with page.expect_file_chooser():
        another.click()


def test_a_forecast_goes_on_from_its_history(address, page):
    open_model(page, address, "forecast", "sequence")
    answered(page)
    drawn = page.locator(".charts .series")
    assert drawn.locator("figcaption").all_inner_texts() == [COLUMN, LONG]
    assert drawn.first.locator(".x-axis span").all_inner_texts() == ["step 1", "step 12"]
    low, high = sorted(float(text.replace(",", "")) for text in drawn.first.locator(".y-axis span").all_inner_texts())
    assert low < high
    answer = page.locator(".answer .series")
    assert answer.locator("figcaption").inner_text() == f"{COLUMN} ({UNIT})"
    assert answer.locator(".x-axis span").all_inner_texts() == ["step -11", "step 2"]
    assert answer.locator(".legend span").all_inner_texts() == ["so far", "forecast"]
    past, coming = (each.get_attribute("points").split() for each in answer.locator("polyline").all())
    assert (len(past), len(coming)) == (12, 3)
    assert past[-1] == coming[0]
