"""The Arrow type of a model's answers: what `Prediction.to_dict` gives for each task, and an error."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from runtime.errors import InputError
from runtime.tasks import Box

if TYPE_CHECKING:
    from runtime import Prediction
    from runtime.tasks import Output

ERROR = "error"
"""The field that says why an input has no prediction; null where it has one."""
SHARE = pa.struct([("label", pa.string()), ("score", pa.float64())])
BOX = pa.struct([(name, pa.string() if name == "label" else pa.float64()) for name in Box._fields])
CLASS = [("label", pa.string()), ("score", pa.float64()), ("top", pa.list_(SHARE))]


def answer_type(output: Output) -> Any:
    """Return the struct type of a task's answers, `ERROR` last."""
    return pa.struct([*FIELDS[output.task](output), (ERROR, pa.string())])


def to_answer(outcome: Prediction | InputError) -> dict[str, Any]:
    """Return a prediction, or the error instead of one, as a value of the type."""
    return {ERROR: str(outcome)} if isinstance(outcome, InputError) else outcome.to_dict()


def to_record(answer: dict[str, Any]) -> dict[str, Any]:
    """Return a value of the type as `to_answer` was given it."""
    if answer[ERROR] is not None:
        return {ERROR: answer[ERROR]}
    return {name: value for name, value in answer.items() if name != ERROR}


def _tensors(output: Any) -> list[tuple[str, Any]]:
    """Return nested lists for each tensor, of whole numbers, truth values or 64-bit floats."""
    kinds = {"i": pa.int64(), "u": pa.int64(), "b": pa.bool_()}
    types = []
    for tensor in output.tensors:
        nested = kinds.get(tensor.numpy_dtype.kind, pa.float64())
        for _ in tensor.shape:
            nested = pa.list_(nested)
        types.append((tensor.name, nested))
    return [("outputs", pa.struct(types))]


FIELDS: dict[str, Callable[[Any], list[tuple[str, Any]]]] = {
    "anomaly": lambda _: [("score", pa.float64()), ("threshold", pa.float64()), ("is_anomaly", pa.bool_())],
    "binary": lambda _: CLASS,
    "classification": lambda _: CLASS,
    "ctc": lambda _: [("text", pa.string()), ("score", pa.float64())],
    "detection": lambda _: [("width", pa.int64()), ("height", pa.int64()), ("boxes", pa.list_(BOX))],
    "forecasting": lambda _: [("target", pa.string()), ("value", pa.list_(pa.float64())), ("unit", pa.string())],
    "multilabel": lambda _: [
        ("labels", pa.list_(pa.string())), ("threshold", pa.float64()), ("top", pa.list_(SHARE)),
    ],
    "raw": _tensors,
    "regression": lambda _: [("target", pa.string()), ("value", pa.float64()), ("unit", pa.string())],
}  # fmt: skip
"""The fields of each task's answers."""
