"""Training on tables and series from the command line, what `zoo data` shows, and mistakes as one line each."""

from __future__ import annotations

import json

import numpy as np
import pytest

from zoo.data import load_dataset


def one_line(result):
    *progress, line = result.err.splitlines()
    assert (result.status, result.out) == (2, "")
    assert all(step.endswith(" …") for step in progress), result.err
    assert line.startswith("zoo: ")
    return line


def test_a_column_is_learnt_and_predicted(cli, parcels, tmp_path):
    """From a CSV file to answers: train, export, predict, evaluate."""
    run, bundle = tmp_path / "run", tmp_path / "bundle"
    words = ("--data", f"csv:{parcels}", "--set", "hidden=[]", "--set", "lr=0.05", "--epochs", 30)
    result = cli("train", "mlp", *words, "--target", "price", "--out", run)
    assert result.status == 0, result.err
    for word in ("mlp-parcels on validation", "rmse", "mae", "r2", "of a guess that ignores the input", "18"):
        assert word in result.out
    assert "beats nothing" not in result.out
    kept = json.loads((run / "run.json").read_text())
    assert (kept["target"], kept["model"]["output"]["task"]) == ("price", "regression")
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["pictures"] == ["curves.png", "predictions.png"]
    assert metrics["validation"]["metrics"]["rmse"] < metrics["validation"]["baseline"] / 2

    assert cli("export", run, "--format", "onnx", "--out", bundle).status == 0
    answers = json.loads(cli("predict", bundle, parcels, "--json").out)["predictions"]
    prices = [float(line.rpartition(",")[2]) for line in parcels.read_text().splitlines()[1:]]
    gaps = np.array([answer["value"] for answer in answers]) - prices
    assert np.sqrt((gaps**2).mean()) < metrics["validation"]["baseline"] / 2
    assert "a row of 6 columns: length, weight, colour" in cli("info", bundle).out


def test_several_columns_are_sets_of_labels(cli, parcels, tmp_path):
    words = ("--data", f"csv:{parcels}", "--target", "fragile,urgent", "--epochs", 2, "--out", tmp_path / "run")
    validation = json.loads(cli("train", "mlp", *words, "--json").out)["validation"]
    assert set(validation["classes"]) == {"fragile", "urgent"}
    assert {"f1", "exact", "loss"} < set(validation["metrics"])


def test_a_run_that_beats_nothing_says_so(cli, parcels, tmp_path):
    path = changed(parcels, tmp_path, lambda i, cells: ",".join([*cells[:-1], str(i % 7 + 10.5 * (i % 2))]))
    words = ("--data", f"csv:{path}", "--target", "price", "--set", "lr=1e-9", "--set", "hidden=[]", "--epochs", 1)
    result = cli("train", "mlp", *words, "--out", tmp_path / "run")
    assert result.status == 0, result.err
    assert "this model beats nothing: rmse" in result.out


def test_data_shows_sizes_balance_and_fingerprint(cli, parcels):
    origin = load_dataset(f"csv:{parcels}", 3, "kind").origin()
    words = ("data", f"csv:{parcels}", "--target", "kind", "--seed", 3)
    result = cli(*words)
    assert result.status == 0, result.err
    for word in ("parcels: tables", "letter", "box", "roll", "train", "validation", origin.fingerprint, "a CSV file"):
        assert word in result.out
    description = json.loads(cli(*words, "--json").out)
    assert description["fingerprint"] == origin.fingerprint
    assert sum(description["samples"].values()) == 90
    assert {name: sum(row.values()) for name, row in description["balance"].items()} == description["samples"]
    assert "balance" in json.loads(cli("data", f"csv:{parcels}", "--target", "price", "--json").out)


