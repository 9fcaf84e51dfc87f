"""Raw outputs: the tensors of a network as they are, for what no other task means."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from runtime.frozen_dataclass import frozen_dataclass
from runtime.schema import check_types
from runtime.tasks.prediction import Better, Prediction
from runtime.tensor_spec import SeveralTensors, TensorSpec, check_tensors
from runtime.tensors import by_name, select, size

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from runtime.tensors import Tensors


@frozen_dataclass
class RawPrediction(Prediction):
    """The outputs of a network for one input.

    Args:
        outputs: The arrays by name, without the batch axis.
    """

    outputs: dict[str, NDArray[Any]]

    def __getitem__(self, name: str) -> NDArray[Any]:
        """Return the array of a name.

        Raises:
            KeyError: If there is none.
        """
        return self.outputs[name]

    @property
    def summary(self) -> str:
        """The name, type and shape of each output, and the range of its values."""
        return "   ".join(
            f"{name} {array.dtype} {list(array.shape)}"
            + (f" {array.min():.4g}…{array.max():.4g}" if array.size else "")
            for name, array in self.outputs.items()
        )

    def to_dict(self) -> dict[str, Any]:
        """Return ``outputs``: nested lists by name."""
        return {"outputs": {name: array.tolist() for name, array in self.outputs.items()}}


@frozen_dataclass
class Raw(SeveralTensors):
    """Tensors as they are.

    Args:
        task: Always ``raw``.
        tensors: The graph's outputs, in the order in which the module gives them.
    """

    task: Literal["raw"]
    tensors: tuple[TensorSpec, ...]

    metric: ClassVar[str] = "rmse"
    better: ClassVar[Better] = "min"

    def __post_init__(self) -> None:
        """Check the types and the names."""
        check_types(self)
        check_tensors(self.tensors)

    def decode(self, raw: Tensors, seen: Tensors, k: int) -> list[Prediction]:
        """Return the outputs of each sample."""
        arrays = by_name(raw, self.names)
        return [
            RawPrediction(select(seen, i), {name: array[i] for name, array in arrays.items()}) for i in range(size(raw))
        ]

    def agreement(self, reference: Tensors, outputs: Tensors, slack: Mapping[str, float] | float) -> NDArray[np.bool_]:
        """Tell whether all values of a sample are the same but for the `slack` of their tensor."""
        wanted, actual = by_name(reference, self.names), by_name(outputs, self.names)
        limits = self.slack_of_each(slack)
        same = np.ones(size(reference), np.bool_)
        for name, array in wanted.items():
            gap = np.abs(actual[name].astype(np.float64) - array).reshape(len(array), -1)
            same &= (gap <= limits[name]).all(axis=1)
        return same

    def measure(self, raw: Tensors, targets: Tensors) -> float:
        """Return the root mean square error of all values against targets of the same names and shapes."""
        wanted, actual = by_name(targets, self.names), by_name(raw, self.names)
        gaps = [actual[name].astype(np.float64) - wanted[name] for name in self.names]
        return float(np.sqrt(np.mean(np.concatenate([gap.ravel() for gap in gaps]) ** 2)))
