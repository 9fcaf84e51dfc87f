"""The tensors in which a task's answers are given to clients that send encoded files.

============== =====================================================================================
task           tensors, for a request of ``n`` files
============== =====================================================================================
classification ``label`` BYTES ``[n]``, ``score`` FP32 ``[n]``, ``scores`` FP32 ``[n, labels]``
binary         the same, of two labels
multilabel     ``scores`` FP32 ``[n, labels]``, ``predicted`` BOOL ``[n, labels]``: the labels that hold
regression     ``value`` FP32 ``[n]``
forecasting    ``value`` FP32 ``[n, horizon]``
ctc            ``text`` BYTES ``[n]``, ``score`` FP32 ``[n]``
anomaly        ``score`` FP64 ``[n]``, ``is_anomaly`` BOOL ``[n]``
detection      ``count`` INT32 ``[n]``: the boxes of each file; ``box`` FP32 ``[boxes, 4]``: left, top, right and
               bottom in pixels of the upright picture; ``label`` BYTES ``[boxes]``, ``score`` FP32 ``[boxes]``: of
               the boxes of the first file, then of the second, and so on
raw            the manifest's outputs
============== =====================================================================================

The scores are those of the predictions, `runtime.tasks`, and the labels of ``scores`` are in the manifest's order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from zoo.serving.messages import BYTES, TensorDeclaration, byte_strings, datatype_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from runtime.tasks import Output, Prediction
    from runtime.tensor_spec import TensorSpec


class TaskTensors(NamedTuple):
    """A task's tensors: what each is called and holds, and how predictions fill them."""

    declare: Callable[[Any], tuple[TensorDeclaration, ...]]
    fill: Callable[[Sequence[Any]], dict[str, NDArray[Any]]]


def declare(output: Output) -> tuple[TensorDeclaration, ...]:
    """Return the tensors of a task as a model's metadata declares them."""
    return TASKS[output.task].declare(output)


def fill(output: Output, predictions: Sequence[Prediction]) -> dict[str, NDArray[Any]]:
    """Return the tensors of predictions by name."""
    return TASKS[output.task].fill(predictions)


def declare_tensors(tensors: Sequence[TensorSpec]) -> tuple[TensorDeclaration, ...]:
    """Return tensors of the manifest, which are given without the batch axis, as a model's metadata declares them."""
    return tuple(
        TensorDeclaration(tensor.name, datatype_of(tensor.numpy_dtype), (-1, *(size or -1 for size in tensor.sizes)))
        for tensor in tensors
    )


def _declare_class(output: Any) -> tuple[TensorDeclaration, ...]:
    return (
        TensorDeclaration("label", BYTES, (-1,)),
        TensorDeclaration("score", "FP32", (-1,)),
        TensorDeclaration("scores", "FP32", (-1, len(output.labels))),
    )


def _fill_class(predictions: Sequence[Any]) -> dict[str, NDArray[Any]]:
    return {
        "label": _texts(each.label for each in predictions),
        "score": np.array([each.score for each in predictions], np.float32),
        "scores": np.stack([each.scores for each in predictions]),
    }


def _declare_labels(output: Any) -> tuple[TensorDeclaration, ...]:
    shape = (-1, len(output.labels))
    return TensorDeclaration("scores", "FP32", shape), TensorDeclaration("predicted", "BOOL", shape)


def _fill_labels(predictions: Sequence[Any]) -> dict[str, NDArray[Any]]:
    return {
        "scores": np.stack([each.scores for each in predictions]),
        "predicted": np.stack([each.scores >= each.threshold for each in predictions]),
    }


def _declare_value(output: Any) -> tuple[TensorDeclaration, ...]:
    return (TensorDeclaration("value", "FP32", (-1,) if output.task == "regression" else (-1, output.horizon)),)


def _fill_value(predictions: Sequence[Any]) -> dict[str, NDArray[Any]]:
    return {"value": np.array([each.value for each in predictions], np.float32)}


def _declare_text(output: Any) -> tuple[TensorDeclaration, ...]:
    return TensorDeclaration("text", BYTES, (-1,)), TensorDeclaration("score", "FP32", (-1,))


def _fill_text(predictions: Sequence[Any]) -> dict[str, NDArray[Any]]:
    return {
        "text": _texts(each.text for each in predictions),
        "score": np.array([each.score for each in predictions], np.float32),
    }


def _declare_anomaly(output: Any) -> tuple[TensorDeclaration, ...]:
    return TensorDeclaration("score", "FP64", (-1,)), TensorDeclaration("is_anomaly", "BOOL", (-1,))


def _fill_anomaly(predictions: Sequence[Any]) -> dict[str, NDArray[Any]]:
    return {
        "score": np.array([each.score for each in predictions], np.float64),
        "is_anomaly": np.array([each.is_anomaly for each in predictions], np.bool_),
    }


def _declare_boxes(output: Any) -> tuple[TensorDeclaration, ...]:
    return (
        TensorDeclaration("count", "INT32", (-1,)),
        TensorDeclaration("box", "FP32", (-1, 4)),
        TensorDeclaration("label", BYTES, (-1,)),
        TensorDeclaration("score", "FP32", (-1,)),
    )


def _fill_boxes(predictions: Sequence[Any]) -> dict[str, NDArray[Any]]:
    boxes = [box for each in predictions for box in each.boxes]
    return {
        "count": np.array([len(each.boxes) for each in predictions], np.int32),
        "box": np.array([(box.left, box.top, box.right, box.bottom) for box in boxes], np.float32).reshape(-1, 4),
        "label": _texts(box.label for box in boxes),
        "score": np.array([box.score for box in boxes], np.float32),
    }


def _declare_raw(output: Any) -> tuple[TensorDeclaration, ...]:
    return declare_tensors(output.tensors)


def _fill_raw(predictions: Sequence[Any]) -> dict[str, NDArray[Any]]:
    return {name: np.stack([each.outputs[name] for each in predictions]) for name in predictions[0].outputs}


def _texts(texts: Any) -> NDArray[Any]:
    return byte_strings([text.encode() for text in texts])


_CLASSES = TaskTensors(_declare_class, _fill_class)
_VALUES = TaskTensors(_declare_value, _fill_value)
TASKS = {
    "classification": _CLASSES,
    "binary": _CLASSES,
    "multilabel": TaskTensors(_declare_labels, _fill_labels),
    "regression": _VALUES,
    "forecasting": _VALUES,
    "ctc": TaskTensors(_declare_text, _fill_text),
    "anomaly": TaskTensors(_declare_anomaly, _fill_anomaly),
    "detection": TaskTensors(_declare_boxes, _fill_boxes),
    "raw": TaskTensors(_declare_raw, _fill_raw),
}
"""By the task's tag in the manifest."""
