"""The next numbers of a series: mean squared, absolute or Huber loss; MAE, RMSE and R²."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from runtime.errors import OptionError
from runtime.humanize import number
from runtime.tasks import Forecasting
from zoo.data import Values
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
    """Take numbers of the next steps."""
    return isinstance(target, Values) and target.horizon is not None


def convert(dataset: Dataset, training: Training) -> Dataset:
    """Return the data set as it is.

    Raises:
        OptionError: If its targets are no numbers of next steps.
    """
    if suits(dataset.target):
        return dataset
    raise OptionError(f"task=forecasting needs a series; the targets of {dataset.name!r} are {described(dataset)}")


def problems(dataset: Dataset) -> list[str]:
    """Return why the data set can't be learned from; see `zoo.tasks._values.constant`."""
    return constant(dataset)


def output(dataset: Dataset, input_spec: Input, training: Training) -> Forecasting:
    """Return a value for each step ahead."""
    target: Any = dataset.target
    return Forecasting("forecasting", "values", target.name, target.unit, target.horizon, *spread(dataset))


def loss(
    output: Forecasting, training: Training, targets: NDArray[np.float32]
) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
    """Return the loss that the options name; see `zoo.tasks._values.value_loss`."""
    return value_loss(output, training)


def baseline(output: Forecasting, targets: NDArray[np.float32]) -> NDArray[Any]:
    """Return the mean of each step ahead."""
    mean: NDArray[Any] = targets.mean(0).astype(np.float32)
    return mean


def report(output: Forecasting, raw: NDArray[np.float32], targets: NDArray[np.float32]) -> dict[str, Any]:
    """Return MAE, RMSE and R² over all steps ahead."""
    return {"metrics": value_report(raw, targets)}


def draw(output: Forecasting, raw: NDArray[Any], targets: NDArray[Any], title: str) -> dict[str, bytes]:
    """Return some forecasts over what came, and the error at each step ahead."""
    from zoo.report import plots

    name = f"{output.target}{f' in {output.unit}' if output.unit else ''}"
    return {"forecasts.png": plots.forecasts(raw, targets, name, title)}


def severity(output: Forecasting, raw: NDArray[Any], targets: NDArray[Any]) -> NDArray[Any]:
    """Return the mean absolute error of each forecast."""
    error: NDArray[Any] = np.abs(raw - targets).mean(1)
    return error


def written(output: Forecasting, target: Any) -> str:
    """Return the numbers with their unit."""
    return f"{', '.join(number(float(value)) for value in target)} {output.unit}".strip()
