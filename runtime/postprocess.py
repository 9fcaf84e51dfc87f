"""Raw outputs to answers, whatever the task; what each task means by them is in `runtime.tasks`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from runtime.errors import EngineError
from runtime.shapes import fits, format_shape

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from runtime.tasks import Output, Prediction


def decode(output: Output, raw: NDArray[np.float32], seen: NDArray[Any], k: int) -> list[Prediction]:
    """Turn a batch of raw outputs into predictions.

    Args:
        output: The manifest's output part.
        raw: ``float32 [batch, *output.shape]``.
        seen: The inputs that gave them, ``[batch, ...]``.
        k: How many labels each prediction's `top` lists, where the task has labels.

    Raises:
        EngineError: If a value is not finite or the shape is not the task's.
    """
    if not fits(raw.shape[1:], output.shape):
        raise EngineError(f"the model gave {list(raw.shape)} for [batch, {format_shape(output.shape)}]")
    if not all_finite(raw):
        raise EngineError("the model gave outputs that are not finite; the file is broken or was trained to NaN")
    return output.decode(raw, seen, k)


def all_finite(values: NDArray[Any]) -> bool:
    """Tell whether no value is infinite or NaN, in half the time that ``np.isfinite(values).all()`` takes for few."""
    return bool(np.count_nonzero(np.isfinite(values)) == values.size)
