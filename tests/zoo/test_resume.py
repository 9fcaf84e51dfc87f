"""A run that was killed, at whatever moment, and resumed gives the weights of one that was not."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from copy import deepcopy
from pathlib import Path

import pytest
import torch

from runtime.errors import TrainingError
from tests.zoo.arrays import linear, prepared, train_on
from zoo.train.checkpoint import SafeCheckpoints
from zoo.train.config import Hardware
from zoo.train.pipeline import train
from zoo.train.run import CHECKPOINTS, METRICS, RUN, WEIGHTS
from zoo.train.trainer import EarlyStopping

LAST = Path("checkpoints/last.ckpt")


@pytest.mark.slow
def test_killed_in_the_middle(tmp_path):
    out, epochs = tmp_path / "killed", 8
    settings = {"hidden": [16], "dropout": 0.5, "augment": ["shift"], "epochs": epochs}
    words = [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
    process = subprocess.Popen([sys.executable, "-m", "zoo", "train", "mlp", "--device", "cpu", *words, "--out", out])
    try:
        while not (out / LAST).exists() or SafeCheckpoints().load_checkpoint(out / LAST)["epoch"] < 2:
            assert process.poll() is None, "the run ended before it was killed"
            time.sleep(0.005)
    finally:
        process.kill()
        process.wait()
    assert 2 <= SafeCheckpoints().load_checkpoint(out / LAST)["epoch"] < epochs - 1
    assert not (out / METRICS).exists()
    train("mlp", out=out, settings=settings, resume=True, hardware=Hardware("cpu"))
    whole = train("mlp", out=tmp_path / "whole", settings=settings, hardware=Hardware("cpu"))
    assert (out / WEIGHTS).read_bytes() == (whole / WEIGHTS).read_bytes()
    assert (out / METRICS).read_text() == (whole / METRICS).read_text()


class Killed(BaseException):
    """Stands for SIGKILL: nothing is written after it."""


def test_killed_before_the_first_checkpoint(few, tmp_path, monkeypatch):
    def kill(*arguments, **options):
        raise Killed

    train_options = {"data": few, "settings": {"hidden": [8], "epochs": 2}, "hardware": Hardware("cpu")}
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(SafeCheckpoints, "save_checkpoint", kill)
        train("mlp", out=tmp_path / "killed", **train_options)
    assert [path.name for path in (tmp_path / "killed").iterdir() if path.name != CHECKPOINTS] == [RUN]
    again = train("mlp", out=tmp_path / "killed", resume=True, **train_options)
    whole = train("mlp", out=tmp_path / "whole", **train_options)
    assert (again / WEIGHTS).read_bytes() == (whole / WEIGHTS).read_bytes()


@pytest.mark.parametrize("lost", [[METRICS], [METRICS, WEIGHTS]], ids=["metrics", "metrics and weights"])
def test_killed_after_the_last_epoch(trained, tmp_path, lost):
    run = Path(shutil.copytree(trained, tmp_path / "run"))
    for name in lost:
        (run / name).unlink()
    train("mlp", out=run, settings={"hidden": [8], "epochs": 2}, resume=True)
    for name in (WEIGHTS, METRICS):
        assert (run / name).read_bytes() == (trained / name).read_bytes()


@pytest.fixture(scope="module", params=[False, True], ids=["better and better", "worse and worse"])
def whole(request, tmp_path_factory):
    """Data, and the history and weights of four epochs on it without a break."""
    data = prepared([40, 40], [10, 10], swapped=request.param)
    history = train_on(data, tmp_path_factory.mktemp("whole"), network := linear(), epochs=4)
    return data, history, network.state_dict()


@pytest.mark.parametrize("save", range(5))
def test_killed_between_two_checkpoints(whole, tmp_path, monkeypatch, save):
    """After so many saves of the best and the last checkpoint together."""
    data, history, weights = whole
    real, saves = SafeCheckpoints.save_checkpoint, 0

    def kill(*arguments, **options):
        nonlocal saves
        if saves == save:
            raise Killed
        saves += 1
        real(*arguments, **options)

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(SafeCheckpoints, "save_checkpoint", kill)
        train_on(data, tmp_path, linear(), epochs=4)
    again = train_on(data, tmp_path, network := linear(), epochs=4, resume=True)
    assert again == history
    assert all(tensor.equal(network.state_dict()[name]) for name, tensor in weights.items())


@pytest.mark.parametrize(
    "options",
    [
        {"ema": 0.9},
        {"ema": 0.9, "accumulate": 3, "schedule": "cosine", "warmup": 0.2, "clip": 0.1},
        {"augment": ("shift", "erase"), "mixup": 0.5, "cutmix": 1.0},
    ],
    ids=["average", "schedule", "mixing"],
)
def test_killed_between_two_epochs_with(tmp_path, monkeypatch, options):
    data = prepared([20, 20], [10, 10])
    history = train_on(data, tmp_path / "whole", whole := linear(), epochs=4, **options)
    real = SafeCheckpoints.save_checkpoint

    def kill(self, checkpoint, path, storage_options=None):
        real(self, checkpoint, path)
        if checkpoint["epoch"] == 1 and Path(path).name == LAST.name:
            raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(SafeCheckpoints, "save_checkpoint", kill)
        train_on(data, tmp_path / "killed", linear(), epochs=4, **options)
    assert SafeCheckpoints().load_checkpoint(tmp_path / "killed" / LAST)["epoch"] == 1
    again = train_on(data, tmp_path / "killed", network := linear(), epochs=4, resume=True, **options)
    assert again == history
    for name, tensor in whole.state_dict().items():
        assert torch.equal(network.state_dict()[name], tensor)


def test_a_run_that_stopped_early_stays_stopped(tmp_path):
    data = prepared([40, 40], [10, 10], swapped=True)
    whole = train_on(data, tmp_path, linear(), epochs=50, patience=2)
    assert len(whole) < 50
    assert train_on(data, tmp_path, linear(), epochs=50, patience=2, resume=True) == whole


def killed(data, folder, monkeypatch, epoch):
    """Train until the last checkpoint of an epoch, counted from 0, is written."""
    real = SafeCheckpoints.save_checkpoint

    def kill(self, checkpoint, path, storage_options=None):
        real(self, checkpoint, path)
        if checkpoint["epoch"] == epoch and Path(path).name == LAST.name:
            raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(SafeCheckpoints, "save_checkpoint", kill)
        train_on(data, folder, linear(), epochs=4)


@pytest.mark.parametrize("swapped", [False, True], ids=["better and better", "worse and worse"])
def test_a_moved_run_resumes_to_the_same_weights(tmp_path, monkeypatch, swapped):
    data = prepared([40, 40], [10, 10], swapped=swapped)
    history = train_on(data, tmp_path / "whole", whole := linear(), epochs=4)
    killed(data, tmp_path / "killed", monkeypatch, epoch=1)
    (tmp_path / "killed").rename(tmp_path / "moved")
    assert train_on(data, tmp_path / "moved", network := linear(), epochs=4, resume=True) == history
    for name, tensor in whole.state_dict().items():
        assert torch.equal(network.state_dict()[name], tensor)
    assert not (tmp_path / "killed").exists()


def test_a_checkpoint_names_no_file_that_is_deleted(tmp_path, monkeypatch):
    data = prepared([40, 40], [10, 10])
    victim = tmp_path / "victim"
    victim.write_text("precious")
    killed(data, tmp_path / "run", monkeypatch, epoch=1)
    checkpoint = SafeCheckpoints().load_checkpoint(tmp_path / "run" / LAST)
    assert str(tmp_path) not in str(checkpoint["callbacks"]), "no path is stored"
    paths = {"best_model_path": str(victim), "kth_best_model_path": str(victim), "last_model_path": str(victim)}
    where = {"dirpath": str(tmp_path / "run" / LAST.parent), "best_k_models": {str(victim): torch.tensor(-9.0)}}
    score = {"best_model_score": torch.tensor(-9.0), "kth_value": torch.tensor(-9.0)}
    for state in checkpoint["callbacks"].values():
        state.update(paths | where | score)
    SafeCheckpoints().save_checkpoint(checkpoint, tmp_path / "run" / LAST)
    train_on(data, tmp_path / "run", linear(), epochs=4, resume=True)
    assert victim.read_text() == "precious"


@pytest.mark.parametrize("score", ["1.0", [1.0], float("nan"), float("inf")])
def test_a_best_score_that_is_no_number_is_one_line(tmp_path, monkeypatch, score):
    data = prepared([10, 10], [10, 10])
    killed(data, tmp_path, monkeypatch, epoch=0)
    checkpoint = SafeCheckpoints().load_checkpoint(tmp_path / LAST)
    for state in checkpoint["callbacks"].values():
        if "score" in state:
            state["score"] = score
    SafeCheckpoints().save_checkpoint(checkpoint, tmp_path / LAST)
    with pytest.raises(TrainingError, match="best score"):
        train_on(data, tmp_path, linear(), epochs=4, resume=True)


def forged(checkpoint):
    """Give copies of a checkpoint in which one value, at any depth, is another."""
    for keys in keys_of(checkpoint):
        for value in (None, "x", [], {}, {"a": 1}, -1, torch.zeros(7)):
            copy = deepcopy(checkpoint)
            inner = copy
            for key in keys[:-1]:
                inner = inner[key]
            inner[keys[-1]] = value
            yield copy


def keys_of(value, above=()):
    for key, inner in value.items():
        yield (*above, key)
        if isinstance(inner, dict):
            yield from keys_of(inner, (*above, key))


def test_a_forged_checkpoint_is_one_line(tmp_path, monkeypatch):
    data = prepared([10, 10], [10, 10])
    killed(data, tmp_path, monkeypatch, epoch=0)
    whole = SafeCheckpoints().load_checkpoint(tmp_path / LAST)
    copies = list(forged(whole))
    refused = 0
    for copy in copies[:: len(copies) // 40]:
        SafeCheckpoints().save_checkpoint(copy, tmp_path / LAST)
        try:
            train_on(data, tmp_path, linear(), epochs=1, resume=True)
        except TrainingError as problem:
            refused += 1
            assert len(str(problem).splitlines()) == 1
    assert refused > 5


@pytest.mark.parametrize("state", [None, [], {"network.1.weight": 3}, {"network.9.bias": torch.ones(2)}])
def test_a_best_checkpoint_of_another_network_is_one_line(tmp_path, state):
    data = prepared([10, 10], [10, 10])
    train_on(data, tmp_path, linear(), epochs=1)
    best = tmp_path / LAST.parent / "best.ckpt"
    SafeCheckpoints().save_checkpoint(SafeCheckpoints().load_checkpoint(best) | {"state_dict": state}, best)
    with pytest.raises(TrainingError, match=r"best\.ckpt: its weights can't be loaded"):
        train_on(data, tmp_path, linear(), epochs=1, resume=True)


class Interrupted(torch.nn.Module):
    """A network whose user presses Ctrl-C in the third epoch."""

    def __init__(self) -> None:
        super().__init__()
        self.network, self.steps = linear(), 0

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        self.steps += self.training
        if self.steps == 25:
            raise KeyboardInterrupt
        return self.network(pixels)


def test_an_interrupted_run_says_how_to_go_on(tmp_path):
    handler = signal.getsignal(signal.SIGINT)
    try:
        with pytest.raises(TrainingError, match=f"interrupted; continue with --resume --out {tmp_path}"):
            train_on(prepared([40, 40], [10, 10]), tmp_path, Interrupted(), epochs=4)
        assert signal.getsignal(signal.SIGINT) == handler
    finally:
        signal.signal(signal.SIGINT, handler)
    assert SafeCheckpoints().load_checkpoint(tmp_path / LAST)["epoch"] == 1


def test_checkpoints_of_earlier_releases_keep_the_state_of_early_stopping():
    assert EarlyStopping("selection", mode="max").state_key == "Patience{'monitor': 'selection', 'mode': 'max'}"
