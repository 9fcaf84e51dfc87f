"""Detectors in the app: the same boxes as in Python, over photos and the camera, and in the self-test."""

from __future__ import annotations

import dataclasses
import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import runtime
from runtime.boxes import cell_centers
from runtime.bundle import ModelFile
from runtime.images.draw_boxes import label_color
from runtime.images.placement import KEY, Placement
from runtime.images.preprocess import image_steps
from runtime.images.steps import Resize
from runtime.inputs import ImageInput
from runtime.tasks import Detection
from runtime.tasks.box_layouts import Distances
from runtime.tasks.foreign_layouts import Centers, PostProcessed, Queries, Ranked
from runtime.tensor_spec import TensorSpec
from tests.mobile_demo.app import open_model, self_test
from tests.mobile_demo.camera import page_with_camera
from tests.mobile_demo.manifests import (
    PARITY,
    SPEC,
    assert_refused_in_a_sentence,
    assert_taken_or_refused_as_in_python,
    manifest_of,
    text_of,
    whole,
)
from tests.squares import LABELS, picture

SQUARES = Path(__file__).parents[1] / "fixtures" / "format-3-detector"
DETECTORS = (
    # height and width of the input, strides, labels, confidence, iou, decimals of the scores (few give many ties)
    ((320, 320), (8, 16, 32), 3, 0.25, 0.6, 7),
    ((256, 320), (8, 16, 32), 1, 0.05, 0.45, 1),
    ((97, 33), (8, 16), 5, 0.3, 1.0, 0),
    ((64, 64), (8,), 3, 0.9, 0.0, 7),
)


def detector(number):
    (height, width), strides, labels, confidence, iou, _ = DETECTORS[number]
    cells = len(cell_centers(height, width, strides)[0])
    tensors = (TensorSpec("distances", (cells, 4)), TensorSpec("scores", (cells, labels), axes=("cell", "label")))
    names = tuple(f"label {i}" for i in range(labels))
    return Detection(
        "detection", tensors, names, height, width, Distances("distances", strides), confidence, iou
    )  # fmt: skip


def image_input(detection):
    size = detection.height, detection.width
    return ImageInput("image", "image", (*size, 3), image_steps(size, "RGB", fit="pad"))


FOREIGN = (
    (Centers("centers", "columns", False, False), [(7, 200)]),
    (Centers("centers", "columns", False, True), [(7, 200)]),
    (Centers("centers", "rows", True, False), [(200, 8)]),
    (Centers("centers", "rows", True, True), [(200, 8)]),
    (Ranked("ranked", False), [(40, 6)]),
    (Ranked("ranked", True), [(40, 6)]),
    (PostProcessed("post_processed"), [(40, 4), (40,), (40,), ()]),
    (Queries("queries", False), [(60, 3), (60, 4)]),
    (Queries("queries", True), [(60, 4), (60, 4)]),
)
"""The layouts of detectors made elsewhere, with the shapes of their tensors for three labels."""


def foreign(number, confidence=0.3, iou=0.6):
    layout, shapes = FOREIGN[number]
    tensors = tuple(TensorSpec(f"t{i}", shape) for i, shape in enumerate(shapes))
    return Detection("detection", tensors, ("a", "b", "c"), 96, 128, layout, confidence, iou)


def raw_of_foreign(number, pictures=6):
    """Return raw outputs as such graphs give them: boxes that overlap, and a few candidates that count for nothing."""
    layout, shapes = FOREIGN[number]
    random = np.random.default_rng(number)
    sides = np.array([128, 96, 128, 96], np.float32)
    unit = 1 if getattr(layout, "normalized", True) else sides
    at, size = random.uniform(0.2, 0.8, (2, pictures, shapes[0][-1] if number < 2 else shapes[0][0], 2))
    boxes = np.concatenate([at, 0.2 + 0.2 * size], 2) * unit
    corners = np.concatenate([at - 0.2, at + 0.1 + 0.1 * size], 2) * unit
    count = boxes.shape[1]
    chances = random.random((pictures, count, 4)) ** 2
    indices = random.integers(0, 3, (pictures, count)).astype(float)
    indices[:, -1], chances[:, -1] = 99, 0  # of no candidate
    ranked = [corners, chances[..., :1], indices[..., None]]
    arrays = {
        "centers": [np.concatenate([boxes, chances[..., : shapes[0][-1] - 4 if number > 1 else 3]], 2)],
        "ranked": [np.concatenate(ranked, 2)],
        "post_processed": [corners[..., [1, 0, 3, 2]], indices, chances[..., 0], random.integers(0, 41, pictures)],
        "queries": [random.normal(-1, 2, (pictures, *shapes[0])), boxes],
    }[layout.layout]
    if number < 2:
        arrays = [arrays[0].transpose(0, 2, 1)]
    return {f"t{i}": np.ascontiguousarray(array, np.float32) for i, array in enumerate(arrays)}


