"""How unlike the training data an input is: reconstruction error; ROC AUC against a class that was held out."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from runtime.errors import OptionError, unknown
from runtime.tasks import Anomaly
from zoo.data import Classes
from zoo.tasks._classes import class_dataset

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch
    from numpy.typing import NDArray

    from runtime.inputs import Input
    from zoo.data import Dataset, Target
    from zoo.recipes import Training

BY_METRIC = False  # anomalies are not known beforehand: they must not choose the weights
LABELS = ("normal", "anomaly")
QUANTILE = 0.95


def suits(target: Target) -> bool:
    """Take nothing unasked."""
    return False


def convert(dataset: Dataset, training: Training) -> Dataset:
    """Return the data set with one label as the anomaly, of which nothing is left in training.

    Raises:
        OptionError: If there is no such label.
    """
    classes = class_dataset(dataset, "anomaly")
    labels = classes.target.labels  # type: ignore[union-attr]
    if set(labels) == set(LABELS):
        odd = labels.index(LABELS[1])
    else:
        if training.anomaly and training.anomaly not in labels:
            raise OptionError(unknown("label for anomaly", training.anomaly, labels))
        odd = labels.index(training.anomaly) if training.anomaly else len(labels) - 1
    splits = {}
    for name, split in classes.splits.items():
        kept = split.keep(np.flatnonzero(split.targets != odd).tolist()) if name == "train" else split
        splits[name] = replace(kept, targets=(kept.targets == odd).astype(np.int64))
    return replace(classes, target=Classes(LABELS), splits=splits)


def problems(dataset: Dataset) -> list[str]:
    """Return whether normal samples to learn from are missing, or both kinds to validate with."""
    held = dataset.splits["validation"].targets
    problems = [] if len(dataset.splits["train"].targets) else ["there are no normal samples to train on"]
    return problems + [f"validation has no {label} samples" for i, label in enumerate(LABELS) if i not in held]


def output(dataset: Dataset, input_spec: Input, training: Training) -> Anomaly:
    """Return a residual for each feature; the threshold is set after training."""
    return Anomaly("anomaly", "residuals", int(np.prod([size for size in input_spec.tensors[0].sizes if size])), 1.0)


def finish(output: Anomaly, answers: Callable[[str], tuple[Any, NDArray[Any]]]) -> Anomaly:
    """Return the specification with the threshold that 5 % of the training samples exceed.

    Args:
        output: The specification.
        answers: Gives the trained network's outputs on a split, and the split's targets.
    """
    raw, _ = answers("train")
    return replace(output, threshold=max(float(np.quantile(output.scores(raw), QUANTILE)), 1e-12))


def loss(
    output: Anomaly, training: Training, targets: NDArray[np.int64]
) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
    """Return the mean square of the residuals of normal samples; 0 where there are none."""
    import torch

    def missed(residuals: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
        normal = residuals[wanted == 0]
        return torch.as_tensor((normal**2).sum() / max(1, normal.numel()))

    return missed


def baseline(output: Anomaly, targets: NDArray[np.int64]) -> NDArray[Any]:
    """Return the same residuals for everything."""
    return np.zeros(output.shape, np.float32)


def report(output: Anomaly, raw: NDArray[np.float32], targets: NDArray[np.int64]) -> dict[str, Any]:
    """Return ROC AUC, and at the threshold the share of anomalies found and of normal samples accused."""
    above = output.scores(raw) > output.threshold
    odd = targets == 1
    return {
        "metrics": {
            "roc_auc": output.measure(raw, targets),
            "found": float(above[odd].mean()) if odd.any() else 0.0,
            "false alarms": float(above[~odd].mean()) if (~odd).any() else 0.0,
        }
    }


def draw(output: Anomaly, raw: NDArray[Any], targets: NDArray[Any], title: str) -> dict[str, bytes]:
    """Return the scores of normal samples and of anomalies, with the threshold."""
    from zoo.report import plots

    return {"scores.png": plots.scores(output.scores(raw), targets == 1, output.threshold, title)}


def severity(output: Anomaly, raw: NDArray[Any], targets: NDArray[Any]) -> NDArray[Any]:
    """Return how far a score is on the wrong side of the threshold, as a factor."""
    ratio = np.log(np.maximum(output.scores(raw), 1e-12) / output.threshold)
    return np.maximum(np.where(targets == 1, -ratio, ratio), 0)


def written(output: Anomaly, target: Any) -> str:
    """Return normal or anomaly."""
    return LABELS[int(target)]
