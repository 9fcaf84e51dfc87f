"""What a person does with the page: draw, show, fill in, read the answer; by thumb and by keyboard."""

from __future__ import annotations

import io
import json
import re

import numpy as np
import pytest
from PIL import Image

import runtime
from benchmarks.browser import LIBRARIES, ON_DEMAND
from tests.mobile_demo.app import benchmark, open_model, self_test
from tests.mobile_demo.camera import page_with_camera
from tests.mobile_demo.conftest import PHONE, watch
from zoo.resolve import SHIPPED

DIGITS = SHIPPED / "mnist-cnn"
SMALL = """() => [...document.querySelectorAll("button, a:not(.skip), summary, select")]
    .filter((each) => each.offsetParent).map((each) => [each.textContent, each.getBoundingClientRect()])
    .filter(([, { width, height }]) => width < 44 || height < 44)"""
AUDIO = re.compile(r"assets/(decode|listening|recordings|worklet)-")
SEVEN = [(0.28, 0.25), (0.72, 0.25), (0.6, 0.5), (0.5, 0.65), (0.42, 0.82)]
ZERO = [(0.5, 0.2), (0.35, 0.3), (0.3, 0.5), (0.35, 0.7), (0.5, 0.8), (0.65, 0.7), (0.7, 0.5), (0.65, 0.3), (0.5, 0.2)]


def stroke(page, points, size=1.0, left=0.0):
    """Draw a line on the pad; points are shares of its sides."""
    box = page.locator(".pad canvas").bounding_box()
    positions = [
        (box["x"] + box["width"] * ((x - 0.5) * size + 0.5 + left), box["y"] + box["height"] * ((y - 0.5) * size + 0.5))
        for x, y in points
    ]
    page.mouse.move(*positions[0])
    page.mouse.down()
    for position in positions[1:]:
        page.mouse.move(*position, steps=4)
    page.mouse.up()


def test_a_drawn_digit_is_recognized_wherever_it_is_drawn(site, page):
    open_model(page, site(DIGITS), DIGITS.name, "draw")
    for size, left in ((1.0, 0.0), (0.5, -0.2)):
        for points, digit in ((SEVEN, "7"), (ZERO, "0")):
            stroke(page, points, size, left)
            page.locator(".headline").get_by_text(digit, exact=True).wait_for()
            page.get_by_role("button", name="Clear").first.click()
            page.get_by_text("The answer appears here").wait_for()
    assert page.locator(".past").count() == 4


def test_the_pad_works_without_a_pointer(site, page):
    open_model(page, site(DIGITS), DIGITS.name, "draw")
    page.locator(".pad canvas").focus()
    for key in ["ArrowUp"] * 7 + [" "] + ["ArrowDown"] * 14 + [" "]:
        page.keyboard.press(key)
    page.locator(".headline").get_by_text("1", exact=True).wait_for()
    assert page.locator(".answer [role=status]").inner_text().startswith("1")  # what a screen reader says