def raw_of(number, pictures=6):
    """Return raw outputs: clusters of boxes that overlap, some of them in the padding, and some without area."""
    detection, random = detector(number), np.random.default_rng(number)
    distances, scores = (tensor.shape for tensor in detection.tensors)
    return {
        "distances": random.normal(2, 1.5, (pictures, *distances)).astype(np.float32),
        "scores": np.round(random.normal(-2, 2.5, (pictures, *scores)), DETECTORS[number][-1]).astype(np.float32),
    }


CASES = [*range(len(DETECTORS)), *(100 + i for i in range(len(FOREIGN)))]


def case(number, pictures=6):
    """Return a detector, and raw outputs of it."""
    if number < 100:
        return detector(number), raw_of(number, pictures)
    return foreign(number - 100), raw_of_foreign(number - 100, pictures)


# manifests


@pytest.mark.parametrize("number", CASES)
def test_manifests_of_detectors_are_read_as_they_are(layer, number):
    detection, _ = case(number)
    parity = dataclasses.replace(PARITY, metrics={"mAP": (0.5, 0.49)}, labels={"label 0": (0.9, 0.9)})
    manifest = manifest_of(image_input(detection), detection, {"model.onnx": ModelFile(SPEC, parity)})
    assert layer.call("(text) => model.parseManifest(text)", text_of(manifest)) == whole(manifest)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda m: m["output"].update(labels=[]), "labels must be"),
        (lambda m: m["output"].update(labels=["a", "b"]), "give tensors"),
        (lambda m: m["output"].update(height=0), "must be 1 to 4096"),
        (lambda m: m["output"].update(width=4097), "must be 1 to 4096"),
        (lambda m: m["output"].update(confidence=1), "confidence must be above 0"),
        (lambda m: m["output"].update(iou=-0.1), "iou 0 to 1"),
        (lambda m: m["output"].update(iou=None), "a number"),
        (lambda m: m["output"]["layout"].update(layout="corners and more"), "corners and more"),
        (lambda m: m["output"]["layout"].update(strides=[]), "strides must be"),
        (lambda m: m["output"]["layout"].update(strides=[8, 2048]), "strides must be"),
        (lambda m: m["output"]["layout"].update(strides=[8] * 17), "strides must be"),
        (lambda m: m["output"]["layout"].update(strides=[8, 16]), "give tensors"),
        (lambda m: m["output"]["tensors"].reverse(), "give tensors"),
        (lambda m: m["output"]["tensors"][0].update(shape=["cells", 4]), "fixed length"),
        (lambda m: m["output"].update(height=319, width=320), "takes images of that size"),
        (lambda m: m.update(input={"kind": "table", "name": "x", "columns": [
            {"kind": "categorical", "name": "a", "categories": ["b"]}
        ]}), "takes images of that size"),
    ],
)  # fmt: skip
def test_hostile_detectors_are_refused_in_a_sentence(layer, change, named):
    manifest = json.loads(text_of(manifest_of(image_input(detector(0)), detector(0))))
    change(manifest["model"])
    assert_refused_in_a_sentence(layer, manifest, named)


def test_damaged_manifests_are_taken_or_refused_as_in_python(layer):
    detectors = [detector(3), *map(foreign, range(len(FOREIGN)))]
    sound = [json.loads(text_of(manifest_of(image_input(each), each))) for each in detectors]
    assert_taken_or_refused_as_in_python(layer, sound, 1000, seed=4)


# boxes


