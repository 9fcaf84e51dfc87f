"""Training on several devices: two processes on the CPU leave one complete run."""

from __future__ import annotations

import json

import pytest

from zoo.run import CHECKPOINTS, CONFUSION, CURVES, METRICS, RUN, WEIGHTS


@pytest.mark.slow
def test_two_processes_train_one_run(tmp_path, zoo_process):
    out = tmp_path / "run"
    result = zoo_process(
        "train", "mlp", "--devices", 2, "--device", "cpu", "--set", "hidden=[32]", "--epochs", 8, "--out", out, "--json"
    )
    assert result.returncode == 0, result.stderr
    shown = json.loads(result.stdout)
    assert shown["validation"]["samples"] == 359
    assert shown["validation"]["accuracy"] > 0.8
    assert result.stderr.count("epoch 8/8") == 1
    assert {file.name for file in out.iterdir()} == {CHECKPOINTS, CONFUSION, CURVES, METRICS, RUN, WEIGHTS}
    assert len(json.loads((out / METRICS).read_text())["history"]) == 8
