"""Training on a Ray cluster of two nodes in processes; `test_cluster.py` runs this in an environment of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from ray.cluster_utils import Cluster

ROOT = Path(__file__).parents[2]
WORDS = ["train", "mlp", "--device", "cpu", "--set", "hidden=[32]", "--set", "patience=40", "--json"]


@pytest.fixture(scope="module")
def cluster():
    os.environ["PYTHONPATH"] = str(ROOT)
    nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    nodes.add_node(num_cpus=1)
    yield nodes.address
    nodes.shutdown()


def start(folder, *words):
    """Start `zoo` in a process of its own, in a folder."""
    command = [sys.executable, "-m", "zoo", *map(str, words)]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=folder, stdout=pipe, stderr=pipe, text=True)


def wait_for(condition):
    end = time.monotonic() + 300
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.1)


def training_processes():
    """Return the processes that train, which Ray names after the actor and its last method."""
    names = ((each, each.info["cmdline"] or [""]) for each in psutil.process_iter(["cmdline"]))
    return [each for each, words in names if words[0].startswith("ray::TrainingProcess")]


def test_two_nodes_train_one_run_and_go_on_after_a_kill(cluster, tmp_path):
    on_ray = [*WORDS, "--out", "run", "--on", "ray", "--address", cluster, "--num-nodes", 2]
    running = start(tmp_path, *on_ray, "--epochs", 40)
    last = tmp_path / "run" / "checkpoints" / "last.ckpt"
    wait_for(lambda: last.exists() or running.poll() is not None)
    victims = training_processes()
    assert len(victims) == 2, running.communicate()
    os.kill(victims[1].pid, signal.SIGKILL)
    _, said = running.communicate(timeout=120)
    assert running.returncode == 2
    lines = [line for line in said.splitlines() if line.startswith("zoo: ")]
    assert lines == [
        "zoo: another process of this training has ended: see what it said; continue with --resume --out run"
    ]
    assert "Traceback" not in said
    assert not (tmp_path / "run" / "metrics.json").exists()
    resumed = start(tmp_path, *on_ray, "--epochs", 40, "--resume")
    shown, said = resumed.communicate(timeout=300)
    assert resumed.returncode == 0, said
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert [row["epoch"] for row in metrics["history"]] == list(range(1, 41))
    assert json.loads(shown)["validation"]["metrics"]["accuracy"] > 0.9
    assert "epoch 40/40" in said
    wait_for(lambda: not training_processes())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--num-nodes", 3], "--num-nodes 3: the cluster has 2 CPUs and 0 GPUs, too few of them"),
        (["--num-nodes", 2, "--device", "cuda"], "the cluster has 2 CPUs and 0 GPUs, too few of them"),
        (["--num-nodes", 2, "--data", "folder:nowhere"], "nowhere"),
        (["--num-nodes", 2, "--devices", 2], "--on ray starts one process for each of --num-nodes"),
    ],
)
def test_mistakes_are_one_line(cluster, tmp_path, words, message):
    refused = start(tmp_path, *WORDS, "--on", "ray", "--address", cluster, *words)
    _, said = refused.communicate(timeout=120)
    assert refused.returncode == 2
    assert message in said.splitlines()[-1]
    assert "Traceback" not in said