def placements():
    """Where inputs of several fits lie in pictures of several sizes."""
    for fit, (width, height) in (("pad", (640, 480)), ("pad", (31, 977)), ("crop", (333, 501)), ("stretch", (1, 1))):
        step = Resize(fit=fit, width=320, height=320)
        yield Placement(step.inverse(width, height), width, height)
    yield Placement(Resize(fit="pad", width=320, height=320).inverse(201, 126).times(8), 1601, 1001)


@pytest.mark.parametrize("number", CASES)
def test_no_bit_of_a_box_differs(layer, number):
    detection, raw = case(number)
    all_placements = [Placement.whole(detection.width, detection.height), *placements()]
    blank = np.zeros((1, 1, 3), np.uint8)
    seen = [placement.beside("image", blank) for placement in all_placements]
    seen = {name: np.stack([each[name] for each in seen]) for name in ("image", KEY)}
    layer.files.update({name: array.tobytes() for name, array in raw.items()})
    answers = layer.call(
        """async ([output, placements]) => {
          const arrays = [];
          for (const { name, shape } of output.tensors) {
            arrays.push({ shape, data: new Float32Array((await file(name)).buffer) });
          }
          return placements.map(([affine, width, height], i) => {
            const [scaleX, scaleY, offsetX, offsetY] = affine;
            const placement = i && { affine: { scaleX, scaleY, offsetX, offsetY }, width, height };
            const slice = (data) => data.subarray(i * data.length / 6, (i + 1) * data.length / 6);
            const raw = arrays.map(({ shape, data }) => ({ shape, data: slice(data) }));
            return model.decode(output, raw, 5, placement || undefined);
          });
        }""",
        [
            dataclasses.asdict(detection),
            [(list(dataclasses.astuple(affine)), width, height) for affine, width, height in all_placements],
        ],
    )
    predictions = detection.decode(raw, seen, 5)
    assert sum(len(prediction.boxes) for prediction in predictions) > 3
    for prediction, answer in zip(predictions, answers, strict=True):
        assert (answer["kind"], answer["width"], answer["height"]) == ("boxes", prediction.width, prediction.height)
        assert [(box["label"], box["index"]) for box in answer["boxes"]] == [
            (box.label, detection.labels.index(box.label)) for box in prediction.boxes
        ]
        sides = [[box[side] for side in ("left", "top", "right", "bottom")] for box in answer["boxes"]]
        assert sides == [list(box[2:]) for box in prediction.boxes]
        scores = np.array([box.score for box in prediction.boxes], np.float32)
        assert (np.abs([box["score"] for box in answer["boxes"]] - scores) <= np.spacing(scores)).all()


@pytest.mark.parametrize("count", [0, 1, 2.5, 39, 40, 99, -1, float("nan"), float("inf")])
def test_candidates_that_do_not_count_are_cleared_as_in_python(layer, count):
    """TensorFlow Lite's operator writes nothing behind those that count."""
    detection, raw = foreign(6), raw_of_foreign(6, 1)
    raw["t3"][0] = count
    tensors = layer.call(
        """([output, arrays, count]) => {
          const sample = arrays.map(([shape, data]) => ({ shape, data: Float32Array.from(data) }));
          sample[3] = { shape: [], data: Float32Array.of(Number(count)) };
          return model.taskOf(output).defined(output, sample).slice(0, 3).map(({ data }) => [...data]);
        }""",
        [
            dataclasses.asdict(detection),
            [[array.shape[1:], array[0].ravel().tolist()] for array in list(raw.values())[:3]],
            str(count).replace("inf", "Infinity").replace("nan", "NaN"),
        ],
    )
    assert tensors == [array.ravel().tolist() for array in list(detection.defined(raw).values())[:3]]


