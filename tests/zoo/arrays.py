"""Prepared data from arrays, and training on it without a recipe."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.pytorch.callbacks import Callback
from torch import nn

from export import NormalizePixels
from runtime.tasks import Classification, Output
from zoo.data import Classes, Dataset, Images, Split
from zoo.measure.scores import outputs, score
from zoo.recipes import Group, Training
from zoo.tasks import task
from zoo.train.config import Hardware
from zoo.train.learner import FitConfig
from zoo.train.prepare import Prepared
from zoo.train.trainer import fit

LABELS = ("dark", "bright")
OUTPUT = Classification("classification", "logits", LABELS)


def prepared(train: list[int], validation: list[int], *, swapped: bool = False) -> Prepared:
    """Images of 4x4 pixels, darker than grey in class 0 and brighter in class 1.

    Args:
        train: How many training images each class has.
        validation: How many validation images each class has.
        swapped: Whether validation calls the dark ones 1 and the bright ones 0.
    """
    random = np.random.default_rng(0)
    splits, inputs = {}, {}
    for name, counts in (("train", train), ("validation", validation)):
        targets = np.repeat(np.arange(len(counts)), counts)
        bright = targets[:, None, None, None] != (swapped and name == "validation")
        inputs[name] = (random.integers(0, 100, (len(targets), 4, 4, 1)) + 120 * bright).astype(np.uint8)
        splits[name] = Split(list(inputs[name]), targets)
    dataset = Dataset("shades", Images("L", (4, 4)), Classes(LABELS), splits, "a test", "none")
    return Prepared(dataset, inputs, ())


def linear() -> nn.Module:
    torch.manual_seed(0)
    return NormalizePixels(nn.Sequential(nn.Flatten(), nn.Linear(16, 2)), [0.5], [0.5])


def train_on(
    data: Prepared,
    folder: Path,
    network: nn.Module,
    resume: bool = False,
    *,
    output: Output = OUTPUT,
    logger: str = "none",
    callbacks: Sequence[Callback] = (),
    **options: Any,
) -> list[dict[str, float]]:
    training = dataclasses.replace(Training(batch_size=8, lr=0.01), **options)
    config = FitConfig(task(output.task), output, training, folder, 0, Hardware("cpu"), resume, logger)
    return fit(network, [Group([network])], data, config, callbacks)


def measured(network: nn.Module, data: Prepared, output: Output = OUTPUT, **options: Any) -> dict[str, Any]:
    """What a network is worth on the validation split, with the loss among the metrics."""
    raw, targets = outputs(network, data.inputs["validation"], output), data.targets("validation")
    known = task(output.task)
    results = score(known, output, raw, targets, data.targets("train"))
    loss = known.loss(output, Training(**options), data.targets("train"))
    results["metrics"]["loss"] = float(loss(torch.from_numpy(raw), torch.from_numpy(targets)))
    return results
