"""`zoo evaluate`: a file's figures on a data set are those of its own predictions, label by label."""

from __future__ import annotations

import csv
import json
import shutil

import numpy as np
import pytest
from PIL import Image

import zoo
from runtime.errors import DataError, OptionError
from zoo.exporting.run import export_run
from zoo.measure.evaluate import evaluate
from zoo.train.pipeline import train


@pytest.fixture(scope="module")
def photos_bundle(photos, tmp_path_factory):
    """A bundle, as ONNX, that tells leaf, sky and stone apart, though not very well."""
    folder = tmp_path_factory.mktemp("photos-run")
    run = train("mlp", data=f"folder:{photos}", out=folder / "run", settings={"size": 8, "hidden": [], "epochs": 1})
    return export_run(run, ["onnx"], out=folder / "photos").path


@pytest.mark.parametrize("file", ["", "model.onnx", "model.tflite"])
def test_the_training_data_is_measured_on_its_validation_split(trained_bundle, file):
    card = json.loads((trained_bundle / "manifest.json").read_text())["card"]
    evaluation = evaluate(trained_bundle / file, "digits")
    assert (evaluation.data, evaluation.split, evaluation.results["samples"]) == ("digits", "validation", 359)
    for name, value in evaluation.results["metrics"].items():
        assert value == pytest.approx(card["metrics"][f"validation {name}"])
    assert np.sum(evaluation.results["confusion"]) == 359
    assert 0 < evaluation.results["baseline"] < evaluation.results["metrics"]["accuracy"]


@pytest.mark.parametrize(("split", "samples"), [("train", 1438), ("all", 1797)])
def test_any_split_can_be_measured(trained_bundle, split, samples):
    evaluation = evaluate(trained_bundle, "digits", split=split)
    assert (evaluation.split, evaluation.results["samples"]) == (split, samples)


def test_the_worst_mistakes_come_first(trained_bundle, tmp_path, cli):
    evaluation = evaluate(trained_bundle, "digits")
    wrong = round((1 - evaluation.results["metrics"]["accuracy"]) * 359)
    assert len(evaluation.mistakes) == min(12, wrong) > 3
    severity = [mistake.severity for mistake in evaluation.mistakes]
    assert severity == sorted(severity, reverse=True)
    model = zoo.load(trained_bundle)
    held = zoo.data.load_dataset("digits", 0).splits["validation"]
    for mistake in evaluation.mistakes:
        index = int(mistake.item.removeprefix("item ")) - 1
        answer = model.predict(held.items[index])
        assert (mistake.target, mistake.severity) == (str(held.targets[index]), pytest.approx(answer.score, abs=1e-6))
        assert answer.label != mistake.target
        assert mistake.answer.startswith(answer.label)
    assert set(evaluation.pictures) == {"confusion.png", "worst.png"}

    result = cli("evaluate", trained_bundle, "--data", "digits", "--out", tmp_path / "found")
    assert result.status == 0, result.err
    for word in ("mlp-digits (model.onnx on onnxruntime", "The worst mistakes", "confusion.png, worst.png", "accuracy"):
        assert word in result.out
    kept = json.loads((tmp_path / "found" / "metrics.json").read_text())
    assert kept["metrics"] == evaluation.results["metrics"]
    for name in evaluation.pictures:
        with Image.open(tmp_path / "found" / name) as picture:
            assert min(picture.size) > 300


def test_labels_are_matched_by_name_not_by_place(photos, photos_bundle, tmp_path):
    """Without leaf, sky and stone are 0 and 1 in the data, and 1 and 2 in the model."""
    for label in ("sky", "stone"):
        shutil.copytree(photos / label, tmp_path / label)
    evaluation = evaluate(photos_bundle, f"folder:{tmp_path}")
    assert (evaluation.split, evaluation.results["samples"]) == ("all", 24)
    model = zoo.load(photos_bundle)
    hits = {
        label: sum(model.predict(p).label == label for p in (tmp_path / label).iterdir()) for label in ("sky", "stone")
    }
    confusion = np.array(evaluation.results["confusion"])
    assert confusion.sum(1).tolist() == [0, 12, 12]
    assert (confusion[1, 1], confusion[2, 2]) == (hits["sky"], hits["stone"])
    assert evaluation.results["classes"]["leaf"]["samples"] == 0
    for mistake in evaluation.mistakes:
        assert f"/{mistake.target}/" in mistake.item


def test_labels_that_the_model_does_not_know_are_refused(photos, photos_bundle, tmp_path):
    shutil.copytree(photos, tmp_path / "more")
    shutil.copytree(photos / "sky", tmp_path / "more" / "mud")
    with pytest.raises(DataError, match="labels that the model doesn't know: mud; it knows: leaf, sky, stone"):
        evaluate(photos_bundle, f"folder:{tmp_path / 'more'}")


def test_a_damaged_item_is_named(photos, photos_bundle, tmp_path):
    for label in ("sky", "stone"):
        shutil.copytree(photos / label, tmp_path / label)
    (tmp_path / "sky" / "bad.png").write_text("no image")
    with pytest.raises(DataError, match=r"sky/bad\.png: not an image"):
        evaluate(photos_bundle, f"folder:{tmp_path}")


