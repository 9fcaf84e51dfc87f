"""The search for options: what was tried is kept, failures are told, and the best is trained at the end."""

from __future__ import annotations

import json
import sys
from dataclasses import replace

import pytest

import zoo.train.config
import zoo.train.tune
from runtime.errors import MissingExtraError, OptionError, OutputError, TrainingError
from zoo.recipes import recipe
from zoo.train.tune import Search, Trial, tune

QUICK = {"hidden": [], "epochs": 1}


def search_over(monkeypatch, **space):
    """Let `mlp` search these options."""
    changed = replace(recipe("mlp"), search=space)
    monkeypatch.setattr(zoo.train.config, "recipe", lambda name: changed)


def test_a_search(few, tmp_path, monkeypatch):
    search_over(monkeypatch, lr=(1e-4, 1e-1), dropout=[0.0, 0.5], batch_size=(4, 8))
    calls = []
    search = tune(
        "mlp", 4, data=few, out=tmp_path / "run", settings=QUICK, on_progress=lambda *call: calls.append(call[0])
    )
    assert [trial.number for trial in search.trials] == [1, 2, 3, 4]
    assert (search.metric, search.better) == ("accuracy", "max")
    for trial in search.trials:
        assert trial.outcome == "finished"
        assert 1e-4 <= trial.settings["lr"] <= 1e-1
        assert trial.settings["dropout"] in (0.0, 0.5)
        assert trial.settings["batch_size"] in range(4, 9)
        assert 0 <= trial.value <= 1
    assert len({trial.settings["lr"] for trial in search.trials}) == 4
    assert search.best.value == max(trial.value for trial in search.trials)
    assert {path.name for path in tmp_path.iterdir()} == {"run-tuning"}
    assert {path.name for path in (tmp_path / "run-tuning").iterdir()} == {"trials.json", "trials.png"}
    kept = json.loads((tmp_path / "run-tuning" / "trials.json").read_text())
    assert (kept["metric"], kept["better"]) == ("accuracy", "max")
    assert [trial["settings"] for trial in kept["trials"]] == [trial.settings for trial in search.trials]
    assert any(call.startswith("trial 2/4: lr=") for call in calls)

    again = tune("mlp", 4, data=few, out=tmp_path / "run", settings=QUICK, overwrite=True)
    assert again == search


def test_values_are_better_the_smaller(parcels, tmp_path, monkeypatch):
    search_over(monkeypatch, lr=(1e-6, 1e-1))
    search = tune("mlp", 3, data=f"csv:{parcels}", target="price", out=tmp_path / "run", settings=QUICK)
    assert (search.metric, search.better) == ("rmse", "min")
    assert search.best.value == min(trial.value for trial in search.trials)


def test_trials_that_fall_behind_are_cut_short(few, tmp_path, monkeypatch):
    search_over(monkeypatch, lr=[0.05, 1e-9])
    monkeypatch.setattr(zoo.train.tune, "STARTUP", 1)
    monkeypatch.setattr(zoo.train.tune, "WARMUP", 0)
    settings = {"hidden": [], "epochs": 4, "batch_size": 10}
    search = tune("mlp", 6, data=few, out=tmp_path / "run", settings=settings)
    outcomes = {(trial.settings["lr"], trial.outcome) for trial in search.trials}
    assert (1e-9, "cut short") in outcomes
    assert (0.05, "finished") in outcomes
    assert all((trial.value is None) == (trial.outcome == "cut short") for trial in search.trials)
    assert search.best.settings == {"lr": 0.05}
    kept = json.loads((tmp_path / "run-tuning" / "trials.json").read_text())["trials"]
    assert [trial["outcome"] for trial in kept] == [trial.outcome for trial in search.trials]


