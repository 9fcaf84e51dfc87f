"""Each training option has the effect that its help promises."""

from __future__ import annotations

import csv
import math
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch
from lightning.pytorch.callbacks import Callback
from torch import nn

import zoo.train.preflight
from runtime.errors import MissingExtraError, OptionError
from runtime.tasks import Regression
from tests.zoo.arrays import linear, measured, prepared, train_on
from zoo.data import Split, Values
from zoo.recipes import Augmentation, Group, Training
from zoo.tasks import task
from zoo.train.augment import augmentation, on_images
from zoo.train.augment_audio import CHANGES
from zoo.train.config import TrainConfig, resolve
from zoo.train.learner import FitConfig, Learner, TrainingExamples, mixing
from zoo.train.optimizers import check_optimizer, schedule, set_active
from zoo.train.pipeline import train
from zoo.train.plan import plan
from zoo.train.prepare import Prepared
from zoo.train.trainer import open_logger

PLAIN = {"optimizer": "sgd", "momentum": 0.0, "weight_decay": 0.0, "schedule": "constant"}


@pytest.fixture(scope="module")
def data():
    return prepared([20, 20], [10, 10])


def learning_rates(steps, *, lrs=(1.0,), **options):
    """The learning rates of each step, of each of several groups."""
    optimizer = torch.optim.SGD([{"params": [nn.Parameter(torch.zeros(1))], "lr": lr} for lr in lrs])
    made = schedule(replace(Training(), **options), optimizer, steps)
    rates = []
    for _ in range(steps):
        rates.append([part["lr"] for part in optimizer.param_groups])
        optimizer.step()
        made.step()
    return np.array(rates).squeeze()


# the learning rate


def test_a_constant_rate_is_level():
    assert learning_rates(9, schedule="constant").tolist() == [1] * 9


def test_a_rate_in_steps_is_a_tenth_after_each_third():
    assert learning_rates(9, schedule="step") == pytest.approx([1] * 3 + [0.1] * 3 + [0.01] * 3)


def test_a_cosine_falls_from_the_top_to_nothing():
    rates = learning_rates(100, schedule="cosine")
    assert rates == pytest.approx([(1 + math.cos(math.pi * i / 100)) / 2 for i in range(100)])


def test_one_cycle_rises_and_falls():
    rates = learning_rates(100, schedule="one-cycle")
    assert (rates.max(), rates.argmax()) == (pytest.approx(1), 24)
    assert rates[0] == pytest.approx(1 / 25)
    assert rates[-1] < 1e-4
    assert (np.diff(rates[:25]) > 0).all()
    assert (np.diff(rates[24:]) < 0).all()
    assert learning_rates(100, schedule="one-cycle", warmup=0.5).argmax() == 49


@pytest.mark.parametrize("kind", ["constant", "step", "cosine", "one-cycle"])
@pytest.mark.parametrize("steps", [1, 2, 3])
def test_a_course_of_few_steps(kind, steps):
    rates = np.atleast_1d(learning_rates(steps, schedule=kind, warmup=0.4))
    assert np.isfinite(rates).all()
    assert (rates > 0).all()
    assert (rates <= 1).all()


@pytest.mark.parametrize("kind", ["constant", "step", "cosine"])
def test_warming_up(kind):
    rates = learning_rates(100, schedule=kind, warmup=0.2)
    assert rates[:20] == pytest.approx([(i + 1) / 21 for i in range(20)])
    assert rates[20] == pytest.approx(1)
    plain = learning_rates(80, schedule=kind)
    assert rates[20:] == pytest.approx(plain)


@pytest.mark.parametrize("kind", ["constant", "step", "cosine", "one-cycle"])
def test_groups_keep_their_ratio(kind):
    rates = learning_rates(30, lrs=(1.0, 0.1), schedule=kind, warmup=0.1)
    assert rates[:, 1] == pytest.approx(rates[:, 0] / 10)


class Spy(Callback):
    """Keeps the learning rate and the weights of each batch."""

    def __init__(self):
        self.rates, self.weights, self.steps = [], [], 0

    def on_train_batch_start(self, trainer, learner, batch, index):
        self.rates.append(trainer.optimizers[0].param_groups[0]["lr"])

    def on_train_batch_end(self, trainer, learner, outputs, batch, index):
        self.weights.append(flat(learner.network))
        self.steps = trainer.global_step


def flat(network):
    return torch.cat([tensor.detach().flatten().clone() for tensor in network.parameters()])


def test_training_follows_the_course(data, tmp_path):
    history = train_on(data, tmp_path, linear(), epochs=2, schedule="cosine", callbacks=[spy := Spy()])
    assert spy.rates == pytest.approx([0.01 * (1 + math.cos(math.pi * i / 10)) / 2 for i in range(10)])
    assert [row["lr"] for row in history] == pytest.approx([spy.rates[5], 0], abs=1e-9)