@pytest.mark.parametrize("noise", [0.0, 1e-6, 1e-4, 3e-3, 0.1])
@pytest.mark.parametrize("number", CASES)
def test_outputs_mean_the_same_boxes_or_not_as_in_python(layer, number, noise):
    detection, wanted = case(number, 12)
    random = np.random.default_rng(1)
    exact = {"t1", "t3"} if number == 106 else set()  # labels, and how many candidates count
    noisy = {
        name: array
        if name in exact
        else (array + noise * random.normal(size=array.shape) * (array != 0)).astype(np.float32)
        for name, array in wanted.items()
    }
    layer.files.update({f"wanted-{name}": array.tobytes() for name, array in wanted.items()})
    layer.files.update({f"found-{name}": array.tobytes() for name, array in noisy.items()})
    for tie in (1e-6, 1e-3):
        slack = {name: tie * float(np.abs(array).max()) for name, array in wanted.items()}
        answers = layer.call(
            """async ([output, slack]) => {
              const samples = async (which) => {
                const arrays = [];
                for (const { name } of output.tensors) arrays.push(new Float32Array((await file(which + name)).buffer));
                const part = (data, i) => data.subarray(i * data.length / 12, (i + 1) * data.length / 12);
                return Array.from({ length: 12 }, (_, i) => arrays.map((data) => ({ shape: [], data: part(data, i) })));
              };
              const [wanted, found] = [await samples("wanted-"), await samples("found-")];
              return wanted.map((each, i) => model.taskOf(output).agrees(output, each, found[i], slack));
            }""",
            [dataclasses.asdict(detection), list(slack.values())],
        )
        assert answers == detection.agreement(wanted, noisy, slack).tolist()
        assert all(answers) or noise
        assert not all(answers) or noise < 0.1 or number == 3


# pictures


def encoded(pixels, orientation=1, kind="PNG", **options):
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = io.BytesIO()
    turns = {1: 0, 3: 2, 6: 1, 8: 3}[orientation]  # quarter turns anticlockwise of what the file stores
    Image.fromarray(np.rot90(pixels, turns)).save(file, kind, exif=exif, **options)
    return file.getvalue()


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_pictures_are_placed_as_in_python(layer, orientation):
    """Turned, reduced and letterboxed ones, to the last bit."""
    image = image_input(detector(1))
    sources = [
        encoded(picture(1, width, height)[0], orientation, kind)
        for kind, (width, height) in (
            ("PNG", (150, 80)),
            ("JPEG", (1601, 1001)),
            ("JPEG", (3000, 2560)),
            ("JPEG", (31, 40)),
        )
    ]
    layer.files.update({f"picture{i}": data for i, data in enumerate(sources)})
    answers = layer.call(
        """async ([steps, count]) => {
          const placed = async (i) => {
            const pixels = await model.decodeFile(await file("picture" + i), steps);
            const { affine, width, height } = model.placementOf(pixels, steps);
            return [Object.values(affine), width, height];
          };
          return Promise.all(Array.from({ length: count }, (_, i) => placed(i)));
        }""",
        [[dataclasses.asdict(step) for step in image.preprocess], len(sources)],
    )
    for data, answer in zip(sources, answers, strict=True):
        *affine, width, height = image.read_placed(data)[KEY].tolist()
        assert answer == [affine, width, height]


# the page


@pytest.fixture(scope="module")
def address(site):
    return site(SQUARES)


def listed(page):
    """Return the boxes that a screen reader hears: label and corners in whole pixels."""
    rows = page.evaluate(
        """() => [...document.querySelectorAll(".found li")].map(({ children }) =>
            [...children].map((part) => part.textContent))"""
    )
    boxes = []
    for _, label, _, text in rows:
        left, right, top, bottom = map(int, re.findall(r"\d+", text.replace(",", "")))
        boxes.append((label, left, top, right, bottom))
    return boxes


def show(page, data, name="photo.png"):
    before = page.locator(".past").count()
    page.get_by_label("Pick a photo").set_input_files({"name": name, "mimeType": "image/*", "buffer": data})
    page.locator(".past").nth(before).wait_for()


def rounded(prediction):
    return [(box.label, *map(round, box[2:])) for box in prediction.boxes]


COLORS = """([x, y]) => {
  const canvas = document.querySelector("canvas.overlay");
  const [wide, high] = [canvas.clientWidth, canvas.clientHeight];
  const image = document.querySelector("img.photo");
  const scale = Math.min(wide / image.naturalWidth, high / image.naturalHeight);
  const left = (wide - image.naturalWidth * scale) / 2 + x * scale;
  const top = (high - image.naturalHeight * scale) / 2 + y * scale;
  const density = canvas.width / wide;
  return [...canvas.getContext("2d").getImageData(left * density, top * density, 1, 1).data];
}"""


