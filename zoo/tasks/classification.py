"""One class of several: softmax and cross-entropy; accuracy, precision, recall and F1."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from runtime.tasks import Classification
from zoo.data import Classes
from zoo.tasks._classes import (
    MEAN_RECALL,
    class_dataset,
    class_problems,
    class_report,
    class_weights,
    mean_recall,
    with_unsure,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch
    from numpy.typing import NDArray

    from runtime.inputs import Input
    from zoo.data import Dataset, Target
    from zoo.recipes import Training

BY_METRIC = True


def suits(target: Target) -> bool:
    """Take classes, unless there are two."""
    return isinstance(target, Classes) and len(target.labels) != 2


def convert(dataset: Dataset, training: Training) -> Dataset:
    """Return the data set with classes as targets."""
    return class_dataset(dataset, "classification")


def problems(dataset: Dataset) -> list[str]:
    """Return why the data set can't be learned from; see `zoo.tasks._classes.class_problems`."""
    return class_problems(dataset)


def output(dataset: Dataset, input_spec: Input, training: Training) -> Classification:
    """Return a logit for each label."""
    return Classification("classification", "logits", dataset.target.labels)  # type: ignore[union-attr]


def loss(
    output: Classification, training: Training, targets: NDArray[np.int64]
) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
    """Return cross-entropy, weighted and smoothed as the options say."""
    import torch

    weights = class_weights(training, targets, len(output.labels))
    entropy = torch.nn.CrossEntropyLoss(
        None if weights is None else torch.from_numpy(weights), label_smoothing=training.label_smoothing
    )
    return with_unsure(entropy) if training.outliers else entropy


def balanced_selection(
    output: Classification, training: Training, targets: NDArray[np.int64]
) -> tuple[str, Callable[[NDArray[Any], NDArray[Any]], float]] | None:
    """Return what chooses the best epoch where the classes are weighed: the mean of their recalls."""
    if class_weights(training, targets, len(output.labels)) is None:
        return None
    return MEAN_RECALL, lambda raw, targets: mean_recall(raw.argmax(1), targets)


def baseline(output: Classification, targets: NDArray[np.int64]) -> NDArray[Any]:
    """Return logits that choose the largest class."""
    return np.bincount(targets, minlength=len(output.labels)).astype(np.float32)


def report(output: Classification, raw: NDArray[np.float32], targets: NDArray[np.int64]) -> dict[str, Any]:
    """Return accuracy, and precision, recall and F1 of each class; see `zoo.tasks._classes.class_report`."""
    return class_report(output.labels, raw.argmax(1), targets)


def draw(output: Classification, raw: NDArray[Any], targets: NDArray[Any], title: str) -> dict[str, bytes]:
    """Return the confusion matrix."""
    from zoo.report import plots

    confusion = class_report(output.labels, raw.argmax(1), targets)["confusion"]
    return {"confusion.png": plots.confusion(confusion, output.labels, title)}


def severity(output: Classification, raw: NDArray[Any], targets: NDArray[Any]) -> NDArray[Any]:
    """Return the probability of the wrong answer where it is wrong."""
    return np.where(raw.argmax(1) == targets, 0, output.probabilities(raw).max(1))


def written(output: Classification, target: Any) -> str:
    """Return the label."""
    return output.labels[int(target)]