# the steps


def lengths(spy, start):
    return [float(after.sub(before).norm()) for before, after in zip([start, *spy.weights], spy.weights, strict=False)]


def test_no_gradient_is_longer_than_clip(data, tmp_path):
    network, spies = linear(), {}
    start = flat(network)
    for clip in (0.0, 0.05):
        train_on(data, tmp_path / str(clip), linear(), epochs=1, clip=clip, **PLAIN, callbacks=[spy := Spy()])
        spies[clip] = lengths(spy, start)
    assert min(spies[0.0]) > 0.01 * 0.05
    assert spies[0.05] == pytest.approx([0.01 * 0.05] * 5, rel=1e-3)


def test_accumulated_batches_are_one_larger_batch(data, tmp_path):
    whole, parts = linear(), linear()
    train_on(data, tmp_path / "whole", whole, epochs=1, batch_size=20, **PLAIN, callbacks=[one := Spy()])
    train_on(data, tmp_path / "parts", parts, epochs=1, batch_size=5, accumulate=4, **PLAIN, callbacks=[other := Spy()])
    assert (one.steps, other.steps) == (2, 2)
    assert (len(one.weights), len(other.weights)) == (2, 8)
    assert torch.equal(other.weights[0], other.weights[2])
    assert torch.allclose(flat(whole), flat(parts), atol=1e-6)
    assert not torch.allclose(flat(whole), flat(linear()), atol=1e-4)


def test_the_course_counts_steps_not_batches(data, tmp_path):
    options = {"epochs": 1, "batch_size": 5, "accumulate": 4, "schedule": "cosine"}
    train_on(data, tmp_path, linear(), **options, callbacks=[spy := Spy()])
    assert spy.rates == pytest.approx([0.01] * 4 + [0.005] * 4)


def test_the_moving_average_is_kept(data, tmp_path):
    network = linear()
    train_on(data, tmp_path, network, epochs=1, ema=0.8, callbacks=[spy := Spy()])
    average = spy.weights[0]
    for weights in spy.weights[1:]:
        average = 0.8 * average + 0.2 * weights
    assert torch.allclose(flat(network), average, atol=1e-6)
    assert not torch.allclose(flat(network), spy.weights[-1], atol=1e-4)


def test_the_moving_average_is_what_was_validated(data, tmp_path):
    history = train_on(data, tmp_path, network := linear(), epochs=3, ema=0.9)
    best = max(history, key=lambda row: (row["val_accuracy"], -row["val_loss"]))
    assert measured(network, data)["metrics"]["loss"] == pytest.approx(best["val_loss"], rel=1e-5)


class Two(nn.Module):
    """The answer and, in training, an auxiliary head's, which is sure of class 0."""

    def __init__(self):
        super().__init__()
        self.network = linear()

    def forward(self, pixels):
        logits = self.network(pixels)
        return (logits, torch.tensor([[5.0, 0.0]]).expand(len(logits), 2)) if self.training else logits


def test_an_auxiliary_head_adds_a_share_of_its_loss(data, tmp_path):
    plain = train_on(data, tmp_path / "plain", linear(), epochs=1)
    (row,) = train_on(data, tmp_path / "two", Two(), epochs=1)
    aside = (math.log(1 + math.exp(-5)) + math.log(1 + math.exp(5))) / 2
    assert row["train_loss"] == pytest.approx(plain[0]["train_loss"] + 0.3 * aside, rel=1e-5)
    assert row["val_loss"] == plain[0]["val_loss"]
    assert row["train_accuracy"] == plain[0]["train_accuracy"]


@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize(
    "name", ["sgd", "momentum", "adagrad", "adadelta", "rmsprop", "adam", "adamax", "AdamW", "nadam", "lion"]
)
def test_the_optimizers_that_the_help_names(data, name, momentum):
    check_optimizer(Training(optimizer=name, momentum=momentum))


def test_sgd_without_momentum_follows_the_gradient(data, tmp_path):
    network = linear()
    before = flat(network)
    pixels, targets = data.inputs["train"], data.targets("train")
    nn.CrossEntropyLoss()(network(torch.from_numpy(np.array(pixels))), torch.from_numpy(targets)).backward()
    slope = torch.cat([tensor.grad.flatten() for tensor in network.parameters()])
    train_on(data, tmp_path, network, epochs=1, batch_size=40, **PLAIN)
    assert torch.allclose(flat(network), before - 0.01 * slope, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "momentum", "message"),
    [
        ("admw", 0.9, r"unknown optimizer 'admw' \(did you mean 'adamw'\?\)"),
        ("nesterovw", 0.0, "optimizer 'nesterovw' can't be used so: Nesterov momentum requires a momentum"),
        ("adahessian", 0.9, "optimizer 'adahessian' can't be used here"),
    ],
)
def test_an_optimizer_that_cannot_be_used_is_one_line(name, momentum, message):
    with pytest.raises(OptionError, match=message) as caught:
        check_optimizer(Training(optimizer=name, momentum=momentum))
    assert "\n" not in str(caught.value)


