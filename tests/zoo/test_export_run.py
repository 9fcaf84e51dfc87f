"""A finished run becomes a bundle that tells where everything comes from; any other run is refused."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

import zoo
from runtime.errors import DataError, TrainingError
from zoo.exporting.run import export_run
from zoo.train.pipeline import train
from zoo.train.run import CURVES, METRICS, RUN, WEIGHTS


@pytest.fixture
def run(trained, tmp_path):
    """A copy of a finished run that a test may change."""
    return Path(shutil.copytree(trained, tmp_path / "run"))


def test_the_bundle_tells_its_origin(trained, trained_bundle):
    manifest = json.loads((trained_bundle / "manifest.json").read_text())
    run, metrics = (json.loads((trained / name).read_text()) for name in (RUN, METRICS))
    assert manifest["model"] == run["model"]
    assert manifest["card"]["data"] == run["origin"]
    assert manifest["card"]["training"]["options"] == run["options"]
    assert manifest["card"]["training"]["versions"] == run["versions"]
    assert manifest["card"]["metrics"]["validation accuracy"] == metrics["validation"]["metrics"]["accuracy"]
    for model in manifest["models"].values():
        assert model["parity"]["samples"] == metrics["validation"]["samples"]
        assert model["parity"]["exported"] == pytest.approx(metrics["validation"]["metrics"]["accuracy"])


@pytest.mark.parametrize("name", [CURVES, "confusion.png", "worst.png"])
def test_the_bundle_shows_the_pictures(trained, trained_bundle, name):
    assert (trained_bundle / name).read_bytes() == (trained / name).read_bytes()
    assert f"({name})" in (trained_bundle / "README.md").read_text()


def test_the_bundle_answers_like_the_run(trained, trained_bundle):
    from zoo.data import load_dataset

    held = load_dataset("digits", 0).splits["validation"]
    answers = [int(answer.label) for answer in zoo.load(trained_bundle).predict(list(held.items))]
    accuracy = json.loads((trained / METRICS).read_text())["validation"]["metrics"]["accuracy"]
    assert sum(answers == held.targets) / len(answers) == pytest.approx(accuracy)


@pytest.mark.parametrize(
    ("lost", "message"),
    [
        (METRICS, "training has not finished; continue it with --resume"),
        (RUN, "not a training run .it has no run.json"),
        (WEIGHTS, "the weights can't be loaded"),
    ],
)
def test_an_unfinished_run_is_refused(run, tmp_path, lost, message):
    (run / lost).unlink()
    with pytest.raises(TrainingError, match=message):
        export_run(run, out=tmp_path / "bundle")
    assert not (tmp_path / "bundle").exists()


def test_a_missing_run_is_named(tmp_path):
    with pytest.raises(TrainingError, match=r"nowhere: not a training run \(no such folder\); zoo train makes one"):
        export_run(tmp_path / "nowhere", out=tmp_path / "bundle")


@pytest.mark.parametrize("name", [METRICS, RUN])
@pytest.mark.parametrize("damage", ["", "{}", "[]", '{"validation": {}}', "no json"])
def test_damaged_files_of_a_run_are_named(run, tmp_path, name, damage):
    (run / name).write_text(damage)
    with pytest.raises(TrainingError, match=name) as caught:
        export_run(run, out=tmp_path / "bundle")
    assert "\n" not in str(caught.value)


@pytest.fixture
def moved_data(few, tmp_path):
    """A finished run and the folder of its data."""
    data = Path(shutil.copytree(few.partition(":")[2], tmp_path / "data"))
    return train("mlp", data=f"mnist:{data}", out=tmp_path / "run", settings={"hidden": [], "epochs": 1}), data


def test_data_may_have_moved(moved_data, tmp_path):
    run, data = moved_data
    elsewhere = data.rename(tmp_path / "elsewhere")
    with pytest.raises(DataError, match="no such folder"):
        export_run(run, ["onnx"], out=tmp_path / "bundle")
    bundle = export_run(run, ["onnx"], out=tmp_path / "bundle", data=f"mnist:{elsewhere}")
    assert bundle.manifest.card.data.samples == {"train": 50, "validation": 10}


def test_changed_data_is_refused(moved_data, tmp_path):
    run, data = moved_data
    images = data / "train-images-idx3-ubyte"
    images.write_bytes(images.read_bytes()[:-1] + b"\x07")
    with pytest.raises(DataError, match="not the data that the run was trained on"):
        export_run(run, ["onnx"], out=tmp_path / "bundle")


def test_skipped_files_stay_skipped(photos, tmp_path):
    data = Path(shutil.copytree(photos, tmp_path / "photos"))
    (data / "sky" / "0broken.jpg").write_text("no image")
    run = train(
        "transfer", data=f"folder:{data}", out=tmp_path / "run", skip_bad=True,
        settings={"size": 32, "epochs": 1, "pretrained": False, "backbone": "test_resnet"},
    )  # fmt: skip
    assert "0broken.jpg" in json.loads((run / METRICS).read_text())["skipped"][0]
    bundle = export_run(run, ["onnx"], out=tmp_path / "bundle")
    assert sum(bundle.manifest.card.data.samples.values()) == 36


OUTSIDE = ["../planted.png", "/planted.png", "a/../../planted.png", "..", "", ".hidden.png", "golden.npz", "README.md"]


@pytest.mark.parametrize("name", [*OUTSIDE, "sub/planted.png", "a\nb.png", "a\x00.png", "model.onnx", "curves.PNG"])
def test_names_of_pictures_stay_in_the_run_folder(run, tmp_path, name):
    metrics = json.loads((run / METRICS).read_text())
    (run / METRICS).write_text(json.dumps(metrics | {"pictures": [name]}))
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(TrainingError, match=r"metrics\.json.*can't be a picture"):
        export_run(run, out=tmp_path / "bundle")
    assert sorted(tmp_path.rglob("*")) == before


def link_to_a_key(file):
    key = file.parent.parent / "key"
    key.write_text("secret")
    file.symlink_to(key)


@pytest.mark.parametrize("name", [CURVES, METRICS, RUN, WEIGHTS])
@pytest.mark.parametrize("plant", [link_to_a_key, os.mkfifo, Path.mkdir], ids=["link", "pipe", "folder"])
def test_links_and_devices_in_a_run_folder_are_refused(run, tmp_path, name, plant):
    (run / name).unlink()
    plant(run / name)
    with pytest.raises(TrainingError, match=name):
        export_run(run, out=tmp_path / "bundle")
    assert not (tmp_path / "bundle").exists()


@pytest.mark.parametrize("name", ["../planted.png", "golden.npz"])
def test_the_export_of_a_network_checks_the_names_of_pictures_first(tmp_path, name):
    from export import export
    from runtime.errors import OptionError

    with pytest.raises(OptionError, match="can't be a picture"):
        export(None, None, [], ["onnx"], out=tmp_path / "bundle", pictures={name: b"x"})
    assert not list(tmp_path.iterdir())
