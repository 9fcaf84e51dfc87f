"""One class of two: sigmoid and binary cross-entropy; accuracy, precision, recall, F1 and ROC AUC."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from runtime.errors import OptionError
from runtime.tasks import Binary
from zoo.data import Classes
from zoo.tasks._classes import (
    MEAN_RECALL,
    UNSURE,
    class_dataset,
    class_problems,
    class_report,
    class_weights,
    mean_recall,
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
    """Take two classes."""
    return isinstance(target, Classes) and len(target.labels) == 2


def convert(dataset: Dataset, training: Training) -> Dataset:
    """Return the data set with two classes as targets.

    Raises:
        OptionError: If it has another number of classes.
    """
    classes = class_dataset(dataset, "binary")
    if len(classes.target.labels) != 2:  # type: ignore[union-attr]
        raise OptionError(
            f"task=binary needs two classes; {dataset.name!r} has {len(classes.target.labels)}: "  # type: ignore[union-attr]
            "leave the task out, or set task=classification"
        )
    return classes


def problems(dataset: Dataset) -> list[str]:
    """Return why the data set can't be learned from; see `zoo.tasks._classes.class_problems`."""
    return class_problems(dataset)


def output(dataset: Dataset, input_spec: Input, training: Training) -> Binary:
    """Return one logit."""
    return Binary("binary", "logit", dataset.target.labels)  # type: ignore[union-attr,arg-type]


def loss(
    output: Binary, training: Training, targets: NDArray[np.int64]
) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
    """Return binary cross-entropy, weighted and smoothed as the options say."""
    import torch

    rarity = class_weights(training, targets, 2)
    weights = torch.ones(2) if rarity is None else torch.from_numpy(rarity)
    smoothing = training.label_smoothing

    def entropy(logits: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
        unsure = wanted == UNSURE
        soft = torch.where(unsure, 0.5, wanted.to(logits.dtype) * (1 - smoothing) + smoothing / 2)
        weight = torch.where(unsure, 1.0, weights.to(logits.device)[wanted])
        losses = torch.nn.functional.binary_cross_entropy_with_logits(logits[:, 0], soft, reduction="none")
        return (losses * weight).sum() / weight.sum()

    return entropy


def balanced_selection(
    output: Binary, training: Training, targets: NDArray[np.int64]
) -> tuple[str, Callable[[NDArray[Any], NDArray[Any]], float]] | None:
    """Return what chooses the best epoch where the classes are weighed: the mean of their recalls."""
    if class_weights(training, targets, 2) is None:
        return None
    return MEAN_RECALL, lambda raw, targets: mean_recall((raw[:, 0] > 0).astype(np.int64), targets)


def baseline(output: Binary, targets: NDArray[np.int64]) -> NDArray[Any]:
    """Return a logit that chooses the larger class."""
    return np.array([9 if targets.mean() > 0.5 else -9], np.float32)


def report(output: Binary, raw: NDArray[np.float32], targets: NDArray[np.int64]) -> dict[str, Any]:
    """Return accuracy, ROC AUC, and precision, recall and F1 of each class."""
    import torch
    from torchmetrics.functional.classification import binary_auroc

    result = class_report(output.labels, output.chosen(raw), targets)
    if 0 < targets.sum() < len(targets):
        area = binary_auroc(
            torch.from_numpy(output.probabilities(raw)[:, 1]), torch.from_numpy(np.ascontiguousarray(targets))
        )
        result["metrics"]["roc_auc"] = float(area)
    return result


def draw(output: Binary, raw: NDArray[Any], targets: NDArray[Any], title: str) -> dict[str, bytes]:
    """Return the confusion matrix."""
    from zoo.report import plots

    confusion = class_report(output.labels, output.chosen(raw), targets)["confusion"]
    return {"confusion.png": plots.confusion(confusion, output.labels, title)}


def severity(output: Binary, raw: NDArray[Any], targets: NDArray[Any]) -> NDArray[Any]:
    """Return the probability of the wrong answer where it is wrong."""
    return np.where(output.chosen(raw) == targets, 0, output.probabilities(raw).max(1))


def written(output: Binary, target: Any) -> str:
    """Return the label."""
    return output.labels[int(target)]