def test_bad_items_are_all_named_or_left_out_and_counted(photos, photos_bundle, tmp_path, cli):
    for label in ("sky", "stone"):
        shutil.copytree(photos / label, tmp_path / "data" / label)
        (tmp_path / "data" / label / "bad.png").write_text("no image")
    command = ["evaluate", photos_bundle, "--data", f"folder:{tmp_path / 'data'}", "--out", tmp_path / "out"]
    result = cli(*command)
    assert result.status == 2
    assert "2 problems: " in result.err
    assert all(f"{label}/bad.png: not an image" in result.err for label in ("sky", "stone"))
    assert "or leave them out with --skip-bad" in result.err
    assert not (tmp_path / "out").exists()
    result = cli(*command, "--skip-bad", "--json")
    assert result.status == 0, result.err
    report = json.loads(result.out)
    assert (report["samples"], len(report["skipped"])) == (24, 2)
    assert json.loads((tmp_path / "out" / "metrics.json").read_text())["skipped"] == report["skipped"]
    assert "skipped  2 that could not be read" in cli(*command, "--skip-bad", "--overwrite").out


def test_rows_are_named_by_their_lines(kinds_bundle, parcels, tmp_path):
    file = tmp_path / "rows.csv"
    lines = parcels.read_text().splitlines()
    lines[12] = lines[12].replace(lines[12].split(",")[2], "plaid")
    file.write_text("\n\n".join(lines))
    with pytest.raises(DataError, match=rf"1 problem: {file}:25: unknown category of column 'colour': 'plaid'"):
        evaluate(kinds_bundle, f"csv:{file}")
    evaluation = evaluate(kinds_bundle, f"csv:{file}", skip_bad=True)
    assert len(evaluation.skipped) == 1
    assert {mistake.item.rpartition(":")[0] for mistake in evaluation.mistakes} == {str(file)}


@pytest.mark.parametrize(
    ("data", "split", "error", "message"),
    [
        ("digits", "test", DataError, "digits: has no split 'test'; it has: train, validation, all"),
        ("digts", "auto", OptionError, r"unknown data set 'digts' \(did you mean 'digits'"),
        ("diabetes", "auto", OptionError, "task=classification needs classes; 'diabetes' has numbers"),
        ("iris", "auto", DataError, "labels that the model doesn't know: setosa"),
    ],
)
def test_data_that_does_not_fit_is_refused(trained_bundle, data, split, error, message):
    with pytest.raises(error, match=message) as caught:
        evaluate(trained_bundle, data, split=split)
    assert "\n" not in str(caught.value)


def test_a_table_is_measured_by_the_column_it_was_trained_on(kinds_bundle, parcels):
    card = json.loads((kinds_bundle / "manifest.json").read_text())["card"]
    evaluation = evaluate(kinds_bundle, f"csv:{parcels}")
    assert evaluation.split == "validation"
    assert evaluation.results["metrics"]["accuracy"] == pytest.approx(card["metrics"]["validation accuracy"])
    assert evaluation.results["metrics"]["accuracy"] > 0.7
    assert "worst.png" not in evaluation.pictures


def test_other_rows_of_the_table(kinds_bundle, price_bundle, parcels, tmp_path):
    """Columns in another order, rows of two kinds only, and prices that are all one too high."""
    rows = [row for row in csv.DictReader(parcels.open()) if row["kind"] != "box"]
    for row in rows:
        row["price"] = f"{float(row['price']) + 1:.2f}"
    names = [*reversed(rows[0])]
    with (tmp_path / "others.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        writer.writerows(rows)
    evaluation = evaluate(kinds_bundle, f"csv:{tmp_path / 'others.csv'}")
    assert (evaluation.split, evaluation.results["samples"]) == ("all", len(rows))
    answers = [answer.label for answer in zoo.load(kinds_bundle).predict(rows)]
    hits = sum(answer == row["kind"] for answer, row in zip(answers, rows, strict=True))
    assert evaluation.results["metrics"]["accuracy"] == pytest.approx(hits / len(rows))
    evaluation = evaluate(price_bundle, f"csv:{tmp_path / 'others.csv'}")
    answers = np.array([answer.value for answer in zoo.load(price_bundle).predict(rows)])
    gaps = answers - [float(row["price"]) for row in rows]
    assert evaluation.results["metrics"]["mae"] == pytest.approx(np.abs(gaps).mean(), rel=1e-4)
    assert evaluation.results["metrics"]["rmse"] == pytest.approx(np.sqrt((gaps**2).mean()), rel=1e-4)
    assert evaluation.mistakes[0].severity == pytest.approx(np.abs(gaps).max(), rel=1e-4)
    assert set(evaluation.pictures) == {"predictions.png"}


def test_a_table_without_a_column_of_the_model(price_bundle, parcels, tmp_path):
    text = parcels.read_text().replace("weight", "mass", 1)
    (tmp_path / "others.csv").write_text(text)
    with pytest.raises(DataError, match="the row lacks the column 'weight'"):
        evaluate(price_bundle, f"csv:{tmp_path / 'others.csv'}")


def test_evaluate_as_json(cli, price_bundle, parcels, tmp_path):
    result = cli("evaluate", price_bundle, "--data", f"csv:{parcels}", "--out", tmp_path / "out", "--json")
    report = json.loads(result.out)
    assert (report["model"], report["file"], report["split"], report["samples"]) == (
        "mlp-parcels",
        "model.onnx",
        "validation",
        18,
    )
    assert set(report["metrics"]) == {"mae", "rmse", "r2"}
    assert report["baseline"] > report["metrics"]["rmse"]
    assert report["folder"] == str(tmp_path / "out")
    assert {file.name for file in (tmp_path / "out").iterdir()} == {"metrics.json", "predictions.png"}


def test_the_folder_of_an_evaluation_is_named_after_both(cli, kinds_bundle, parcels, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert cli("evaluate", kinds_bundle, "--data", f"csv:{parcels}").status == 0
    assert (tmp_path / "evaluations" / "mlp-parcels-on-parcels" / "metrics.json").is_file()
