"""Values: a number, or a number for each of the next steps. The graph gives them in their own unit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from runtime.frozen_dataclass import frozen_dataclass
from runtime.humanize import number
from runtime.printable import is_printable
from runtime.schema import check_types
from runtime.tasks.prediction import Better, Prediction
from runtime.tensor_spec import OneTensor

if TYPE_CHECKING:
    from numpy.typing import NDArray


@frozen_dataclass
class ValuePrediction(Prediction):
    """A number, or one for each of the next steps.

    Args:
        value: The number; an array ``float32 [horizon]`` for a forecast.
        target: What it is a value of.
        unit: Its unit; empty where it has none.
    """

    value: float | NDArray[np.float32]
    target: str
    unit: str

    @property
    def summary(self) -> str:
        """The value with its unit."""
        values = ", ".join(number(float(value), 5) for value in np.atleast_1d(self.value))
        return f"{self.target} {values}{' ' if self.unit else ''}{self.unit}"

    def to_dict(self) -> dict[str, Any]:
        """Return ``target``, ``value`` and ``unit``."""
        value = self.value if isinstance(self.value, float) else self.value.tolist()
        return {"target": self.target, "value": value, "unit": self.unit}


@frozen_dataclass
class Regression(OneTensor):
    """A number: the graph gives ``float32 [batch, 1]``.

    Args:
        task: Always ``regression``.
        name: The graph's output name.
        target: What the number is a value of.
        unit: Its unit; empty where it has none.
        mean: Of the training targets; what a model without an input would say.
        std: Of the training targets.
    """

    task: Literal["regression"]
    name: str
    target: str
    unit: str
    mean: float
    std: float

    AXES: ClassVar[tuple[str, ...]] = ("value",)
    metric: ClassVar[str] = "rmse"
    better: ClassVar[Better] = "min"

    def __post_init__(self) -> None:
        """Check the types, and the names and the range."""
        check_types(self)
        check_target(self.target, self.unit, self.std)

    @property
    def shape(self) -> tuple[int]:
        """One value."""
        return (1,)

    def decode(self, raw: NDArray[np.float32], seen: NDArray[Any], k: int) -> list[Prediction]:
        """Return each value with its unit."""
        return [ValuePrediction(x, float(row[0]), self.target, self.unit) for x, row in zip(seen, raw, strict=True)]

    def agreement(self, reference: NDArray[Any], outputs: NDArray[Any], slack: float) -> NDArray[np.bool_]:
        """Tell whether the values are the same but for `slack`."""
        return np.asarray((np.abs(reference - outputs) <= slack).all(axis=1))

    def measure(self, raw: NDArray[np.float32], targets: NDArray[np.float32]) -> float:
        """Return the root mean square error against ``float32 [samples]``, in the target's unit."""
        return rmse(raw[:, 0], targets)


@frozen_dataclass
class Forecasting(OneTensor):
    """A number for each of the next steps: the graph gives ``float32 [batch, horizon]``.

    Args:
        task: Always ``forecasting``.
        name: The graph's output name.
        target: What the numbers are values of.
        unit: Their unit; empty where they have none.
        horizon: How many steps are foretold.
        mean: Of the training targets; what a model without an input would say.
        std: Of the training targets.
    """

    task: Literal["forecasting"]
    name: str
    target: str
    unit: str
    horizon: int
    mean: float
    std: float

    AXES: ClassVar[tuple[str, ...]] = ("step",)
    metric: ClassVar[str] = "rmse"
    better: ClassVar[Better] = "min"

    def __post_init__(self) -> None:
        """Check the types, and the names and the ranges."""
        check_types(self)
        check_target(self.target, self.unit, self.std)
        if self.horizon < 1:
            raise ValueError(f"horizon must be at least 1, got {self.horizon}")

    @property
    def shape(self) -> tuple[int]:
        """One value for each step."""
        return (self.horizon,)

    def decode(self, raw: NDArray[np.float32], seen: NDArray[Any], k: int) -> list[Prediction]:
        """Return the values of each row with their unit."""
        return [ValuePrediction(x, row, self.target, self.unit) for x, row in zip(seen, raw, strict=True)]

    def agreement(self, reference: NDArray[Any], outputs: NDArray[Any], slack: float) -> NDArray[np.bool_]:
        """Tell whether all values of a row are the same but for `slack`."""
        return np.asarray((np.abs(reference - outputs) <= slack).all(axis=1))

    def measure(self, raw: NDArray[np.float32], targets: NDArray[np.float32]) -> float:
        """Return the root mean square error against ``float32 [samples, horizon]``, in the target's unit."""
        return rmse(raw, targets)


def rmse(outputs: NDArray[np.float32], targets: NDArray[np.float32]) -> float:
    """Return the root mean square error of two arrays of the same size."""
    return float(np.sqrt(np.mean((outputs.astype(np.float64) - np.reshape(targets, outputs.shape)) ** 2)))


def check_target(target: str, unit: str, std: float) -> None:
    """Check the names of a value and the spread of its training targets.

    Raises:
        ValueError: If the target has no name, a name is not printable, or the spread is not above 0.
    """
    if not target or not is_printable(target + unit) or not std > 0:
        raise ValueError(f"a value needs a printable name and unit, and std above 0; got {target!r}, {unit!r}, {std}")
