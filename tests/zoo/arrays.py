"""Prepared data from arrays, and training on it without a recipe."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from export import FromPixels
from zoo.dataset import Dataset, Split
from zoo.prepare import Prepared
from zoo.recipe import Group, Training
from zoo.training import Hardware, fit


def prepared(train: list[int], validation: list[int], *, swapped: bool = False) -> Prepared:
    """Images of 4x4 pixels, darker than grey in class 0 and brighter in class 1.

    Args:
        train: How many training images each class has.
        validation: How many validation images each class has.
        swapped: Whether validation calls the dark ones 1 and the bright ones 0.
    """
    random = np.random.default_rng(0)
    splits, pixels = {}, {}
    for name, counts in (("train", train), ("validation", validation)):
        targets = np.repeat(np.arange(len(counts)), counts)
        bright = targets[:, None, None, None] != (swapped and name == "validation")
        pixels[name] = (random.integers(0, 100, (len(targets), 4, 4, 1)) + 120 * bright).astype(np.uint8)
        splits[name] = Split(list(pixels[name]), targets)
    return Prepared(Dataset("shades", ("dark", "bright"), splits, "L", (4, 4), "a test", "none"), pixels, ())


def linear() -> nn.Module:
    torch.manual_seed(0)
    return FromPixels(nn.Sequential(nn.Flatten(), nn.Linear(16, 2)), [0.5], [0.5])


def train_on(
    data: Prepared, folder: Path, network: nn.Module, resume: bool = False, **options: Any
) -> list[dict[str, float]]:
    training = dataclasses.replace(Training(batch_size=8, lr=0.01), **options)
    return fit(network, [Group([network])], training, data, 0, folder, Hardware("cpu"), resume)
