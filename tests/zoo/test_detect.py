"""Detectors: the training path from annotated pictures to a run, its options, and how pictures and boxes change."""

from __future__ import annotations

import json
from dataclasses import replace
from unittest.mock import patch

import numpy as np
import pytest
import torch
from PIL import Image

from runtime.errors import DataError, OptionError
from runtime.inputs import ImageInput
from runtime.tasks import Detection
from tests.zoo.layouts import WRITERS, Item
from zoo.data import Boxes, load_dataset
from zoo.exporting.run import export_run
from zoo.measure.scores import outputs
from zoo.recipes import Training, recipe
from zoo.train.augment import augmenter
from zoo.train.checkpoint import load_weights
from zoo.train.config import TrainConfig, resolve
from zoo.train.learner import TrainingExamples
from zoo.train.pipeline import read_metrics, train
from zoo.train.plan import plan
from zoo.train.prepare import prepare
from zoo.train.run import WEIGHTS, Run

SMALL = {
    "backbone": "test_efficientnet", "pretrained": False, "channels": 16, "depth": 1, "height": 64, "width": 64,
    "epochs": 2, "batch_size": 4,
}  # fmt: skip
FEW = {"train": 8, "validation": 4, "test": 4}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    with patch("zoo.data.scenes.COUNTS", FEW):
        return train("detect", settings=SMALL, out=tmp_path_factory.mktemp("detect") / "run")


def test_a_run_has_what_every_run_has(run):
    metrics, output = read_metrics(run), Run.read(run).model.output
    assert isinstance(output, Detection) and output.labels == tuple("0123456789")
    assert [tensor.shape for tensor in output.tensors] == [(84, 4), (84, 10)]
    assert set(metrics["validation"]["metrics"]) == {"mAP50", "mAP", "precision", "recall", "f1", "loss"}
    assert set(metrics["validation"]["classes"]) == set(output.labels)
    assert len(metrics["history"]) == 2 and "val_mAP50" in metrics["history"][0]
    assert {"curves.png", "labels.png", "examples.png", "worst.png"} <= set(metrics["pictures"])
    assert all((run / name).stat().st_size > 1000 for name in metrics["pictures"])


def test_the_weights_give_the_figures_again(run):
    with patch("zoo.data.scenes.COUNTS", FEW):
        data = load_dataset("scenes", 0)
    _, module = (read := Run.read(run)).network()
    load_weights(run / WEIGHTS, module)
    prepared = prepare(data, read.model.input)
    raw = outputs(module, prepared.inputs["test"], read.model.output)
    precision = read.model.output.measure(raw, prepared.targets("test"))
    assert precision == pytest.approx(read_metrics(run)["test"]["metrics"]["mAP50"])


def test_a_resumed_run_ends_with_the_same_weights(run, tmp_path):
    """After the first epoch, the state of a run that was killed is that of one that had no more epochs in view."""
    killed = tmp_path / "run"

    class KilledError(Exception):
        pass

    def stop(what, done, total):
        if done == 3:
            raise KilledError

    with patch("zoo.data.scenes.COUNTS", FEW):
        with pytest.raises(KilledError):
            train(
                "detect",
                settings=SMALL,
                out=killed,
                on_progress=lambda what, *n: stop(what, *n) if "epoch" in what else None,
            )
        train("detect", settings=SMALL, out=killed, resume=True)
    assert (killed / WEIGHTS).read_bytes() == (run / WEIGHTS).read_bytes()


def test_a_wrong_box_is_refused_in_one_line(tmp_path, cli):
    good = [
        Item(f"{i}.png", "train" if i % 4 else "val", [(2, 2, 20, 20, i % 2), (9, 9, 30, 28, 2)], (40, 30), (i, 9, 9))
        for i in range(8)
    ]
    wrong = Item("wrong.png", "train", [(2, 2, 80, 20, 0)], (40, 30))
    WRITERS["coco"](tmp_path / "data", [*good, wrong])
    settings = [word for name, value in SMALL.items() for word in ("--set", f"{name}={json.dumps(value)}")]
    words = ("train", "detect", "--data", f"boxes:{tmp_path / 'data'}", "--out", tmp_path / "run", *settings)
    refused = cli(*words)
    assert refused.status == 2
    (line,) = [line for line in refused.err.splitlines() if line.startswith("zoo: ")]
    assert "boxes that reach more than a pixel out of their picture: 1" in line and "--skip-bad" in line
    result = cli(*words, "--skip-bad")
    assert result.status == 0, result.err
    assert len(read_metrics(tmp_path / "run")["skipped"]) == 1


