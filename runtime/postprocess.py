"""Raw outputs to answers, whatever the task; what each task means by them is in `runtime.tasks`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from runtime.errors import EngineError
from runtime.shapes import fits, format_shape
from runtime.tensors import by_name

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from runtime.tasks import Output, Prediction
    from runtime.tensors import Tensors


def decode(output: Output, raw: Tensors, seen: Tensors, k: int) -> list[Prediction]:
    """Turn a batch of raw outputs into predictions.

    Args:
        output: The manifest's output part.
        raw: ``[batch, *shape]`` of the task's tensor, or arrays by name of its tensors.
        seen: The batch of inputs that gave them.
        k: How many labels each prediction's `top` lists, where the task has labels.

    Raises:
        EngineError: If a value is not finite or the shape is not the task's.
    """
    arrays = by_name(raw, ("",))
    for tensor, array in zip(output.tensors, arrays.values(), strict=True):
        if not fits(array.shape[1:], tensor.sizes):
            raise EngineError(f"the model gave {list(array.shape)} for [batch, {format_shape(tensor.sizes)}]")
        if array.dtype.kind == "f" and not all_finite(array):
            raise EngineError("the model gave outputs that are not finite; the file is broken or was trained to NaN")
    return output.decode(raw, seen, k)  # type: ignore[arg-type]  # an array for the tasks of one tensor


def measure(output: Output, raw: Tensors, targets: Tensors) -> float:
    """Return the task's metric on raw outputs of samples and their targets."""
    return output.measure(raw, targets)  # type: ignore[arg-type]  # an array for the tasks of one tensor


def all_finite(values: NDArray[Any]) -> bool:
    """Tell whether no value is infinite or NaN, in half the time that ``np.isfinite(values).all()`` takes for few."""
    return bool(np.count_nonzero(np.isfinite(values)) == values.size)
