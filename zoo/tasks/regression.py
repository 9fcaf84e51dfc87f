"""A number: mean squared, absolute or Huber loss; MAE, RMSE and R²."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from runtime.errors import OptionError
from runtime.humanize import number
from runtime.tasks import Regression
from zoo.data import Classes, Values
from zoo.tasks._classes import described
from zoo.tasks._values import constant, spread, value_loss, value_report

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch
    from numpy.typing import NDArray

    from runtime.inputs import Input
    from zoo.data import Dataset, Target
    from zoo.recipes import Training

BY_METRIC = True


def suits(target: Target) -> bool:
    """Take single numbers."""
    return isinstance(target, Values) and target.horizon is None


def convert(dataset: Dataset, training: Training) -> Dataset:
    """Return the data set with numbers as targets; classes whose labels are numbers become those.

    Raises:
        OptionError: If the targets are no numbers.
    """
    if suits(dataset.target):
        return dataset
    if isinstance(dataset.target, Classes):
        try:
            values = np.array([float(label) for label in dataset.target.labels], np.float32)
        except ValueError:
            values = np.array([np.nan], np.float32)
        if np.isfinite(values).all():
            splits = {name: replace(split, targets=values[split.targets]) for name, split in dataset.splits.items()}
            return replace(dataset, target=Values("value"), splits=splits)
    raise OptionError(f"task=regression needs numbers; {dataset.name!r} has {described(dataset)}")


def problems(dataset: Dataset) -> list[str]:
    """Return why the data set can't be learned from; see `zoo.tasks._values.constant`."""
    return constant(dataset)


def output(dataset: Dataset, input_spec: Input, training: Training) -> Regression:
    """Return one value."""
    target = dataset.target
    return Regression("regression", "value", target.name, target.unit, *spread(dataset))  # type: ignore[union-attr]


def loss(
    output: Regression, training: Training, targets: NDArray[np.float32]
) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
    """Return the loss that the options name; see `zoo.tasks._values.value_loss`."""
    return value_loss(output, training)


def baseline(output: Regression, targets: NDArray[np.float32]) -> NDArray[Any]:
    """Return the mean."""
    return np.array([targets.mean()], np.float32)


def report(output: Regression, raw: NDArray[np.float32], targets: NDArray[np.float32]) -> dict[str, Any]:
    """Return MAE, RMSE and R²."""
    return {"metrics": value_report(raw[:, 0], targets)}


def draw(output: Regression, raw: NDArray[Any], targets: NDArray[Any], title: str) -> dict[str, bytes]:
    """Return predictions against targets."""
    from zoo.report import plots

    name = f"{output.target}{f' in {output.unit}' if output.unit else ''}"
    return {"predictions.png": plots.scatter(raw[:, 0], targets, name, title)}


def severity(output: Regression, raw: NDArray[Any], targets: NDArray[Any]) -> NDArray[Any]:
    """Return the absolute error."""
    error: NDArray[Any] = np.abs(raw[:, 0] - targets)
    return error


def written(output: Regression, target: Any) -> str:
    """Return the number with its unit."""
    return f"{number(float(target), 5)} {output.unit}".strip()