@pytest.mark.parametrize(
    ("target", "settings", "message"),
    [
        (None, [], "say which column is the target with --target; there are: length, weight, colour"),
        ("prize", [], "unknown target 'prize' (did you mean 'price'?)"),
        ("fragile,urgend", [], "unknown target 'urgend' (did you mean 'urgent'?)"),
        ("kind", ["task=regresion"], "unknown value 'regresion' (did you mean 'regression'?)"),
        ("kind", ["task=regression"], "task=regression needs numbers; 'parcels' has classes"),
        ("kind", ["task=binary"], "task=binary needs two classes; 'parcels' has 3"),
        ("kind", ["task=forecasting"], "task=forecasting needs a series"),
        ("price", ["task=classification"], "task=classification needs classes; 'parcels' has numbers"),
        ("price", ["task=anomaly"], "task=anomaly needs classes"),
        ("kind", ["task=anomaly", "anomaly=bax"], "unknown label for anomaly 'bax' (did you mean 'box'?)"),
        ("kind", ["loss=mae"], "loss=mae is for values; task=classification has one loss"),
        ("kind", ["augment=['flip']"], "augment changes images"),
        ("kind", ["optimizer=admw"], "unknown optimizer 'admw' (did you mean 'adamw'?)"),
        ("kind", ["hidden=[0]"], "hidden units must be above 0"),
    ],
)
def test_what_cannot_be_trained_is_one_line(cli, parcels, tmp_path, target, settings, message):
    words = ["--data", f"csv:{parcels}", *(["--target", target] if target else [])]
    words += [word for setting in settings for word in ("--set", setting)]
    assert message in one_line(cli("train", "mlp", *words, "--out", tmp_path / "run"))
    assert not (tmp_path / "run").exists()


def changed(parcels, tmp_path, change):
    lines = parcels.read_text().splitlines()
    path = tmp_path / "changed.csv"
    path.write_text("\n".join([lines[0], *(change(i, line.split(",")) for i, line in enumerate(lines[1:], 2))]) + "\n")
    return path


def test_text_in_a_column_of_numbers_is_named(cli, parcels, tmp_path):
    path = changed(parcels, tmp_path, lambda i, cells: ",".join(["long" if i == 7 else cells[0], *cells[1:]]))
    line = one_line(cli("train", "mlp", "--data", f"csv:{path}", "--target", "price", "--out", tmp_path / "run"))
    assert f"{path}: column 'length', line 7: 'long' is text in a numeric column" in line


def test_a_constant_target_is_named(cli, parcels, tmp_path):
    path = changed(parcels, tmp_path, lambda i, cells: ",".join([*cells[:-1], "5"]))
    line = one_line(cli("train", "mlp", "--data", f"csv:{path}", "--target", "price", "--out", tmp_path / "run"))
    assert "the target 'price' is '5' in every row: there is nothing to learn" in line


def test_a_category_that_was_not_in_training(cli, parcels, kinds_bundle, tmp_path):
    path = changed(parcels, tmp_path, lambda i, cells: ",".join("pink" if c == "red" else c for c in cells))
    result = cli("predict", kinds_bundle, path)
    complaints = [line for line in result.err.splitlines() if "unknown category of column 'colour': 'pink'" in line]
    assert (result.status, len(result.out.splitlines()), len(complaints)) == (1, 60, 30)
    line = one_line(cli("evaluate", kinds_bundle, "--data", f"csv:{path}", "--out", tmp_path / "out"))
    assert "unknown category of column 'colour': 'pink'" in line
    assert not (tmp_path / "out").exists()


