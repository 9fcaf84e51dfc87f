"""Our training path against a loop written by hand: the same network, data, augmentation, optimiser and schedule.

Both take turns, an epoch each, in one process; what counts is the time from the first batch of an epoch to its last.
"""

from __future__ import annotations

import copy
import statistics
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.pytorch.callbacks import Callback
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2

from benchmarks.measure import Row
from runtime.spec import ModelSpec
from runtime.tasks import Classification
from zoo.data import Classes, Images, Split
from zoo.data import Dataset as ZooDataset
from zoo.recipes import Recipe, recipe
from zoo.tasks import task
from zoo.train import network
from zoo.train.config import Hardware
from zoo.train.learner import FitConfig
from zoo.train.prepare import Prepared
from zoo.train.trainer import fit

ROUNDS = 5
BAR = 0.9


class Clock(Callback):
    """Keeps the time from the first batch of the epoch to its last."""

    seconds = 0.0

    def on_train_epoch_start(self, trainer: Any, learner: Any) -> None:
        """Start."""
        self.start = time.perf_counter()

    def on_train_batch_end(self, trainer: Any, learner: Any, outputs: Any, batch: Any, index: int) -> None:
        """Stop, for now."""
        self.seconds = time.perf_counter() - self.start


def rows() -> Iterator[Row]:
    """Measure the default cnn on MNIST's shape, and fine-tuning of EfficientNet-Lite0 on photos' shape."""
    torch.manual_seed(0)
    cnn, transfer = recipe("cnn"), recipe("transfer")
    shift = v2.RandomAffine(
        10, translate=(0.1, 0.1), scale=(0.9, 1.1), interpolation=v2.InterpolationMode.BILINEAR, fill=0
    )
    yield _row("train cnn, 28×28 gray", cnn, cnn.options(), (28, 28), "L", 3200, shift)
    photos = v2.Compose(
        [
            v2.RandomResizedCrop((224, 224), scale=(0.6, 1.0), ratio=(0.8, 1.25), antialias=True),
            v2.RandomHorizontalFlip(),
            v2.ColorJitter(brightness=0.2, contrast=0.2, saturation=0.2),
        ]
    )
    options = transfer.options(mode="finetune", pretrained=False)
    yield _row("fine-tune EfficientNet-Lite0, 224×224 RGB", transfer, options, (224, 224), "RGB", 64, photos)


def _row(
    name: str, declared: Recipe, options: Any, size: tuple[int, int], mode: str, count: int, augment: v2.Transform
) -> Row:
    data = _data(size, mode, count)
    output = Classification("classification", "logits", data.dataset.target.labels)
    training = replace(declared.training, epochs=1, augment=_names(augment), ema=0.0)
    spec = ModelSpec("benchmark", declared.input(options, data.dataset), output)
    proper, module = network.build(declared, options, spec)
    whole = replace(training, warmup=0.0)
    ours, hand = [], []
    for turn in range(ROUNDS + 1):
        clock = Clock()
        trained, by_hand = copy.deepcopy((proper, module)), copy.deepcopy(module)
        groups = [replace(group, start=0.0) for group in declared.groups(options, trained[0])]
        with tempfile.TemporaryDirectory() as folder:
            config = FitConfig(task(output.task), output, whole, Path(folder), hardware=Hardware("cpu"))
            fit(trained[1], groups, data, config, [clock])
        seconds = _by_hand(by_hand, data, augment, whole)
        if turn:
            ours.append(clock.seconds)
            hand.append(seconds)
    images = count // training.batch_size * training.batch_size
    rate, baseline = (images / statistics.median(times) for times in (ours, hand))
    return Row(
        name, f"{rate:,.0f} images/s", f"{baseline:,.0f} images/s", f"{rate / baseline:.3f}×", f"≥ {BAR}×",
        rate / baseline >= BAR,
    )  # fmt: skip


class _Augmented(Dataset[Any]):
    def __init__(self, images: np.ndarray, targets: np.ndarray, augment: v2.Transform) -> None:
        self.images, self.targets, self.augment = images, targets, augment

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        image = self.images[index]
        picture = self.augment(Image.fromarray(image[:, :, 0] if image.shape[2] == 1 else image))
        return torch.from_numpy(np.array(picture).reshape(image.shape)), int(self.targets[index])


def _by_hand(module: nn.Module, data: Prepared, augment: v2.Transform, training: Any) -> float:
    """Train for an epoch as a tutorial would, and return its seconds."""
    from timm.optim import create_optimizer_v2

    loader = DataLoader(
        _Augmented(data.inputs["train"], data.targets("train"), augment), training.batch_size, shuffle=True,
        drop_last=True,
    )  # fmt: skip
    optimizer = create_optimizer_v2(
        module, training.optimizer, lr=training.lr, weight_decay=training.weight_decay, momentum=training.momentum
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, training.lr, total_steps=max(2, len(loader)))
    entropy = nn.CrossEntropyLoss(label_smoothing=training.label_smoothing)
    module.train()
    start = time.perf_counter()
    right = 0
    for images, targets in loader:
        logits = module(images)
        loss = entropy(logits, targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        right += int((logits.argmax(1) == targets).sum())
    return time.perf_counter() - start


def _names(augment: v2.Transform) -> tuple[Any, ...]:
    return ("shift",) if isinstance(augment, v2.RandomAffine) else ("crop", "flip", "color")


def _data(size: tuple[int, int], mode: Any, count: int) -> Prepared:
    random = np.random.default_rng(0)
    shape = (*size, 1 if mode == "L" else 3)
    inputs, splits = {}, {}
    for name, number in (("train", count), ("validation", 64)):
        inputs[name] = random.integers(0, 256, (number, *shape), np.uint8)
        splits[name] = Split(list(inputs[name]), np.arange(number) % 10)
    content = Images(mode, size)
    labels = Classes(tuple(f"class {i}" for i in range(10)))
    return Prepared(ZooDataset("noise", content, labels, splits, "random", "none"), inputs, ())