# images


def pictures(channels):
    random = np.random.default_rng(0)
    coarse = random.integers(0, 256, (6, 3, 4, channels), np.uint8)
    return coarse.repeat(5, 1).repeat(4, 2)  # 15x16: large areas, so that blurring alone leaves most as it is


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    "name", sorted({*get_args(Augmentation)} - {"colour", "mosaic", "scale", *CHANGES} | {"shift"})
)
def test_augmentation_changes_pixels_as_epoch_and_place_say(name, channels):
    images = pictures(channels)
    keys = [(epoch, index) for epoch in range(5) for index in range(6)]

    def seen(seed):
        examples = TrainingExamples(images, np.arange(6), on_images(augmentation((name,), (15, 16), 200)), seed)
        torch.manual_seed(seed + 7)
        return {key: examples[key] for key in keys[:: 1 if seed == 0 else -1]}

    one, again, other = seen(0), seen(0), seen(1)
    for key in keys:
        pixels, target = one[key]
        assert (pixels.shape, pixels.dtype, int(target)) == ((15, 16, channels), torch.uint8, key[1])
        assert torch.equal(pixels, again[key][0])
    changed = [not np.array_equal(one[key][0].numpy(), images[key[1]]) for key in keys]
    assert sum(changed) > (5 if name in ("stroke", "flip", "invert", "ground", "blur", "sharpen", "erase") else 20)
    assert any(not torch.equal(one[key][0], other[key][0]) for key in keys)
    assert any(not torch.equal(one[0, i][0], one[1, i][0]) for i in range(6))
    assert (images == pictures(channels)).all()


def test_all_augmentations_together():
    images = pictures(3)
    names = get_args(Augmentation)[::-1]
    examples = TrainingExamples(images, np.arange(6), on_images(augmentation(names, (15, 16), 0)), 0)
    assert len({examples[0, i][0].numpy().tobytes() for i in range(6)}) == 6
    assert augmentation((), (15, 16), 0) is None


@pytest.mark.parametrize("options", [{"mixup": 0.5}, {"cutmix": 1.0}, {"mixup": 0.5, "cutmix": 1.0}])
def test_mixed_images_have_mixed_targets(options):
    mix = mixing(Training(**options), 3)
    images = torch.zeros((6, 1, 8, 8))
    images[:2], targets = 1, torch.tensor([1, 1, 0, 0, 0, 0])
    partly = 0
    for seed in range(20):
        torch.manual_seed(seed)
        mixed, wanted = mix(images, targets)
        assert wanted.shape == (6, 3)
        assert wanted.sum(1).tolist() == pytest.approx([1] * 6)
        assert mixed.mean((1, 2, 3)).tolist() == pytest.approx(wanted[:, 1].tolist(), abs=1e-5)
        partly += bool(((wanted > 0.05) & (wanted < 0.95)).any())
    assert partly > 5
    assert mixing(Training(), 3) is None


@pytest.mark.parametrize("options", [{"mixup": 0.2}, {"cutmix": 1.0}, {"class_weights": "balanced", "mixup": 1.0}])
def test_training_on_mixed_images(data, tmp_path, options):
    plain = train_on(data, tmp_path / "plain", linear(), epochs=3, lr=0.05)
    mixed = [train_on(data, tmp_path / str(i), linear(), epochs=3, lr=0.05, **options) for i in range(2)]
    assert mixed[0] == mixed[1] != plain
    assert mixed[0][-1]["val_mean recall" if "class_weights" in options else "val_accuracy"] > 0.8


# logging


def test_the_csv_logger_writes_every_figure(data, tmp_path):
    history = train_on(data, tmp_path, linear(), epochs=11, logger="csv")
    rows = list(csv.DictReader((tmp_path / "logs" / "metrics.csv").open()))
    kept = [float(row["val_loss"]) for row in rows if row["val_loss"]]
    assert kept == pytest.approx([row["val_loss"] for row in history], rel=1e-5)
    assert {"loss", "train_loss", "train_accuracy", "val_accuracy", "lr", "epoch", "step"} <= set(rows[0])
    assert any(row["loss"] for row in rows)


