"""Any number of labels at once: a sigmoid and binary cross-entropy for each; F1, precision and recall."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from runtime.tasks import MultiLabel
from zoo.data import LabelSets
from zoo.tasks._classes import class_dataset, means, per_class

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch
    from numpy.typing import NDArray

    from runtime.inputs import Input
    from zoo.data import Dataset, Target
    from zoo.recipes import Training

BY_METRIC = True


def suits(target: Target) -> bool:
    """Take sets of labels."""
    return isinstance(target, LabelSets)


def convert(dataset: Dataset, training: Training) -> Dataset:
    """Return the data set with sets of labels as targets; a class becomes the set of it alone."""
    if isinstance(dataset.target, LabelSets):
        return dataset
    classes = class_dataset(dataset, "multilabel")
    labels = classes.target.labels  # type: ignore[union-attr]
    one_hot = np.eye(len(labels), dtype=np.int64)
    splits = {name: replace(split, targets=one_hot[split.targets]) for name, split in classes.splits.items()}
    return replace(classes, target=LabelSets(labels), splits=splits)


def problems(dataset: Dataset) -> list[str]:
    """Return the labels that every or no training sample bears."""
    held = dataset.splits["train"].targets.mean(0)
    labels = dataset.target.labels  # type: ignore[union-attr]
    return [
        f"the label {label!r} holds for {'every' if share else 'no'} training sample: there is nothing to learn"
        for label, share in zip(labels, held, strict=True)
        if share in (0, 1)
    ]


def output(dataset: Dataset, input_spec: Input, training: Training) -> MultiLabel:
    """Return a logit for each label."""
    return MultiLabel("multilabel", "logits", dataset.target.labels)  # type: ignore[union-attr]


def loss(
    output: MultiLabel, training: Training, targets: NDArray[np.int64]
) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
    """Return the mean of the labels' binary cross-entropies."""
    import torch

    smoothing = training.label_smoothing

    def entropy(logits: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
        soft = wanted.to(logits.dtype) * (1 - smoothing) + smoothing / 2
        return torch.nn.functional.binary_cross_entropy_with_logits(logits, soft)

    return entropy


def baseline(output: MultiLabel, targets: NDArray[np.int64]) -> NDArray[Any]:
    """Return logits for the most frequent labels, as many as give the best F1."""
    shares = targets.mean(0)
    ranked = np.sort(shares)[::-1]
    f1 = 2 * ranked.cumsum() / (np.arange(1, 1 + len(ranked)) + shares.sum())
    return np.where(shares >= ranked[f1.argmax()], 9, -9).astype(np.float32)


def report(output: MultiLabel, raw: NDArray[np.float32], targets: NDArray[np.int64]) -> dict[str, Any]:
    """Return F1 over all labels, the share of samples with every label right, and figures of each label."""
    held, wanted = output.probabilities(raw) >= output.threshold, targets > 0
    classes = per_class(output.labels, (held & wanted).sum(0), held.sum(0), wanted.sum(0))
    exact = float((held == wanted).all(1).mean())
    return {"metrics": {"f1": output.measure(raw, targets), "exact": exact, **means(classes)}, "classes": classes}


def draw(output: MultiLabel, raw: NDArray[Any], targets: NDArray[Any], title: str) -> dict[str, bytes]:
    """Return precision and recall of each label as bars."""
    from zoo.report import plots

    return {"labels.png": plots.label_bars(report(output, raw, targets)["classes"], title)}


def severity(output: MultiLabel, raw: NDArray[Any], targets: NDArray[Any]) -> NDArray[Any]:
    """Return how far the probabilities of wrong labels are off, in all."""
    scores = output.probabilities(raw)
    wrong = (scores >= output.threshold) != (targets > 0)
    error: NDArray[Any] = np.where(wrong, np.abs(scores - targets), 0).sum(1)
    return error


def written(output: MultiLabel, target: Any) -> str:
    """Return the labels that hold."""
    return ", ".join(label for label, held in zip(output.labels, target, strict=True) if held) or "none"
