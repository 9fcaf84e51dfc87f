"""Cross-validation: each item is validation once, and the figures are those of the folds."""

from __future__ import annotations

import json

import numpy as np
import pytest

from runtime.errors import OptionError
from zoo.data import load_dataset
from zoo.exporting.run import export_run
from zoo.train.cross_validation import CrossValidation, cross_validate
from zoo.train.pipeline import read_metrics
from zoo.train.plan import refold
from zoo.train.run import Run

QUICK = {"hidden": [], "epochs": 2, "lr": 0.05}


def test_mean_and_deviation():
    cross_validation = CrossValidation(
        None, "accuracy", ({"accuracy": 0.5, "roc_auc": 1.0}, {"accuracy": 0.7}, {"accuracy": 0.9})
    )
    assert cross_validation.summary() == {"accuracy": (pytest.approx(0.7), pytest.approx(np.sqrt(0.08 / 3)))}


def test_each_row_is_validation_once(parcels, tmp_path):
    options = {"data": f"csv:{parcels}", "target": "price", "out": tmp_path / "folds", "settings": QUICK, "seed": 5}
    cross_validation = cross_validate("mlp", 3, **options)
    assert (cross_validation.metric, len(cross_validation.folds)) == ("rmse", 3)
    held = []
    for i in range(3):
        folder = tmp_path / "folds" / f"fold-{i + 1}"
        run = Run.read(folder)
        assert run.fold == (i, 3)
        splits = refold(load_dataset(run.data, run.seed, run.target), run.training.group, run.fold, run.seed).splits
        assert len(splits["validation"].items) == 30
        assert not set(splits["validation"].items) & set(splits["train"].items)
        assert run.origin.samples == {"train": 60, "validation": 30}
        held += splits["validation"].items
        assert cross_validation.folds[i] == read_metrics(folder)["validation"]["metrics"]
    assert len(set(held)) == 90
    mean, deviation = cross_validation.summary()["rmse"]
    values = [fold["rmse"] for fold in cross_validation.folds]
    assert (mean, deviation) == (pytest.approx(np.mean(values)), pytest.approx(np.std(values)))
    assert cross_validate("mlp", 3, **options, resume=True) == cross_validation
    bundle = export_run(tmp_path / "folds" / "fold-2", ["onnx"], out=tmp_path / "bundle")
    assert bundle.manifest.models["model.onnx"].parity.exported == pytest.approx(values[1], rel=1e-3)


@pytest.mark.parametrize("k", [-1, 0, 1, 101])
def test_too_few_or_too_many_folds(tmp_path, k):
    with pytest.raises(OptionError, match=f"folds must be 2 to 100, got {k}"):
        cross_validate("mlp", k, out=tmp_path / "folds")


def test_the_command_shows_each_fold(cli, few, tmp_path):
    words = ("train", "mlp", "--data", few, "--folds", 2, "--set", "hidden=[]", "--epochs", 1, "--out", tmp_path / "f")
    result = cli(*words)
    assert result.status == 0, result.err
    assert [line.split()[0] for line in result.out.splitlines() if "%" in line] == ["1", "2", "mean", "deviation"]
    assert f"runs     {tmp_path / 'f'}" in result.out
    report = json.loads(cli(*words, "--resume", "--json").out)
    assert (report["metric"], report["folder"], len(report["folds"])) == ("accuracy", str(tmp_path / "f"), 2)
    accuracies = [fold["accuracy"] for fold in report["folds"]]
    assert report["summary"]["accuracy"]["mean"] == pytest.approx(np.mean(accuracies))


@pytest.mark.parametrize("words", [["--folds", "2", "--tune", "2"], ["--folds", "2", "--devices", "2"]])
def test_what_does_not_go_together(cli, few, tmp_path, words):
    result = cli("train", "mlp", "--data", few, "--out", tmp_path / "run", *words)
    assert (result.status, result.out) == (2, "")
    assert result.err == "zoo: --folds, --tune and several devices don't go together: choose one\n"
