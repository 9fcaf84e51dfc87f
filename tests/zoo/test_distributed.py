"""Training in several processes: two on the CPU, of one machine or of two, leave one complete run.

Every run trains on values; `make nightly` trains on classes too, and on two machines, which torchrun makes of one.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time

import pytest

from runtime.errors import OptionError
from zoo.recipes import Training
from zoo.train.config import Hardware
from zoo.train.distributed import check_processes, is_first_process, is_lost
from zoo.train.optimizers import rescaled, schedule
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
    metrics = read_metrics(tmp_path / "two")
    assert len(metrics["history"]) == 30
    assert json.loads(result.stdout)["validation"]["metrics"] == metrics["validation"]["metrics"]
    best = min(metrics["history"], key=lambda row: row["val_rmse"])
    assert metrics["validation"]["metrics"]["rmse"] == pytest.approx(best["val_rmse"], rel=1e-4)
    options = {"data": f"csv:{parcels}", "target": "price", "settings": settings, "hardware": Hardware("cpu")}
    alone = read_metrics(train("mlp", out=tmp_path / "one", **options))["validation"]
    share = 0.05 * alone["baseline"]
    assert metrics["validation"]["metrics"]["rmse"] == pytest.approx(alone["metrics"]["rmse"], abs=share)


@pytest.fixture
def nodes(tmp_path):
    """Start `zoo` by torchrun on as many machines as there are numbers of processes; all of them are this one."""
    started = []

    def start(words, count):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        for rank in reversed(range(count)):
            flags = [f"--nnodes={count}", f"--node-rank={rank}", "--master-addr=127.0.0.1", f"--master-port={port}"]
            command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=1", *flags, "-m", "zoo", *words]
            with (tmp_path / f"{rank}.out").open("w") as out, (tmp_path / f"{rank}.err").open("w") as err:
                started.append(subprocess.Popen(list(map(str, command)), stdout=out, stderr=err))
        return started[: -count - 1 : -1]

    yield start
    for process in started:
        process.kill()


def wait_for(path):
    end = time.monotonic() + 120
    while not path.exists():
        assert time.monotonic() < end
        time.sleep(0.1)


@pytest.mark.slow
@pytest.mark.nightly
def test_two_machines_train_one_run(tmp_path, nodes):
    """The metric is that of one process, and the first machine alone writes."""
    settings = {"hidden": [32], "epochs": 8}
    words = ["train", "mlp", "--set", "hidden=[32]", "--epochs", 8, "--device", "cpu", "--num-nodes", 2, "--json"]
    running = nodes([*words, "--out", tmp_path / "run"], 2)
    assert [process.wait(300) for process in running] == [0, 0]
    shown = json.loads((tmp_path / "0.out").read_text())
    assert (tmp_path / "1.out").read_text() == ""
    assert "epoch" not in (tmp_path / "1.err").read_text()
    alone = read_metrics(train("mlp", out=tmp_path / "alone", settings=settings, hardware=Hardware("cpu")))
    wanted = alone["validation"]["metrics"]["accuracy"]
    assert shown["validation"]["samples"] == alone["validation"]["samples"]
    assert shown["validation"]["metrics"]["accuracy"] > max(0.8, wanted - 0.05)


@pytest.mark.slow
@pytest.mark.nightly
@pytest.mark.parametrize("name", ["cosine", "one-cycle"])
def test_a_killed_machine_ends_the_run_which_goes_on_with_any_number(tmp_path, nodes, zoo_process, name):
    run, settings = tmp_path / "run", {"hidden": [32], "schedule": name, "epochs": 40, "patience": 40}
    words = [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
    words = ["train", "mlp", *words, "--device", "cpu", "--out", run, "--json"]
    running = nodes([*words, "--num-nodes", 2], 2)
    wait_for(run / CHECKPOINTS / "last.ckpt")
    (victim,) = subprocess.check_output(["pgrep", "-P", str(running[1].pid)], text=True).split()
    os.kill(int(victim), signal.SIGKILL)
    assert all(process.wait(120) != 0 for process in running)
    said = [line for line in (tmp_path / "0.err").read_text().splitlines() if line.startswith("zoo: ")]
    assert said == [
        f"zoo: another process of this training has ended: see what it said; continue with --resume --out {run}"
    ]
    assert not (run / METRICS).exists()
    begun = (run / CHECKPOINTS / "last.ckpt").read_bytes()
    result = zoo_process(*words, "--resume")
    assert result.returncode == 0, result.stderr
    history = read_metrics(run)["history"]
    assert [row["epoch"] for row in history] == list(range(1, 41))
    assert begun != (run / CHECKPOINTS / "last.ckpt").read_bytes()
    alone = read_metrics(train("mlp", out=tmp_path / "alone", settings=settings, hardware=Hardware("cpu")))
    assert [row["lr"] for row in history] == pytest.approx([row["lr"] for row in alone["history"]], rel=0.1, abs=1e-4)
    wanted = alone["validation"]["metrics"]["accuracy"]
    assert read_metrics(run)["validation"]["metrics"]["accuracy"] > wanted - 0.03


@pytest.mark.parametrize(
    ("places", "first"),
    [
        ({}, True),
        ({"LOCAL_RANK": "0", "GROUP_RANK": "0", "RANK": "0"}, True),
        ({"LOCAL_RANK": "0", "GROUP_RANK": "1", "RANK": "1"}, False),
        ({"LOCAL_RANK": "1", "GROUP_RANK": "0", "RANK": "1"}, False),
        ({"LOCAL_RANK": "0", "NODE_RANK": "1"}, False),
        ({"LOCAL_RANK": "1", "NODE_RANK": "0"}, False),
    ],
)
def test_one_process_of_all_machines_writes(monkeypatch, places, first):
    for name in ("LOCAL_RANK", "GROUP_RANK", "NODE_RANK", "RANK"):
        monkeypatch.delenv(name, raising=False)
    for name, value in places.items():
        monkeypatch.setenv(name, value)
    assert is_first_process() == first


def test_several_machines_need_a_launcher(cli, tmp_path):
    result = cli("train", "mlp", "--num-nodes", 2, "--out", tmp_path / "run")
    assert (result.status, result.err.count("\n")) == (2, 1)
    assert "--num-nodes 2 needs torchrun on each machine: torchrun --nnodes 2 --nproc-per-node 1" in result.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--on", "ray", "--num-nodes", 2], "edgezoo[cluster]"),  # Ray is no part of the tests' environment
        (["--address", "10.0.0.1:6379"], "--address is of a cluster: add --on ray"),
        (["--on", "ray", "--folds", 3], "--folds, --tune and several devices don't go together"),
    ],
)
def test_clusters_are_refused_in_a_line(cli, tmp_path, words, message):
    result = cli("train", "mlp", "--out", tmp_path / "run", *words)
    assert (result.status, result.err.count("\n")) == (2, 1)
    assert message in result.err


def test_other_numbers_than_torchruns_are_refused(monkeypatch):
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "none")
    monkeypatch.setenv("WORLD_SIZE", "4")
    check_processes(Hardware("cpu", 2, 2))
    with pytest.raises(
        OptionError, match=r"^torchrun has started 4 processes, but --num-nodes 2 with --devices 1 are 2"
    ):
        check_processes(Hardware("cpu", 1, 2))
    with pytest.raises(OptionError, match="are 1: give --num-nodes torchrun's --nnodes"):
        check_processes(Hardware("cpu"))


@pytest.mark.parametrize("name", ["cosine", "one-cycle", "step"])
def test_the_schedule_goes_on_at_the_same_share_of_other_steps(name):
    import torch

    def made(steps):
        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=0.1)
        return optimizer, schedule(Training(schedule=name), optimizer, steps)

    def advance(optimizer, scheduler, steps):
        for _ in range(steps):
            optimizer.step()
            scheduler.step()
        return scheduler.get_last_lr()

    half, whole, long = made(100), made(200), made(200)
    advance(*half, 60)
    long[1].load_state_dict(rescaled(half[1].state_dict(), 2.0))
    for steps in (1, 40, 38):  # to the last step
        expected = advance(*whole, steps + (120 if steps == 1 else 0))
        assert advance(*long, steps) == pytest.approx(expected, abs=1e-9)


def test_lost_processes_are_told_from_other_faults():
    import torch

    assert is_lost(torch.distributed.DistNetworkError("gone"))
    assert is_lost(RuntimeError("[../gloo/transport/tcp/pair.cc:534] Connection closed by peer [127.0.0.1]:3050"))
    assert not is_lost(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    assert not is_lost(ValueError("Connection closed by peer"))
