"""Detectors: the same boxes in every file, in pixels of the picture, and files judged by average precision."""

from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

import export
import runtime
from export import Calibration, Distances
from export.box_targets import as_boxes
from export.card.description import describe_output
from export.parity import check
from export.reference import reference
from runtime.bundle import Bundle
from runtime.compare import FP32_TOLERANCE
from runtime.errors import EngineError, ExportError, InputError, OptionError, ParityError
from runtime.images.draw_boxes import label_color
from runtime.verify import Replay, verify
from tests.engines import FLOAT_ENGINES
from tests.networks import Squares
from tests.squares import HEIGHT, LABELS, WIDTH, picture, specification


def test_files_are_judged_by_tensor_and_by_average_precision(squares):
    for name, model in Bundle.read(squares).manifest.models.items():
        parity = model.parity
        assert parity.metric == "mAP50"
        assert parity.reference == parity.exported == 1, name
        assert parity.metrics["mAP"][0] == 1
        assert parity.metrics["mAP"][1] >= 0.985
        assert set(parity.labels) == {*LABELS}
        if model.spec.precision == "fp32":
            assert max(parity.tensors.values()) <= FP32_TOLERANCE
            assert parity.agreement == 1
    assert Bundle.read(squares).manifest.model.format == 3


@pytest.mark.parametrize("engine", FLOAT_ENGINES)
def test_every_engine_gives_the_same_boxes(squares, engine):
    model, expected = runtime.load(squares, engine=engine), runtime.load(squares)
    pictures = [picture(seed, 150, 80, 10)[0] for seed in range(100)]
    for one, other in zip(model.predict(pictures), expected.predict(pictures), strict=True):
        assert [box.label for box in one.boxes] == [box.label for box in other.boxes]
        np.testing.assert_allclose([box[2:] for box in one.boxes], [box[2:] for box in other.boxes], atol=0.01)


def test_boxes_are_in_pixels_of_the_picture(squares):
    """A picture of twice the size, taller than the network's input: the letterbox pads left and right."""
    pixels, boxes = picture(3, 96, 128, 16)
    prediction = runtime.load(squares).predict(pixels)
    assert (prediction.width, prediction.height) == (96, 128)
    assert_boxes(prediction, boxes)


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_boxes_are_upright_and_of_the_full_size_of_a_reduced_jpeg(squares, tmp_path, orientation):
    pixels, boxes = picture(5, 96 * 8, 64 * 8, 64)
    turned = {1: 0, 3: 2, 6: 1, 8: 3}[orientation]  # quarter turns anticlockwise of what the file stores
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(np.rot90(pixels, turned)).save(tmp_path / "large.jpg", quality=95, subsampling=0, exif=exif)
    prediction = runtime.load(squares).predict(tmp_path / "large.jpg")
    assert (prediction.width, prediction.height) == (96 * 8, 64 * 8)
    assert_boxes(prediction, boxes)


def assert_boxes(prediction, boxes):
    rounded = sorted((box.label, *map(round, box[2:])) for box in prediction.boxes)
    assert rounded == sorted(boxes)


def test_a_call_may_set_other_thresholds(squares):
    model, pixels = runtime.load(squares), picture(0)[0]
    assert len(model.predict(pixels).boxes) == 5
    assert not model.predict(pixels, confidence=0.999999999).boxes
    many = model.predict(pixels, confidence=1e-20, iou=1.0)
    assert len(many.boxes) > 5
    assert [len(p.boxes) for p in model.attempt([pixels], confidence=1e-20)] == [len(many.boxes)]
    with pytest.raises(OptionError, match="confidence must be above 0 and below 1"):
        model.predict(pixels, confidence=1.0)
    with pytest.raises(TypeError, match="'confidences'"):
        model.predict(pixels, confidences=1.0)
    with pytest.raises(OptionError, match="classification has no such threshold"):
        runtime.load("tests/fixtures/format-1").predict(pixels, iou=0.5)


def test_several_pictures_keep_their_own_placement(squares):
    model = runtime.load(squares)
    pictures = [picture(seed, *size) for seed, size in enumerate([(96, 64, 8), (192, 128, 16), (60, 120, 10)])]
    for prediction, (pixels, boxes) in zip(model.predict([p for p, _ in pictures]), pictures, strict=True):
        assert (prediction.height, prediction.width) == pixels.shape[:2]
        assert len(prediction.boxes) == len(boxes) or pixels.shape[1] == 60  # whose cells aren't those of the network


def test_boxes_are_drawn_on_the_picture(squares):
    pixels, _ = picture(1, 192, 128, 16)
    prediction = runtime.load(squares).predict(pixels)
    drawn = np.asarray(prediction.image(pixels))
    assert drawn.shape == pixels.shape
    edge = prediction.boxes[0]
    assert (drawn != pixels)[round(edge.bottom) - 1, round(edge.left) + 4].any()
    enlarged = np.asarray(prediction.image())
    scale = enlarged.shape[1] // WIDTH
    assert enlarged.shape == (scale * HEIGHT, scale * WIDTH, 3)
    assert 320 <= max(enlarged.shape) < 320 + max(HEIGHT, WIDTH)
    box = prediction.placement.to_input(np.array([edge[2:]]))[0] * scale
    color = label_color(LABELS.index(edge.label))
    assert (enlarged[round(box[3]) - 1, round(box[0]) + 4 : round(box[2]) - 4] == color).all()
    assert "data:image/png" in prediction._repr_html_()
    with pytest.raises(InputError, match="100x100 pixels, the predicted one was 192x128"):
        prediction.image(np.zeros((100, 100, 3), np.uint8))