def encoded(image, kind="PNG", **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def shown(page, data, name="photo.png", mime="image/png"):
    """Pick a file; return the labels with their shares as the page says them."""
    before = page.locator(".past").count()
    page.get_by_label("Pick a photo").set_input_files({"name": name, "mimeType": mime, "buffer": data})
    page.locator(".past").nth(before).wait_for()
    return page.locator(".bars li").all_inner_texts()


def said(prediction):
    def percent(share):
        return "> 99.9 %" if 0.999 < share < 1 else f"{100 * share:.1f}".removesuffix(".0") + " %"

    return [f"{label}\n{percent(score)}" for label, score in prediction.top]


def picture(size=(37, 23), seed=7):
    random = np.random.default_rng(seed)
    return Image.fromarray(random.integers(0, 256, (size[1] // 4 + 1, size[0] // 4 + 1, 3), np.uint8)).resize(size)


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_a_photo_is_answered_as_in_python(site, tiny_bundle, page, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(picture(), exif=exif)
    open_model(page, site(tiny_bundle), "bundle", "photo")
    assert shown(page, data) == said(runtime.load(tiny_bundle / "model.tflite").predict(data))


def test_transparent_and_animated_pictures(site, tiny_bundle, page):
    random = np.random.default_rng(1)
    clear = Image.fromarray(random.integers(0, 256, (12, 10, 4), np.uint8), "RGBA")
    frames = [picture((10, 12), seed).convert("P") for seed in (2, 3)]
    moving = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    model = runtime.load(tiny_bundle / "model.tflite")
    open_model(page, site(tiny_bundle), "bundle", "photo")
    assert shown(page, encoded(clear)) == said(model.predict(encoded(clear)))
    with pytest.warns(runtime.InputNote):
        wanted = said(model.predict(moving))
    assert shown(page, moving, "moving.gif", "image/gif") == wanted
    page.get_by_text("The file has 2 frames; the first was read.").wait_for()


def test_what_is_no_picture_or_too_large_is_a_sentence(site, tiny_bundle, page):
    open_model(page, site(tiny_bundle), "bundle", "photo")
    wide = bytearray(encoded(picture((8, 8))))
    wide[16:24] = (20_000).to_bytes(4, "big") * 2
    for data, sentence in (
        (b"no picture", "not an image"),
        (b"", "empty"),
        (bytes(wide), "20000x20000 pixels is too large"),
    ):
        page.get_by_label("Pick a photo").set_input_files({"name": "a.png", "mimeType": "image/png", "buffer": data})
        page.get_by_role("alert").get_by_text(sentence).wait_for()
    assert shown(page, encoded(picture()))  # it goes on


def test_a_pasted_picture(site, tiny_bundle, page):
    open_model(page, site(tiny_bundle), "bundle", "photo")
    page.evaluate(
        """(bytes) => {
            const data = new DataTransfer();
            data.items.add(new File([new Uint8Array(bytes)], "pasted.png", { type: "image/png" }));
            document.dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, cancelable: true }));
        }""",
        list(encoded(picture())),
    )
    page.locator(".headline").wait_for()


def test_a_dropped_picture(site, tiny_bundle, page):
    open_model(page, site(tiny_bundle), "bundle", "photo")
    drop = """(bytes) => {
        const dataTransfer = new DataTransfer();
        if (bytes) dataTransfer.items.add(new File([new Uint8Array(bytes)], "dropped.png", { type: "image/png" }));
        const zone = document.querySelector(".drop");
        const taken = [];
        for (const name of ["dragenter", "dragover", "drop"]) {
            taken.push(!zone.dispatchEvent(new DragEvent(name, { dataTransfer, bubbles: true, cancelable: true })));
        }
        return [taken, zone.classList.contains("over-it")];
    }"""
    assert page.evaluate(drop, None) == [[True] * 3, False]
    page.get_by_role("alert").get_by_text("That is no image file.").wait_for()
    assert page.evaluate(drop, list(encoded(picture()))) == [[True] * 3, False]
    page.locator(".headline").wait_for()
    assert page.get_by_role("button", name="Another photo").is_visible()


def test_a_table(site, table_bundle, page):
    open_model(page, site(table_bundle), "bundle", "table")
    page.get_by_label("age").fill("")
    page.get_by_label("city").select_option("Oslo")
    page.get_by_label("year").fill("2030")
    page.get_by_text("Outside what was seen in training").wait_for()
    page.get_by_role("button", name="Predict").click()
    page.locator(".headline").wait_for()
    wanted = runtime.load(table_bundle / "model.tflite").predict({"age": None, "city": "Oslo", "year": 2030})
    assert page.locator(".bars li").all_inner_texts() == said(wanted)
    page.get_by_label("year").fill("")
    page.get_by_role("button", name="Predict").click()
    page.get_by_role("alert").get_by_text("year needs a number").wait_for()


def test_a_sequence(site, sequence_bundle, sequences, page):
    open_model(page, site(sequence_bundle), "bundle", "sequence")
    lines = [",".join(map(str, row)) for row in sequences[0].tolist()]
    page.locator("textarea").fill("heat,wind\n" + "\n".join(lines))
    page.get_by_role("button", name="Predict").click()
    page.locator(".steps li").nth(1).wait_for()
    values = [float(re.search(r"([\d.]+) MW", text)[1]) for text in page.locator(".steps li").all_inner_texts()]
    wanted = runtime.load(sequence_bundle / "model.tflite").predict(sequences[0]).value
    np.testing.assert_allclose(values, wanted, atol=0.1)
    page.locator("textarea").fill("\n".join([*lines[:-1], "1,x"]))
    page.get_by_role("button", name="Predict").click()
    page.get_by_role("alert").get_by_text("Line 12: “x” is no number.").wait_for()


def test_the_camera(chromium, site, tiny_bundle, tmp_path, errors):
    red = np.full((48, 64, 3), (200, 40, 30), np.uint8)
    with page_with_camera(chromium, tmp_path, red, errors) as page:
        open_model(page, site(tiny_bundle), "bundle", "camera")
        page.get_by_role("button", name="Start camera").click()
        page.get_by_text("frames a second").wait_for()
        wanted = runtime.load(tiny_bundle / "model.tflite").predict(red)
        assert page.locator(".headline").inner_text() == wanted.label
        page.locator(".past").get_by_text(wanted.label).wait_for()
        page.get_by_role("tab", name="Photo").click()
        page.get_by_role("tab", name="Camera").click()
        page.get_by_role("button", name="Start camera").wait_for()  # it was switched off


def test_a_page_that_may_not_use_the_camera_says_so(site, tiny_bundle, page):
    open_model(page, site(tiny_bundle), "bundle", "camera")
    page.get_by_role("button", name="Start camera").click()
    page.locator(".camera [role=status]").get_by_text("camera").wait_for()
    page.get_by_role("button", name="Start camera").wait_for()


@pytest.mark.parametrize("file", ["model.tflite", "model.onnx"])
def test_self_test_and_benchmark(site, tiny_bundle, page, file):
    open_model(page, site(tiny_bundle), "bundle", "proof", file)
    report = self_test(page)
    assert report["passed"]
    assert report["file"] == file
    assert report["inputs"]["maxDifference"] == 0  # the golden files are PNGs
    page.get_by_text("Passed: this browser gives PyTorch's answers").wait_for()
    engine, whole = benchmark(page)
    assert 0 < engine <= whole


@pytest.mark.parametrize("file", ["model.tflite", "model.onnx"])
def test_webgpu(chromium, site, tiny_bundle, errors, file):
    """On a graphics adapter that Chromium brings as software."""
    browser = chromium("--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader", "--enable-features=Vulkan")
    page = browser.new_context(**PHONE).new_page()
    watch(page, errors)
    open_model(page, site(tiny_bundle), "bundle", "proof", file)
    if not page.evaluate("async () => Boolean(await navigator.gpu?.requestAdapter())"):
        browser.close()
        pytest.skip("this Chromium has no software adapter")
    device = page.locator("details.engine select").nth(1)
    device.focus()
    page.locator("option[value=webgpu]:not([disabled])").wait_for(state="attached")
    device.select_option("webgpu")
    page.locator(".engine-status").get_by_text("WebGPU").wait_for()
    report = self_test(page)
    assert (report["device"], report["passed"]) == ("webgpu", True)
    browser.close()
    assert not errors


def test_an_engine_that_dies_is_replaced(site, tiny_bundle, page, errors):
    open_model(page, site(tiny_bundle), "bundle", "photo")
    page.evaluate("() => (globalThis.kept = Worker.prototype.postMessage, undefined)")
    # what a WASM abort looks like from the page: the worker's script throws
    page.evaluate(
        """() => {
            Worker.prototype.postMessage = function (...words) {
                Worker.prototype.postMessage = kept;
                this.dispatchEvent(new ErrorEvent("error", { message: "Aborted(out of memory)", cancelable: true }));
            };
        }"""
    )
    page.get_by_role("button", name="Try an example").click()
    page.get_by_role("alert").get_by_text(
        "The engine stopped (Aborted(out of memory)). It was started afresh; try again."
    ).wait_for()
    page.get_by_role("button", name="Try an example").click()
    page.get_by_text("ms in the engine").wait_for()


def test_tabs_move_by_keys_and_stay_in_the_address(site, tiny_bundle, page):
    open_model(page, site(tiny_bundle), "bundle", "photo")
    page.get_by_role("tab", name="Photo").focus()
    page.keyboard.press("ArrowRight")
    assert page.get_by_role("tab", name="Camera").get_attribute("aria-selected") == "true"
    page.keyboard.press("End")
    assert page.url.endswith("#bundle/proof")
    page.reload()
    page.get_by_role("button", name="Run self-test").wait_for()


def test_language_and_theme_are_chosen_and_remembered(site, tiny_bundle, page):
    page.goto(site(tiny_bundle))
    page.get_by_role("button", name="한국어").click()
    page.get_by_role("heading", name="내 모델을 이 기기에서 바로").wait_for()
    assert page.locator("html").get_attribute("lang") == "ko"
    page.get_by_role("button", name="화면 모드").click()
    page.reload()
    page.get_by_role("heading", name="내 모델을 이 기기에서 바로").wait_for()
    assert page.locator("html").get_attribute("data-theme") == "light"


@pytest.mark.parametrize(
    ("kind", "tab"), [("tiny", "photo"), ("tiny", "proof"), ("table", "table"), ("sequence", "sequence")]
)
def test_everything_is_large_enough_for_thumbs(request, site, page, kind, tab):
    open_model(page, site(request.getfixturevalue(f"{kind}_bundle")), "bundle", tab)
    if tab == "proof":
        self_test(page)
    else:
        page.get_by_role("button", name="Try an example").click()
        page.locator(".headline").wait_for()
    assert not page.evaluate(SMALL)


def test_the_app_is_small(app):
    """60 kB without the engines for a model of photos; what others need comes when they ask for it."""
    import gzip

    listing = json.loads((app / "app.json").read_text())["files"]
    mine = [
        path for path in [*listing, "sw.js"] if not (path.startswith(("engines/", "icons/")) or LIBRARIES.match(path))
    ]
    sizes = {path: len(gzip.compress((app / path).read_bytes(), 9)) for path in mine}
    assert sum(size for path, size in sizes.items() if not ON_DEMAND.search(path)) <= 60_000
    assert 0 < sum(size for path, size in sizes.items() if AUDIO.search(path)) <= 12_000
    assert 0 < sum(size for path, size in sizes.items() if ON_DEMAND.search(path)) <= 26_000


def test_a_model_of_photos_loads_nothing_that_others_need(site, page, tiny_bundle):
    requested = []
    page.on("request", lambda request: requested.append(request.url))
    open_model(page, site(tiny_bundle), tiny_bundle.name, "photo")
    shown(page, encoded(Image.new("RGB", (40, 30))))
    assert any("/pictures-" in address for address in requested)
    assert not list(filter(ON_DEMAND.search, requested))
    page.get_by_role("tab", name="Proof").click()
    self_test(page)
    assert sorted(ON_DEMAND.search(address)[1] for address in requested if ON_DEMAND.search(address)) == [
        "proof",
        "selftest",
    ]