def test_what_is_worth_knowing_is_a_warning(tmp_path):
    boxes = [(2, 2, 20, 20, i) for i in range(3)] + [(5, 5, 5, 9, 1)]
    WRITERS["coco"](
        tmp_path, [Item(f"{i}.png", "train" if i % 4 else "val", boxes, (40, 30), (i, 9, 9)) for i in range(8)]
    )
    with pytest.warns(match="boxes without an area, which are left out: 8"):
        dataset = load_dataset(f"boxes:{tmp_path}", 0)
    assert isinstance(dataset.target, Boxes) and dataset.bad == ()
    assert dataset.balance()["train"][dataset.target.labels[0]] == 6


def test_a_folder_without_path_or_boxes_is_refused(tmp_path):
    for spec, message in (("boxes", "boxes needs a path"), (f"boxes:{tmp_path}", "has no annotated pictures")):
        with pytest.raises(DataError, match=message):
            load_dataset(spec, 0)
    with pytest.raises(DataError, match="scenes takes no path"):
        load_dataset("scenes:somewhere", 0)


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((480, 640), (256, 320)),
        ((128, 128), (128, 128)),
        ((1080, 1920), (224, 384)),
        (None, (288, 288)),
        ((1, 1), (32, 32)),
    ],
)
def test_the_size_follows_from_the_pictures(size, expected):
    with patch("zoo.data.scenes.COUNTS", FEW):
        data = load_dataset("scenes", 0)
    declared = recipe("detect")
    sized = replace(data, content=replace(data.content, size=size))
    assert declared.input(declared.options(), sized).shape == (*expected, 3)


@pytest.mark.parametrize(
    ("name", "data", "settings", "message"),
    [
        ("detect", "digits", {}, "detect learns from pictures with boxes; 'digits' has none: try boxes:PATH"),
        (
            "cnn",
            "scenes",
            {"augment": []},
            r"gives \[10\] for a sample; task 'detection' needs \[189, 4\] and \[189, 10\]",
        ),
        ("detect", "scenes", {"augment": ["erase"]}, "augment=erase doesn't move boxes with their picture"),
        ("cnn", "digits", {"augment": ["mosaic"]}, "augment=mosaic is for pictures with boxes"),
        ("detect", "scenes", {"task": "classification"}, "task=classification needs classes; 'scenes' has boxes"),
        ("detect", "scenes", {"height": 64}, "height and width are given both or not at all, got 64 and 0"),
        ("detect", "scenes", {"backbone": "test_vit"}, "backbone 'test_vit'"),
    ],
)
def test_what_does_not_go_together_is_refused_in_one_line(name, data, settings, message):
    with patch("zoo.data.scenes.COUNTS", FEW), pytest.raises(OptionError, match=message) as caught:
        plan(resolve(TrainConfig(name, data=data, settings=settings))).network()
    assert "\n" not in str(caught.value)


def test_targets_are_in_pixels_of_the_input(tmp_path):
    """A white rectangle in a wide picture that is padded: after reading, its box is around the white pixels."""
    pixels = np.zeros((30, 60, 3), np.uint8)
    pixels[6:24, 12:36] = 255
    Image.fromarray(pixels).save(tmp_path / "a.png")
    with patch("zoo.data.scenes.COUNTS", FEW):
        data = load_dataset("scenes", 0)
    targets = np.full((1, 1, 5), (3, 12, 6, 36, 24), np.float32)
    split = replace(data.splits["train"], items=[tmp_path / "a.png"], targets=targets)
    data = replace(
        data, splits={"train": split, "validation": data.splits["validation"]}, content=replace(data.content, size=None)
    )
    declared = recipe("detect")
    spec = declared.input(declared.options(height=96, width=120), data)
    assert isinstance(spec, ImageInput)
    prepared = prepare(data, spec)
    ((label, left, top, right, bottom),) = prepared.targets("train")[0].tolist()
    rows, columns = np.nonzero(prepared.inputs["train"][0][:, :, 0] > 127)
    assert label == 3 and (left, right) == (columns.min(), columns.max() + 1) == (24, 72)
    assert (top, bottom) == (rows.min(), rows.max() + 1) == (30, 66)
    assert prepared.dataset.splits["train"].targets.tolist() == targets.tolist()  # the identity of the data stays