def test_the_tensorboard_logger_writes_events(data, tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    history = train_on(data, tmp_path, linear(), epochs=2, logger="tensorboard")
    accumulator = EventAccumulator(str(tmp_path / "logs")).Reload()
    values = [event.value for event in accumulator.Scalars("val_loss")]
    assert values == pytest.approx([row["val_loss"] for row in history], rel=1e-5)


@pytest.mark.parametrize("logger", ["csv", "tensorboard"])
def test_a_run_with_a_logger(few, tmp_path, logger):
    train_options = {"data": few, "settings": {"hidden": [], "epochs": 1}, "logger": logger}
    train("mlp", out=tmp_path / "run", **train_options)
    assert list((tmp_path / "run" / "logs").iterdir())
    train("mlp", out=tmp_path / "run", overwrite=True, **(train_options | {"logger": "none"}))
    assert not (tmp_path / "run" / "logs").exists()


def test_an_unknown_or_absent_logger_is_told_before_the_data_is_read(tmp_path, monkeypatch):
    with pytest.raises(OptionError, match=r"unknown logger 'cvs' \(did you mean 'csv'\?\)"):
        train("mlp", data="mnist:nowhere", out=tmp_path / "run", logger="cvs")
    monkeypatch.setattr(zoo.train.preflight, "find_spec", lambda name: None)
    for name in ("tensorboard", "wandb"):
        with pytest.raises(MissingExtraError, match=rf"pip install 'edgezoo\[{name}\]'"):
            train("mlp", data="mnist:nowhere", out=tmp_path / "run", logger=name)
    assert open_logger("none", tmp_path) is False
    assert not list(tmp_path.iterdir())


# what doesn't go together


@pytest.mark.parametrize(
    ("recipe", "data_name", "settings", "message"),
    [
        ("mlp", "iris", {"augment": ["flip"]}, "augment changes images; the recipe takes a table here"),
        ("mlp", "iris", {"mixup": 0.2}, "mixup and cutmix need images and task=classification, got tables"),
        ("mlp", "digits", {"cutmix": 1.0, "task": "regression"}, "got images and task=regression"),
        ("mlp", "digits", {"loss": "mae"}, "loss=mae is for values; task=classification has one loss"),
        ("mlp", "diabetes", {"task": "forecasting"}, "task=forecasting needs a series"),
        ("mlp", "digits", {"task": "ctc"}, "task=ctc needs texts; the targets of 'digits' are classes"),
        ("mlp", "digits", {"task": "binary"}, "task=binary needs two classes; 'digits' has 10"),
        ("mlp", "digits", {"task": "anomaly", "anomaly": "ten"}, "unknown label for anomaly 'ten'"),
        ("cnn", "iris", {}, "the recipe takes images; 'iris' holds tables"),
        ("mlp", "series", {}, "'series' holds sequences"),
    ],
)
def test_options_without_a_use_here_are_refused(recipe, data_name, settings, message):
    with pytest.raises(OptionError, match=message):
        plan(resolve(TrainConfig(recipe, data=data_name, settings=settings)))


# parts of the learner


def test_a_group_starts_late_and_shared_parts_follow_the_first():
    one, other, shared = (nn.Linear(1, 1) for _ in range(3))
    groups = [Group([one, shared]), Group([other, shared], start=0.5)]
    set_active(groups, 0.4)
    assert [part.training for part in (one, other, shared)] == [True, False, True]
    assert [part.weight.requires_grad for part in (one, other, shared)] == [True, False, True]
    set_active(groups, 0.5)
    assert all(part.training and part.weight.requires_grad for part in (one, other, shared))


@pytest.mark.parametrize(("world", "count"), [(2, 10), (2, 11), (3, 7), (3, 9), (4, 5)])
def test_the_answers_of_several_processes_come_back_in_order(monkeypatch, world, count):
    from types import SimpleNamespace

    from torch.utils.data import DistributedSampler

    images = prepared([2], [1])
    splits = {name: Split([0] * count, np.arange(count, dtype=np.float32)) for name in ("train", "validation")}
    whole = Prepared(replace(images.dataset, target=Values("y"), splits=splits), images.inputs, ())
    output = Regression("regression", "value", "y", "", 0.0, 1.0)
    config = FitConfig(task(output.task), output, Training(), Path())
    learner = Learner(linear(), [], whole, config)
    learner._trainer = SimpleNamespace(world_size=world)
    shares = []
    for rank in range(world):
        places = np.array(list(DistributedSampler(range(count), world, rank, shuffle=False)))
        shares.append((10.0 * places[:, None], places.astype(np.float32)))

    def gather(object_list, own):
        assert np.array_equal(own[0], shares[1][0])
        object_list[:] = shares

    monkeypatch.setattr(torch.distributed, "get_world_size", lambda: world)
    monkeypatch.setattr(torch.distributed, "all_gather_object", gather)
    learner.answers = [(shares[1][0][:2], shares[1][1][:2]), (shares[1][0][2:], shares[1][1][2:])]
    raw, targets = learner._gathered()
    assert targets.tolist() == list(range(count))
    assert raw[:, 0].tolist() == [10.0 * i for i in range(count)]
    assert learner.answers == []
