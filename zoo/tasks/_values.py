"""Shared by the tasks with values: loss in units of the targets' deviation, MAE, RMSE and R²."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch
    from numpy.typing import NDArray

    from runtime.tasks import Forecasting, Regression
    from zoo.data import Dataset
    from zoo.recipes import Training


def spread(dataset: Dataset) -> tuple[float, float]:
    """Return mean and standard deviation of the training targets."""
    targets = dataset.splits["train"].targets.astype(np.float64)
    return float(targets.mean()), float(targets.std())


def constant(dataset: Dataset) -> list[str]:
    """Say so where the training targets are all the same, or too few."""
    targets = dataset.splits["train"].targets
    if len(targets) < 2 or not len(dataset.splits["validation"].targets):
        return [f"there are {len(targets)} samples to train on and {len(dataset.splits['validation'].targets)} to "
                "validate with: too few"]  # fmt: skip
    if targets.min() == targets.max():
        return [f"the target is {targets.flat[0]:g} in every training sample: there is nothing to learn"]
    return []


def value_loss(
    output: Regression | Forecasting, training: Training
) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
    """Return the mean squared, absolute or Huber loss, on the scale of the training targets' deviation."""
    import torch

    functional = torch.nn.functional
    kind: Any = {"mae": functional.l1_loss, "huber": functional.huber_loss}.get(training.loss, functional.mse_loss)

    def scaled(predictions: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = kind(
            predictions / output.std, wanted.reshape(predictions.shape).to(predictions.dtype) / output.std
        )
        return result

    return scaled


def value_report(predictions: NDArray[np.float32], targets: NDArray[np.float32]) -> dict[str, float]:
    """Return mean absolute error, root mean square error and coefficient of determination."""
    gaps = predictions.astype(np.float64) - targets
    total = float(((targets - targets.mean()) ** 2).sum())
    return {
        "mae": float(np.abs(gaps).mean()),
        "rmse": float(np.sqrt((gaps**2).mean())),
        "r2": 1 - float((gaps**2).sum()) / total if total else 0.0,
    }