def test_more_classes_than_the_model_has(cli, parcels, kinds_bundle, tmp_path):
    path = changed(parcels, tmp_path, lambda i, cells: ",".join("sack" if c == "roll" and i % 2 else c for c in cells))
    line = one_line(cli("evaluate", kinds_bundle, "--data", f"csv:{path}", "--out", tmp_path / "out"))
    assert "has labels that the model doesn't know: sack; it knows: box, letter, roll" in line


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["train", "mlp", "--data", "digits", "--target", "x"], "digits has no columns to choose a target from"),
        (["train", "cnn", "--set", "widths=[2,2,2,2]"], "the layers shrink an image of 8x8 to nothing"),
        (["train", "gru", "--data", "iris"], "the recipe takes sequences"),
        (["train", "mlp", "--data", "series"], "'series' holds sequences"),
        (["train", "mlp", "--data", "digits", "--folds", "1"], "folds must be 2 to 100, got 1"),
        (["train", "mlp", "--data", "digits", "--tune", "0"], "nothing to tune: 0 trials"),
        (["train", "gru", "--data", "series", "--folds", "2"], "its items share steps with each other"),
        (["train", "mlp", "--logger", "cvs"], "unknown logger 'cvs' (did you mean 'csv'?)"),
        (["data", "digts"], "unknown data set 'digts' (did you mean 'digits'?)"),
        (["data", "parcels.csv"], "for a table write csv:parcels.csv"),
        (["data", "csv:nowhere.csv", "--target", "x"], "nowhere.csv: can't be read"),
        (["evaluate", "nowhere", "--data", "digits"], "nowhere: not a bundle"),
        (["compare", "nowhere"], "nowhere"),
        (["summary", "cnn", "--shape", "2x2x1"], "the layers shrink an image of 2x2 to nothing"),
    ],
    ids=" ".join,
)
def test_a_command_line_that_makes_no_sense(cli, tmp_path, monkeypatch, words, message):
    monkeypatch.chdir(tmp_path)
    assert message in one_line(cli(*words))
    assert not list(tmp_path.iterdir())


def test_an_id_is_shown_left_out_and_not_asked_for_again(cli, parcels, tmp_path):
    """`zoo data` and `zoo train` show the columns; what was dropped is dropped in export and evaluation too."""
    header, *lines = parcels.read_text().splitlines()
    path = tmp_path / "with-id.csv"
    rows = [f"{4000 + i},customer {i},{line}" for i, line in enumerate(lines)]
    path.write_text("\n".join([f"parcel_id,name,{header}", *rows]) + "\n")
    data, drop = f"csv:{path}", ("--drop", "name", "--target", "kind")
    shown = cli("data", data, *drop).out
    for text in ("Columns as read", "parcel_id", "4,000 to 4,089", "looks like an id", "3: blue, green, red"):
        assert text in shown
    assert "to leave these out: --drop parcel_id" in shown
    described = {each["name"]: each for each in json.loads(cli("data", data, *drop, "--json").out)["columns"]}
    assert described["parcel_id"]["kind"] == "whole numbers"
    run, bundle = tmp_path / "run", tmp_path / "bundle"
    words = ("train", "mlp", "--data", data, *drop, "--drop", "parcel_id", "--epochs", 2, "--out", run)
    result = cli(*words, "--set", "hidden=[]")
    assert result.status == 0, result.err
    assert "Columns as read" in result.out
    assert json.loads((run / "run.json").read_text())["drop"] == ["name", "parcel_id"]
    assert "drop" in one_line(cli("train", "mlp", "--data", data, *drop, "--out", run, "--resume", "--json"))
    assert cli("export", run, "--format", "onnx", "--out", bundle).status == 0
    columns = json.loads((bundle / "manifest.json").read_text())["model"]["input"]["columns"]
    assert [column["name"] for column in columns] == ["length", "weight", "colour", "fragile", "urgent", "price"]
    result = cli("evaluate", bundle, "--data", data, "--out", tmp_path / "evaluated")
    assert result.status == 0, result.err


def test_an_unbalanced_table_keeps_the_epoch_of_the_best_mean_recall(cli, tmp_path):
    random = np.random.default_rng(0)
    values = random.normal(size=(300, 4))
    rare = values[:, 0] + 0.7 * random.normal(size=300) > 1.75
    path = tmp_path / "rare.csv"
    lines = [
        ",".join(f"{value:.3f}" for value in row) + f",{('no', 'yes')[int(y)]}"
        for row, y in zip(values, rare, strict=True)
    ]
    path.write_text("\n".join(["a,b,c,d,y", *lines]) + "\n")
    words = ("train", "mlp", "--data", f"csv:{path}", "--target", "y", "--epochs", 12, "--out", tmp_path / "run")
    result = cli(*words, "--json")
    assert result.status == 0, result.err
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    best = max(metrics["history"], key=lambda row: (row["val_mean recall"], -row["val_loss"]))
    assert metrics["validation"]["metrics"]["mean recall"] == pytest.approx(best["val_mean recall"])
    assert best["val_mean recall"] > 0.6
    result = cli(*words, "--overwrite")
    assert "beats nothing" not in result.out
