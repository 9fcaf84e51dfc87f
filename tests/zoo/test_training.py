"""The training path: repeatable to the bit, and it ends with the weights of the best epoch."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.zoo.arrays import linear, measured, prepared, train_on
from zoo.recipes import Training
from zoo.tasks._classes import class_weights
from zoo.train.config import Hardware
from zoo.train.pipeline import train
from zoo.train.run import WEIGHTS

CPU = Hardware("cpu")


def test_the_seed_alone_decides_the_weights(few, tmp_path):
    settings = {"widths": [4], "hidden": 8, "epochs": 1, "batch_size": 16, "augment": ["shift", "flip"]}
    weights = []
    for name, seed in (("one", 0), ("again", 0), ("other", 1)):
        torch.manual_seed(len(weights))
        run = train("cnn", data=few, out=tmp_path / name, settings=settings, seed=seed, hardware=CPU)
        weights.append((run / WEIGHTS).read_bytes())
    assert weights[0] == weights[1] != weights[2]


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_training_learns(tmp_path, optimizer):
    data = prepared([40, 40], [10, 10])
    history = train_on(data, tmp_path, network := linear(), epochs=6, lr=0.05, optimizer=optimizer)
    assert [row["epoch"] for row in history] == [1, 2, 3, 4, 5, 6]
    assert history[-1]["train_loss"] < history[0]["train_loss"]
    assert measured(network, data)["metrics"]["accuracy"] == 1


def test_the_best_epoch_is_kept_not_the_last(tmp_path):
    data = prepared([40, 40], [10, 10], swapped=True)
    history = train_on(data, tmp_path, network := linear(), epochs=6, patience=100)
    best = max(history, key=lambda row: (row["val_accuracy"], -row["val_loss"]))
    assert best["val_loss"] < history[-1]["val_loss"]
    metrics = measured(network, data)["metrics"]
    assert metrics["accuracy"] == pytest.approx(best["val_accuracy"])
    assert metrics["loss"] == pytest.approx(best["val_loss"], rel=1e-4)
    assert not network.training


def test_training_stops_when_validation_stops_improving(tmp_path):
    history = train_on(prepared([40, 40], [10, 10], swapped=True), tmp_path, linear(), epochs=50, patience=3)
    best = max(history, key=lambda row: (row["val_accuracy"], -row["val_loss"]))
    assert len(history) == best["epoch"] + 3 < 50


@pytest.mark.parametrize(
    ("counts", "choice", "expected"),
    [
        ([30, 10], "auto", [2 / 3, 2]),
        ([30, 10], "balanced", [2 / 3, 2]),
        ([30, 10], "none", None),
        ([12, 10], "auto", None),
        ([12, 10], "balanced", [22 / 24, 22 / 20]),
    ],
)
def test_rare_classes_weigh_more(counts, choice, expected):
    weights = class_weights(Training(class_weights=choice), prepared(counts, [2, 2]).targets("train"), 2)
    if expected is None:
        assert weights is None
    else:
        assert weights.tolist() == pytest.approx(expected)
        assert float((weights * counts).sum()) == pytest.approx(sum(counts))


def test_class_weights_move_the_answer_to_the_rare_class(tmp_path):
    data = prepared([90, 10], [45, 5])
    for pixels in data.inputs.values():
        pixels[:] = 128
    chances = {}
    for choice in ("none", "balanced"):
        train_on(data, tmp_path / choice, network := linear(), epochs=6, lr=0.05, class_weights=choice)
        with torch.inference_mode():
            dark, bright = network(torch.from_numpy(np.array(data.inputs["train"][:1]))).softmax(1)[0].tolist()
        chances[choice] = bright
        assert dark + bright == pytest.approx(1)
    assert chances["none"] < 0.3 < 0.4 < chances["balanced"] < 0.6


def test_augmentation_never_touches_validation(tmp_path):
    data = prepared([40, 40], [10, 10])
    seen = []

    class Spy(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.network = linear()

        def forward(self, pixels):
            if not self.training:
                seen.append(pixels.clone())
            return self.network(pixels)

    train_on(data, tmp_path, Spy(), epochs=2, augment=("shift", "crop", "flip", "colour"))
    for shown in torch.cat(seen).reshape(2, 20, 4, 4, 1):
        assert np.array_equal(np.sort(shown.numpy(), 0), np.sort(data.inputs["validation"], 0))
