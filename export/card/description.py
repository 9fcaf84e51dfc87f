"""Input and output of a model, in words."""

from __future__ import annotations

from collections.abc import Sequence

from export.card.markdown import code, listed
from runtime.humanize import counted, number
from runtime.inputs import AudioInput, CategoricalColumn, ImageInput, NumericColumn, TableInput, TensorsInput
from runtime.spec import ModelSpec
from runtime.tasks import CTC, Anomaly, Binary, Classification, Detection, Forecasting, MultiLabel, Raw, Regression
from runtime.tensor_spec import TensorSpec


def describe_input(spec: ModelSpec) -> str:
    """Return a description of the input, as the end of a sentence."""
    input_spec = spec.input
    if isinstance(input_spec, ImageInput):
        height, width, channels = input_spec.shape
        mode = "gray" if channels == 1 else "RGB"
        return f"{width}×{height} pixels, {mode}; any image is brought to that by the steps in `manifest.json`."
    if isinstance(input_spec, TableInput):
        return f"a row of a table with the columns {listed([_column(column) for column in input_spec.columns])}."
    if isinstance(input_spec, TensorsInput):
        return f"{_tensors(input_spec.tensors)}."
    if isinstance(input_spec, AudioInput):
        return (
            f"{number(input_spec.samples / input_spec.rate)} s of audio at {input_spec.rate:,} Hz; of a longer "
            "recording the middle is taken, a shorter one is filled up with silence."
        )
    features = f"{counted(len(input_spec.features), 'feature')} ({listed(input_spec.features)})"
    rows = (
        "; the rows of a gray image, from top to bottom, which any image is brought to" if input_spec.preprocess else ""
    )
    return f"a sequence of {features} a step, {input_spec.length} steps in training{rows}."


def describe_listening(spec: ModelSpec) -> str:
    """Return how labels are heard in a stream, as the end of a sentence; empty where the model does not listen."""
    rules = spec.listening
    if rules is None or not isinstance(spec.input, AudioInput):
        return ""
    ignored = f"; {listed(rules.ignored)} is never told" if rules.ignored else ""
    return (
        f"a label is heard while the average of its last {rules.smoothing} scores, one every "
        f"{number(rules.step / spec.input.rate)} s, is {rules.threshold:.0%} or more, and not again within "
        f"{number(rules.refractory)} s{ignored}."
    )


def _tensors(tensors: Sequence[TensorSpec]) -> str:
    return listed([f"{tensor.name} ({tensor})" for tensor in tensors])


def _column(column: NumericColumn | CategoricalColumn) -> str:
    if isinstance(column, CategoricalColumn):
        return f"{column.name} ({listed([category or 'empty' for category in column.categories], 6)})"
    return (
        f"{column.name} ({number(column.low)} to {number(column.high)}{'' if column.missing is None else ', or empty'})"
    )


def describe_output(spec: ModelSpec) -> str:
    """Return a description of the output, as the end of a sentence."""
    task = spec.output
    match task:
        case Classification() | Binary():
            return f"one of {len(task.labels)} labels: {listed(task.labels)}.{_inside(task)}"
        case MultiLabel():
            return (
                f"any of {counted(len(task.labels), 'label')}, those with a probability of {task.threshold:g} or more: "
                f"{listed(task.labels)}.{_inside(task)}"
            )
        case CTC():
            return f"a line of text in the characters {code(task.alphabet)}.{_inside(task)}"
        case Anomaly():
            limit = number(task.threshold)
            return f"a score of how unlike the training data the input is; above {limit} it is an anomaly."
        case Regression():
            return f"{_value(task)}."
        case Forecasting():
            return f"the next {task.horizon} values of {_value(task)}."
        case Raw():
            return f"{_tensors(task.tensors)}."
        case Detection():
            return (
                f"boxes of {counted(len(task.labels), 'label')}: {listed(task.labels)}; those with a score of "
                f"{task.confidence:.2g} or more, of which none overlaps a surer one of its label by more than "
                f"{task.iou:.0%} (intersection over union)."
            )


def _inside(task: Classification | Binary | MultiLabel | CTC) -> str:
    if task.activation == "none":
        return ""
    return f" The graph contains the {task.activation}: its raw outputs are probabilities."


def _value(task: Regression | Forecasting) -> str:
    return f"{task.target}{f' in {task.unit}' if task.unit else ''}"
