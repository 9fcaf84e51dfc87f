"""A run folder: what a finished run holds, and that nothing is replaced or continued by mistake."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from runtime.errors import DataError, DeviceError, OptionError, OutputError, TrainingError
from tests.zoo.conftest import SMALL
from zoo.data import load_dataset
from zoo.options import options_of
from zoo.recipes import recipe
from zoo.train.config import Hardware
from zoo.train.folders import run_folder
from zoo.train.pipeline import train
from zoo.train.run import CURVES, METRICS, RUN, Run

LAST = Path("checkpoints/last.ckpt")


@pytest.fixture
def run(trained, tmp_path):
    """A copy of a finished run that a test may change."""
    return Path(shutil.copytree(trained, tmp_path / "run"))


def content(folder):
    return {file.relative_to(folder): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_metrics(trained):
    metrics = json.loads((trained / METRICS).read_text())
    assert set(metrics) == {"validation", "history", "skipped", "pictures", "over_fitting"}
    assert metrics["skipped"] == []
    assert metrics["pictures"] == [CURVES, "confusion.png", "worst.png"]
    validation = metrics["validation"]
    assert set(validation) == {"samples", "baseline", "metrics", "classes", "confusion"}
    assert set(validation["metrics"]) == {"accuracy", "mean precision", "mean recall", "mean f1", "loss"}
    confusion = np.array(validation["confusion"])
    assert confusion.sum() == validation["samples"] == 359
    assert validation["metrics"]["accuracy"] == pytest.approx(np.trace(confusion) / 359)
    assert list(validation["classes"]) == list("0123456789")
    targets = load_dataset("digits", 0).splits
    often = np.bincount(targets["train"].targets).argmax()
    assert validation["baseline"] == pytest.approx((targets["validation"].targets == often).mean())
    for i, row in enumerate(validation["classes"].values()):
        assert row["samples"] == confusion[i].sum()
        assert row["recall"] == pytest.approx(confusion[i, i] / confusion[i].sum())
        if row["precision"] is None:
            assert confusion[:, i].sum() == 0
        else:
            assert row["precision"] == pytest.approx(confusion[i, i] / confusion[:, i].sum())


def test_metrics_agree_with_the_history(trained):
    metrics = json.loads((trained / METRICS).read_text())
    assert [row["epoch"] for row in metrics["history"]] == [1, 2]
    best = max(metrics["history"], key=lambda row: (row["val_accuracy"], -row["val_loss"]))
    assert metrics["validation"]["metrics"]["accuracy"] == pytest.approx(best["val_accuracy"])
    assert metrics["validation"]["metrics"]["loss"] == pytest.approx(best["val_loss"], rel=1e-4)
    assert set(best) == {"epoch", "train_loss", "train_accuracy", "val_loss", "val_accuracy", "lr"}


@pytest.mark.parametrize("name", [CURVES, "confusion.png", "worst.png"])
def test_pictures(trained, name):
    with Image.open(trained / name) as picture:
        assert picture.format == "PNG"
        assert min(picture.size) > 300
        assert np.asarray(picture.convert("L")).std() > 5


def test_the_resolved_configuration_is_kept(trained):
    kept = json.loads((trained / RUN).read_text())
    assert (kept["format"], kept["recipe"], kept["data"], kept["seed"]) == (2, "mlp", "digits", 0)
    assert (kept["target"], kept["fold"], kept["skip_bad"]) == (None, None, False)
    assert kept["options"] == dataclasses.asdict(recipe("mlp").options()) | {"hidden": [8]}
    assert (kept["training"]["epochs"], kept["training"]["lr"], kept["training"]["batch_size"]) == (2, 0.005, 32)
    assert kept["origin"]["samples"] == {"train": 1438, "validation": 359}
    for name in ("edgezoo", "torch", "lightning", "numpy", "pillow"):
        assert kept["versions"][name] == version(name)


def test_a_test_split_is_measured_too(few, tmp_path):
    shutil.copytree(few.partition(":")[2], folder := tmp_path / "data")
    for file in list(folder.iterdir()):
        shutil.copy(file, folder / file.name.replace("train", "t10k"))
    run = train("mlp", data=f"mnist:{folder}", out=tmp_path / "run", settings={"hidden": [], "epochs": 1})
    metrics = json.loads((run / METRICS).read_text())
    assert (metrics["validation"]["samples"], metrics["test"]["samples"]) == (10, 60)


def test_a_test_split_without_images_is_not_measured(photos, tmp_path):
    for label in ("leaf", "sky"):
        shutil.copytree(photos / label, tmp_path / "data" / "train" / label)
    (tmp_path / "data" / "test").mkdir()
    settings = {"size": 8, "hidden": [], "epochs": 1}
    run = train("mlp", data=f"folder:{tmp_path / 'data'}", out=tmp_path / "run", settings=settings)
    assert "test" not in json.loads((run / METRICS).read_text())


def test_the_folder_is_named_after_recipe_and_data(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run_folder("cnn", "digits") == Path("runs/cnn-digits")
    assert run_folder("cnn", "mnist:/data/mnist") == Path("runs/cnn-mnist")
    assert run_folder("transfer", "folder:/data/birds/") == Path("runs/transfer-birds")
    assert run_folder("transfer", "folder:.") == Path(f"runs/transfer-{tmp_path.name}")


def test_a_run_that_is_there_is_not_replaced(run):
    before = content(run)
    with pytest.raises(
        OutputError, match=r"holds a run already; continue it with --resume, replace it with --overwrite"
    ):
        train("mlp", out=run, settings=SMALL)
    assert content(run) == before


def test_overwrite_replaces_a_run(run, few):
    settings = {"hidden": [], "epochs": 1}
    train("mlp", data=few, out=run, settings=settings, overwrite=True)
    assert Run.read(run).data == few
    assert json.loads((run / METRICS).read_text())["validation"]["samples"] == 10


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("resume", [False, True])
def test_a_folder_of_other_files_is_never_touched(tmp_path, few, overwrite, resume):
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "dear.txt").write_text("dear all")
    with pytest.raises(OutputError, match=r"letters: holds other files"):
        train("mlp", data=few, out=tmp_path / "letters", overwrite=overwrite, resume=resume)
    assert content(tmp_path) == {Path("letters/dear.txt"): b"dear all"}


def test_a_file_is_no_run_folder(tmp_path, few):
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match="file: exists and is not a folder"):
        train("mlp", data=few, out=tmp_path / "file")


def test_a_finished_run_is_left_as_it_is(run):
    before = content(run)
    assert train("mlp", out=run, settings=SMALL, resume=True) == run
    assert content(run) == before


def test_a_finished_run_without_checkpoints_is_left_as_it_is(run):
    shutil.rmtree(run / "checkpoints")
    before = content(run)
    train("mlp", out=run, settings=SMALL, resume=True)
    assert content(run) == before


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"settings": SMALL | {"lr": 0.5}}, "lr = 0.005, not 0.5"),
        ({"settings": SMALL | {"hidden": [9]}}, r"hidden = \[8\], not \[9\]"),
        ({"settings": SMALL | {"epochs": 3}}, "epochs = 2, not 3"),
        ({"settings": SMALL, "seed": 1}, "seed = 0, not 1"),
        ({"settings": SMALL, "skip_bad": True}, "skip_bad = False, not True"),
    ],
)
def test_a_run_is_not_resumed_with_other_settings(run, change, named):
    (run / METRICS).unlink()
    before = content(run)
    with pytest.raises(OptionError, match=f"the run was started with {named}; resume with the same settings"):
        train("mlp", out=run, resume=True, **change)
    assert content(run) == before


def test_a_run_is_not_resumed_as_another_recipe(run):
    with pytest.raises(OptionError, match="the run was started with recipe = mlp, not cnn"):
        train("cnn", out=run, resume=True)


def test_a_run_is_not_resumed_on_changed_data(few, tmp_path):
    data = tmp_path / "data"
    shutil.copytree(few.partition(":")[2], data)
    settings = {"hidden": [], "epochs": 1}
    run = train("mlp", data=f"mnist:{data}", out=tmp_path / "run", settings=settings)
    images = data / "train-images-idx3-ubyte"
    images.write_bytes(images.read_bytes()[:-1] + b"\x07")
    with pytest.raises(DataError, match="the data has changed since this run began"):
        train("mlp", data=f"mnist:{data}", out=run, settings=settings, resume=True)


@pytest.mark.parametrize("damage", [lambda data: data[: len(data) // 2], lambda data: b"", lambda data: b"\xff" * 99])
def test_a_damaged_checkpoint_is_not_resumed(run, damage):
    (run / METRICS).unlink()
    (run / LAST).write_bytes(damage((run / LAST).read_bytes()))
    with pytest.raises(TrainingError, match=r"last\.ckpt: not a checkpoint of edgezoo, or damaged"):
        train("mlp", out=run, settings=SMALL, resume=True)


@pytest.mark.parametrize("damage", ["", "{}", '{"format": 1}', "no json"])
def test_a_damaged_run_file_is_one_line(run, damage):
    (run / METRICS).unlink()
    (run / RUN).write_text(damage)
    with pytest.raises(TrainingError, match=r"run\.json") as caught:
        train("mlp", out=run, settings=SMALL, resume=True)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"settings": {"optimizer": "admw"}}, OptionError, r"unknown optimizer 'admw' \(did you mean 'adamw'\?\)"),
        ({"settings": {"hiden": [8]}}, OptionError, r"unknown option 'hiden' \(did you mean 'hidden'\?\)"),
        ({"settings": {"hidden": 8}}, OptionError, "options of mlp.hidden: expected list of int, got 8"),
        ({"hardware": Hardware("cuda")}, DeviceError, "no device 'cuda' to train on here; there is: cpu"),
        ({"hardware": Hardware("cdua")}, OptionError, r"unknown device 'cdua' \(did you mean 'cuda'\?\)"),
        ({"seed": -1}, OptionError, "seed must be 0 to"),
        ({"data": "mnist:nowhere"}, DataError, "nowhere: no such folder"),
    ],
    ids=["optimizer", "option", "type", "cuda", "device", "seed", "data"],
)
def test_what_cannot_be_trained_leaves_nothing_behind(few, tmp_path, monkeypatch, change, error, message):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(error, match=message):
        train("mlp", out=tmp_path / "run", **({"data": few} | change))
    assert not list(tmp_path.iterdir())


def test_a_recipe_without_data_of_its_own_asks_for_it(tmp_path):
    with pytest.raises(OptionError, match="transfer needs data: --data folder:PATH"):
        train("transfer", out=tmp_path / "run")


@pytest.mark.parametrize("name", ["mlp", "cnn"])
def test_images_without_a_common_size_are_answered_with_what_works(photos, tmp_path, name):
    with pytest.raises(OptionError, match="have no common size") as caught:
        train(name, data=f"folder:{photos}", out=tmp_path / "run")
    options = {option.name for option in options_of(recipe(name).options)}
    assert set(re.findall(r"--set (\w+)=", str(caught.value))) <= options


def test_an_image_too_small_for_the_network_is_one_line(tmp_path):
    with pytest.raises(OptionError, match=r"^widths, .*: the layers shrink an image of 8x8 to nothing .*; shrink less"):
        train("cnn", out=tmp_path / "run", settings={"widths": [2, 2, 2, 2]})


@pytest.mark.parametrize("hidden", [[2**31], [2**16, 2**16], [1] * 30_000], ids=["wide", "square", "deep"])
def test_layers_larger_than_any_file_are_refused_before_they_are_allocated(run, hidden):
    settings = json.loads((run / RUN).read_text())
    settings["options"]["hidden"] = hidden
    (run / RUN).write_text(json.dumps(settings))
    with pytest.raises(OptionError, match=r"the network has over 4\.3 GB of weights or over 20,000 tensors"):
        Run.read(run).network()