def test_failing_trials_are_told_and_the_search_goes_on(few, tmp_path, monkeypatch):
    search_over(monkeypatch, lr=(1e-4, 1e-1))
    real, count = zoo.train.tune.run_training, 0

    def sometimes(*words, **options):
        nonlocal count
        count += 1
        if count != 2:
            raise TrainingError(f"the loss is nan in run {count}")
        return real(*words, **options)

    monkeypatch.setattr(zoo.train.tune, "run_training", sometimes)
    search = tune("mlp", 3, data=few, out=tmp_path / "run", settings=QUICK)
    assert [trial.outcome for trial in search.trials] == [
        "the loss is nan in run 1",
        "finished",
        "the loss is nan in run 3",
    ]
    assert search.best.number == 2
    count = 9
    with pytest.raises(TrainingError, match="none of 2 trials finished; the last one: the loss is nan in run 11"):
        tune("mlp", 2, data=few, out=tmp_path / "other", settings=QUICK)


def test_an_interrupted_search_stops(few, tmp_path, monkeypatch):
    def interrupted(*words, **options):
        raise TrainingError("interrupted; continue with --resume --out x")

    monkeypatch.setattr(zoo.train.tune, "run_training", interrupted)
    with pytest.raises(TrainingError, match="interrupted"):
        tune("mlp", 3, data=few, out=tmp_path / "run", settings=QUICK)


def test_options_that_are_set_are_not_searched(few, tmp_path, monkeypatch):
    search_over(monkeypatch, lr=(1e-4, 1e-1), hidden=[(4,), (8,)])
    search = tune("mlp", 1, data=few, out=tmp_path / "run", settings=QUICK)
    assert set(search.best.settings) == {"lr"}
    with pytest.raises(OptionError, match="nothing to tune: 3 trials of no options"):
        tune("mlp", 3, data=few, out=tmp_path / "run", settings=QUICK | {"lr": 0.1})
    with pytest.raises(OptionError, match="nothing to tune: 0 trials"):
        tune("mlp", 0, data=few, out=tmp_path / "run", settings=QUICK)


def test_a_folder_of_other_files_is_not_replaced(few, tmp_path):
    (tmp_path / "run-tuning").mkdir()
    (tmp_path / "run-tuning" / "letter.txt").write_text("dear all")
    with pytest.raises(OutputError, match="run-tuning: exists and is not a search alone"):
        tune("mlp", 1, data=few, out=tmp_path / "run", settings=QUICK)
    assert (tmp_path / "run-tuning" / "letter.txt").exists()


def test_without_optuna(few, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'edgezoo\[tune\]'"):
        tune("mlp", 1, data=few, out=tmp_path / "run")


def test_the_command_trains_the_best(cli, few, tmp_path):
    words = ("--data", few, "--set", "hidden=[]", "--epochs", 1, "--out", tmp_path / "run")
    result = cli("train", "mlp", "--tune", 2, *words)
    assert result.status == 0, result.err
    assert "Trials, best first" in result.out
    assert f"{tmp_path / 'run-tuning'} (trials.json, trials.png)" in result.out
    assert "mlp-mnist on validation" in result.out
    trials = json.loads((tmp_path / "run-tuning" / "trials.json").read_text())["trials"]
    best = max(trials, key=lambda trial: trial["value"])["settings"]
    kept = json.loads((tmp_path / "run" / "run.json").read_text())
    assert {name: kept["training"].get(name, kept["options"].get(name)) for name in best} == best


def test_trials_of_lists_and_names_are_shown(tmp_path, capsys):
    from zoo.cli.views.training import search

    trials = [
        Trial(number, {"lr": lr, "hidden": hidden, "activation": "relu"}, lr, "finished")
        for number, lr, hidden in ((1, 0.25, (8,)), (2, 0.5, (4, 4)))
    ]
    search(Search(tuple(trials), "accuracy", "max", trials[1]), tmp_path)
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [line[:1] for line in lines if line[-1:] == ["finished"]] == [["2"], ["1"]]
    assert any("[4," in line and "4]" in line and "relu" in line for line in lines)