@pytest.mark.parametrize(
    "names", [("mosaic", "scale", "flip"), ("scale",), ("flip",), ("mosaic",), ("mosaic", "scale", "flip", "colour")]
)
def test_boxes_move_with_their_pixels(names):
    """Each box is drawn in the color of its label; after a change the pixels below the boxes have these colors."""
    random = np.random.default_rng(0)
    images = np.zeros((6, 64, 96, 3), np.uint8)
    targets = np.full((6, 3, 5), -1, np.float32)
    for image, target in zip(images, targets, strict=True):
        for label, left in enumerate((4, 36, 68)):
            top = int(random.integers(40))
            image[top : top + 20, left : left + 20] = 80 + 80 * label
            target[label] = (label, left, top, left + 20, top + 20)
    augment = augmenter(Training(augment=names, epochs=5), images, Boxes(("a", "b", "c")))
    examples = TrainingExamples(images, targets, augment, 0)
    changed, boxes = 0, 0
    for key in ((epoch, index) for epoch in range(5) for index in range(6)):
        pixels, target = examples[key]
        again, _ = examples[key]
        assert torch.equal(pixels, again) and pixels.shape == (64, 96, 3)
        assert target.shape == (12 if "mosaic" in names else 3, 5)
        changed += not np.array_equal(pixels.numpy(), images[key[1]])
        for label, *edges in target[target[:, 0] >= 0].tolist():
            left, top, right, bottom = edges
            inside = pixels[int((top + bottom) / 2), int((left + right) / 2)]
            if "colour" not in names:
                assert inside.tolist() == [80 + 80 * label] * 3
            boxes += 1
    assert changed > 8 and boxes > 40


def test_digits_are_not_mirrored():
    images = np.arange(2 * 8 * 8 * 3, dtype=np.uint8).reshape(2, 8, 8, 3)
    targets = np.full((2, 1, 5), -1, np.float32)
    augment = augmenter(Training(augment=("flip",), epochs=5), images, Boxes(("6",), mirrored=False))
    examples = TrainingExamples(images, targets, augment, 0)
    assert all(np.array_equal(examples[epoch, 0][0].numpy(), images[0]) for epoch in range(10))


def test_the_last_epochs_show_whole_pictures():
    images = np.stack([np.full((32, 32, 3), value, np.uint8) for value in (10, 60, 110, 160, 210)])
    targets = np.full((5, 1, 5), -1, np.float32)
    examples = TrainingExamples(
        images, targets, augmenter(Training(augment=("mosaic",), epochs=10), images, Boxes(("a",))), 0
    )
    mixed = {epoch: sum(len(np.unique(examples[epoch, i][0].numpy())) > 1 for i in range(5)) for epoch in range(10)}
    assert sum(mixed[epoch] for epoch in range(8)) > 10 and mixed[8] == mixed[9] == 0


def test_an_exported_detector_is_evaluated(run, tmp_path, cli):
    """On its own data, and on pictures of other shapes whose labels are in another order."""
    with patch("zoo.data.scenes.COUNTS", FEW):
        bundle = export_run(run, ["onnx"], precisions=["fp32"], out=tmp_path / "bundle")
        same = cli("evaluate", bundle.path, "--data", "scenes", "--out", tmp_path / "same", "--json")
    assert same.status == 0, same.err
    expected = read_metrics(run)["test"]["metrics"]
    assert json.loads(same.out)["metrics"]["mAP50"] == pytest.approx(expected["mAP50"], abs=1e-6)
    assert {"examples.png", "worst.png"} <= {file.name for file in (tmp_path / "same").iterdir()}

    halves = [
        Item(f"{i}.png", "train" if i % 2 else "val", [(2, 2, 20, 20, i % 3)], (40, 30), (i, 9, 9)) for i in range(6)
    ]
    with patch("tests.zoo.layouts.LABELS", ("7", "1", "3")):
        WRITERS["coco"](
            tmp_path / "digits", [*halves, Item("big.png", "val", [(2, 2, 20, 20, 0)] * 1, (400, 30), (99, 9, 9))]
        )
    other = cli(
        "evaluate", bundle.path, "--data", f"boxes:{tmp_path / 'digits'}", "--out", tmp_path / "other", "--json"
    )
    assert other.status == 0, other.err
    counts = {label: row["samples"] for label, row in json.loads(other.out)["classes"].items() if row["samples"]}
    assert counts == {"7": 3, "1": 2, "3": 2}

    WRITERS["coco"](tmp_path / "cats", halves)
    strange = cli("evaluate", bundle.path, "--data", f"boxes:{tmp_path / 'cats'}", "--out", tmp_path / "strange")
    assert strange.status == 2 and "has labels that the model doesn't know: cat, dog, owl" in strange.err