@pytest.mark.parametrize(("file", "orientation"), [("model.onnx", 6), ("model.tflite", 1)])
def test_boxes_are_drawn_and_listed_as_python_finds_them(address, page, file, orientation):
    model = runtime.load(SQUARES / file)
    open_model(page, address, SQUARES.name, "photo", file)
    for data, name in (
        (encoded(picture(3, 96, 128, 16)[0], orientation), "photo.png"),
        (encoded(picture(5, 768, 512, 64)[0], orientation, "JPEG", quality=95, subsampling=0), "photo.jpg"),
    ):
        prediction = model.predict(data)
        assert len(prediction.boxes) >= 4
        show(page, data, name)
        assert listed(page) == rounded(prediction)
        box = next(box for box in prediction.boxes if box.right < prediction.width)
        edge = (box.right, (box.top + box.bottom) / 2)
        assert page.evaluate(COLORS, edge) == [*label_color(LABELS.index(box.label)), 255]
    counts = {label: sum(box.label == label for box in prediction.boxes) for label in LABELS}
    headline = page.locator(".answer .headline").inner_text()
    assert sorted(headline.split(", ")) == sorted(f"{count} × {label}" for label, count in counts.items() if count)
    show(page, encoded(np.full((50, 70, 3), 100, np.uint8)))
    assert page.locator(".answer .headline").inner_text() == "Nothing was found"
    assert page.evaluate(COLORS, (35, 25)) == [0, 0, 0, 0]


def test_thresholds_can_be_moved(address, page):
    pixels = picture(0)[0]
    model = runtime.load(SQUARES / "model.onnx")
    open_model(page, address, SQUARES.name, "photo", "model.onnx")
    show(page, encoded(pixels))
    usual = listed(page)
    assert usual == rounded(model.predict(pixels))
    confidence, iou = page.locator(".thresholds input").all()
    many = rounded(model.predict(pixels, confidence=0.01, iou=1.0))
    confidence.fill("0.01")
    iou.fill("1")
    page.wait_for_function(
        "(count) => document.querySelectorAll('.found li').length === count", arg=min(100, len(many))
    )
    assert listed(page) == many[:100]
    page.get_by_role("button", name="Reset").click()
    page.wait_for_function("(count) => document.querySelectorAll('.found li').length === count", arg=len(usual))
    assert listed(page) == usual
    assert page.locator(".past").count() == 1


def test_the_self_test_compares_tensors_and_boxes(address, page):
    for file in ("model.onnx", "model.int8.onnx", "model.tflite", "model.int8.tflite"):
        open_model(page, address, SQUARES.name, "proof", file)
        report = self_test(page)
        assert report["passed"], report
        assert report["file"] == file
        assert report["decisions"] == {"agreement": 1, "agreementFromFiles": 1}
        assert report["outputs"]["tensors"].keys() == {"distances", "scores"}
        assert report["inputs"]["maxDifference"] == 0
    page.get_by_text("Same boxes, from the same inputs").wait_for()


def test_boxes_are_drawn_live_over_the_camera(chromium, address, tmp_path, errors):
    pixels, boxes = picture(7, 192, 128, 16)
    with page_with_camera(chromium, tmp_path, pixels, errors) as page:
        open_model(page, address, SQUARES.name, "camera", "model.onnx")
        page.get_by_role("button", name="Start camera").click()
        page.locator(".found li").nth(len(boxes) - 1).wait_for()
        assert page.evaluate(
            """() => {
              const { width, height } = document.querySelector("canvas.overlay");
              const context = document.querySelector("canvas.overlay").getContext("2d");
              return context.getImageData(0, 0, width, height).data.some(Boolean);
            }"""
        )
        listed_boxes = sorted(listed(page))
        assert [box[0] for box in listed_boxes] == sorted(box[0] for box in boxes)
        assert np.abs(np.array([box[1:] for box in listed_boxes]) - [box[1:] for box in sorted(boxes)]).max() <= 1
        page.get_by_role("button", name="Stop camera").click()
        assert page.locator("canvas.overlay:visible").count() == 0
