"""Shared by the tasks with labels: weights, problems of a data set, precision, recall and F1 of each class."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from runtime.errors import OptionError
from zoo.data import Classes, Dataset, Values

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch
    from numpy.typing import NDArray

    from zoo.recipes import Training

IMBALANCE = 1.5
MOST_CLASSES = 100
MEAN_RECALL = "mean recall"
UNSURE = -1
"""The target of what bears no label, such as noise among words: each label is as likely."""


def class_dataset(dataset: Dataset, task: str) -> Dataset:
    """Return a data set whose targets are classes; whole numbers become the labels of classes.

    Raises:
        OptionError: If the targets can't be classes.
    """
    if isinstance(dataset.target, Classes):
        return dataset
    if isinstance(dataset.target, Values) and dataset.target.horizon is None:
        values = np.unique(np.concatenate([split.targets for split in dataset.splits.values()]))
        if len(values) <= MOST_CLASSES and (values == np.rint(values)).all():
            splits = {
                name: replace(split, targets=np.searchsorted(values, split.targets).astype(np.int64))
                for name, split in dataset.splits.items()
            }
            return replace(dataset, target=Classes(tuple(f"{int(value)}" for value in values)), splits=splits)
    raise OptionError(f"task={task} needs classes; {dataset.name!r} has {described(dataset)}")


def described(dataset: Dataset) -> str:
    """Return what a data set's targets are, in words."""
    kinds = {
        "Classes": "classes",
        "LabelSets": "sets of labels",
        "Values": "numbers",
        "Texts": "texts",
        "Boxes": "boxes",
    }
    return kinds[type(dataset.target).__name__]


def class_problems(dataset: Dataset) -> list[str]:
    """Return why classes can't be learned: a second class is missing, or samples of one in training or validation."""
    assert isinstance(dataset.target, Classes)  # noqa: S101  # what `class_dataset` gives
    labels = dataset.target.labels
    if len(labels) < 2:
        return [f"there is a single class ({labels[0]!r}): a classifier needs two or more"]
    problems = []
    for name in ("train", "validation"):
        counts = np.bincount(dataset.splits[name].targets, minlength=len(labels))
        absent = [label for label, count in zip(labels, counts, strict=True) if count == 0]
        if absent:
            hint = "add some, two or more a class, or remove the class"
            problems.append(f"no readable samples in {name} of: {', '.join(absent)} ({hint})")
    return problems


def class_weights(training: Training, targets: NDArray[np.int64], labels: int) -> NDArray[np.float32] | None:
    """Return loss weights ``float32 [labels]`` whose mean over the training samples is 1, or None for equal ones."""
    counts = np.bincount(targets, minlength=labels)
    if training.class_weights == "none" or (training.class_weights == "auto" and not is_unbalanced(counts)):
        return None
    weights: NDArray[np.float32] = (counts.sum() / (len(counts) * np.maximum(counts, 1))).astype(np.float32)
    return weights


def mean_recall(chosen: NDArray[np.int64], targets: NDArray[np.int64]) -> float:
    """Return the mean recall over the classes that have samples, which is also called balanced accuracy."""
    return float(np.mean([np.mean(chosen[targets == label] == label) for label in np.unique(targets)]))


def is_unbalanced(counts: NDArray[Any]) -> bool:
    """Say whether the largest class has so many more samples than the smallest that classes are weighed."""
    return bool(counts.max() > IMBALANCE * counts.min())


def class_report(labels: tuple[str, ...], chosen: NDArray[np.int64], targets: NDArray[np.int64]) -> dict[str, Any]:
    """Return accuracy, means of precision, recall and F1 over the classes, each class's own, and the confusion matrix.

    Args:
        labels: What each target stands for.
        chosen: The answers, ``int64 [samples]``.
        targets: The right answers, ``int64 [samples]``.
    """
    import torch
    from torchmetrics.functional.classification import multiclass_confusion_matrix

    predictions, wanted = (
        torch.from_numpy(np.ascontiguousarray(chosen)),
        torch.from_numpy(np.ascontiguousarray(targets)),
    )
    confusion = multiclass_confusion_matrix(predictions, wanted, len(labels)).numpy()
    hits, answered, present = np.diag(confusion), confusion.sum(0), confusion.sum(1)
    classes = per_class(labels, hits, answered, present)
    return {
        "metrics": {"accuracy": float(hits.sum() / len(targets)), **means(classes)},
        "classes": classes,
        "confusion": confusion.tolist(),
    }


def per_class(
    labels: tuple[str, ...], hits: NDArray[Any], answered: NDArray[Any], present: NDArray[Any]
) -> dict[str, dict[str, float | int | None]]:
    """Return precision, recall, F1 (None where no sample decides them) and the number of samples of each label."""
    return {
        label: {
            "precision": float(hit / said) if said else None,
            "recall": float(hit / there) if there else None,
            "f1": float(2 * hit / (said + there)) if said + there else None,
            "samples": int(there),
        }
        for label, hit, said, there in zip(labels, hits, answered, present, strict=True)
    }


def means(classes: dict[str, dict[str, float | int | None]]) -> dict[str, float]:
    """Return the means over the classes that have samples (macro averages); what is undefined there counts as 0."""
    present = [row for row in classes.values() if row["samples"]]
    return {
        f"mean {name}": float(np.mean([row[name] or 0.0 for row in present])) if present else 0.0
        for name in ("precision", "recall", "f1")
    }


def with_unsure(
    entropy: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
    """Return a loss of logits and targets, of which those that are `UNSURE` stand for each label alike."""
    import torch

    def loss(raw: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        sure = targets != UNSURE
        if bool(sure.all()):
            return entropy(raw, targets)
        unsure = -torch.log_softmax(raw[~sure], 1).mean(1).sum()
        known = entropy(raw[sure], targets[sure]) * sure.sum() if bool(sure.any()) else raw.new_zeros(())
        return (known + unsure) / len(targets)

    return loss