def test_the_golden_pack_is_replayed(squares):
    replays = [replay for replay in verify(squares) if isinstance(replay, Replay) and replay.passed is not None]
    assert len(replays) >= 4
    assert all(replay.passed and replay.agreement == 1 for replay in replays), replays


def test_a_detector_whose_eight_bits_detect_nothing_is_refused(squares):
    """Its scores sink below every threshold, as they do where one scale serves pixels and scores."""
    pictures, boxes = zip(*map(picture, range(30)), strict=True)
    real = reference(Squares(), specification(), pictures, as_boxes(boxes, LABELS))
    model = runtime.load(squares / "model.int8.onnx")
    assert check(model, real, real.first(0)).problems == ()

    class Faint:
        version = "onnxruntime"

        def run(self, values):
            outputs = model.engine.run(values)
            return {**outputs, "scores": outputs["scores"] * 0 - 30}

    problems = check(replace(model, engine=Faint()), real, real.first(0)).problems
    assert "mAP50 goes from 1 to 0, 100.00 points worse (allowed 1)" in problems[0]
    assert "mAP goes from 1 to 0, 100.00 points worse (allowed 1.5)" in problems[1]


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        ([[("blue", 0, 0, 8, 8)]], "sample 0: unknown label 'blue'"),
        ([[("red", 0, 0, 8)]], "sample 0: a box is a label, left, top, right and bottom"),
        ([[("red", 8, 0, 8, 8)]], "left < right"),
        ([[(2, 0, 0, 8, 8)]], "a label below 2"),
        ([[("red", 0, 0, float("nan"), 8)]], "left < right"),
        ([[], []], "1 samples have 2 targets"),
    ],
)
def test_targets_that_are_no_boxes_are_refused(tmp_path, targets, message):
    with pytest.raises(ExportError, match=message):
        export.export(Squares(), specification(), [picture(0)[0]], out=tmp_path / "x", formats="onnx", targets=targets)


def test_eight_bits_need_targets(tmp_path):
    pictures = [picture(seed)[0] for seed in range(10)]
    with pytest.raises(ParityError, match="give the right boxes of its samples as targets"):
        export.export(
            Squares(), specification(), pictures, out=tmp_path / "x", formats="onnx", precisions="int8",
            calibration=Calibration(pictures),
        )  # fmt: skip


def test_a_specification_that_contradicts_itself_is_refused():
    spec = specification()
    output = spec.output
    with pytest.raises(ValueError, match=r"give tensors \[24, 4\] and \[24, 2\], got \[96, 4\] and \[96, 2\]"):
        replace(output, layout=Distances("distances", (16,)))
    with pytest.raises(ValueError, match="strides must be"):
        Distances("distances", (0,))
    with pytest.raises(ValueError, match="confidence must be above 0"):
        replace(output, confidence=0.0)
    with pytest.raises(ValueError, match="96x64 pixels takes images of that size"):
        steps = export.image_steps((32, 96), "RGB")
        replace(spec, input=export.ImageInput("image", "image", (32, 96, 3), steps))


def test_the_card_and_the_summary_say_what_it_finds(squares):
    text = (squares / "README.md").read_text()
    assert "boxes of 2 labels: red, green" in text
    summary = runtime.load(squares).predict(picture(0)[0]).summary
    assert "red (" in summary or "green (" in summary


@pytest.mark.parametrize("size", [(1, 1), (1, 3000), (3000, 1), (2, 5)])
def test_pictures_of_any_shape_have_boxes_inside_them(squares, size):
    pixels = np.full((*size, 3), (0, 250, 0), np.uint8)
    prediction = runtime.load(squares).predict(pixels)
    assert prediction.boxes or min(size) == 1
    for box in prediction.boxes:
        assert 0 <= box.left < box.right <= size[1]
        assert 0 <= box.top < box.bottom <= size[0]


def test_a_graph_that_contradicts_its_manifest_is_refused(squares, tmp_path):
    """The manifest of a detector of one label more than its graph has scores."""
    folder = tmp_path / "squares"
    shutil.copytree(squares, folder)
    text = (folder / "manifest.json").read_text()
    text = text.replace('"red",', '"blue",\n        "red",', 1).replace(
        "96,\n            2\n", "96,\n            3\n", 1
    )
    (folder / "manifest.json").write_text(text)
    assert len(Bundle.read(folder).manifest.model.output.labels) == 3
    with pytest.raises(EngineError, match="scores"):
        runtime.load(folder).predict(picture(0)[0])


def test_a_diagnosis_names_the_layer_of_a_detector(squares):
    from export.diagnosis import diagnose

    bundle = Bundle.read(squares)
    for name in ("model.onnx", "model.tflite"):
        network, spec = Squares(), bundle.manifest.models[name].spec
        assert diagnose(network, bundle.manifest.model, bundle.bytes(name), spec, bundle.inputs()).first is None


def test_one_label_is_told_in_the_singular():
    spec = specification()
    distances, scores = spec.output.tensors
    one = replace(spec.output, labels=("red",), tensors=(distances, replace(scores, shape=(scores.shape[0], 1))))
    assert "boxes of 1 label: red;" in describe_output(replace(spec, output=one))
