"""Training on several devices: two processes on the CPU leave one complete run.

Every run trains on values; `make nightly` trains on classes too.
"""

from __future__ import annotations

import json

import pytest

from zoo.train.config import Hardware
from zoo.train.pipeline import read_metrics, train
from zoo.train.run import CHECKPOINTS, CURVES, METRICS, RUN, WEIGHTS


@pytest.mark.slow
@pytest.mark.nightly
def test_two_processes_train_one_run(tmp_path, zoo_process):
    out = tmp_path / "run"
    result = zoo_process(
        "train", "mlp", "--devices", 2, "--device", "cpu", "--set", "hidden=[32]", "--epochs", 8, "--out", out, "--json"
    )
    assert result.returncode == 0, result.stderr
    shown = json.loads(result.stdout)
    assert shown["validation"]["samples"] == 359
    alone = train("mlp", out=tmp_path / "alone", settings={"hidden": [32], "epochs": 8}, hardware=Hardware("cpu"))
    wanted = read_metrics(alone)["validation"]["metrics"]["accuracy"]
    assert shown["validation"]["metrics"]["accuracy"] > max(0.8, wanted - 0.05)
    assert result.stderr.count("epoch 8/8") == 1
    pictures = {"confusion.png", "worst.png", CURVES}
    assert {file.name for file in out.iterdir()} == {CHECKPOINTS, METRICS, RUN, WEIGHTS} | pictures
    assert len(json.loads((out / METRICS).read_text())["history"]) == 8


@pytest.mark.slow
def test_two_processes_regress_like_one(tmp_path, zoo_process, parcels):
    """Eighteen values to validate with, of which each process predicts every other one; one process writes the run."""
    settings = {"hidden": [], "epochs": 30, "lr": 0.05, "batch_size": 8}
    words = [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
    words += ["--data", f"csv:{parcels}", "--target", "price", "--devices", "2", "--device", "cpu"]
    result = zoo_process("train", "mlp", *words, "--out", tmp_path / "two", "--json")
    assert result.returncode == 0, result.stderr
    assert result.stderr.count("epoch 30/30") == 1
    pictures = {"predictions.png", CURVES}
    assert {file.name for file in (tmp_path / "two").iterdir()} == {CHECKPOINTS, METRICS, RUN, WEIGHTS} | pictures
    found = read_metrics(tmp_path / "two")
    assert len(found["history"]) == 30
    assert json.loads(result.stdout)["validation"]["metrics"] == found["validation"]["metrics"]
    best = min(found["history"], key=lambda row: row["val_rmse"])
    assert found["validation"]["metrics"]["rmse"] == pytest.approx(best["val_rmse"], rel=1e-4)
    given = {"data": f"csv:{parcels}", "target": "price", "settings": settings, "hardware": Hardware("cpu")}
    alone = read_metrics(train("mlp", out=tmp_path / "one", **given))["validation"]
    share = 0.05 * alone["baseline"]
    assert found["validation"]["metrics"]["rmse"] == pytest.approx(alone["metrics"]["rmse"], abs=share)
