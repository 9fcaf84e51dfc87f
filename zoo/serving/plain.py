"""The plain endpoint: files, or rows and arrays as JSON, to the document that `zoo predict --json` prints.

Files are taken as `zoo predict` takes them: each row of a CSV file and each frame of a clip is an input.
"""

from __future__ import annotations

import mimetypes
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np

from runtime.errors import InputError, OptionError, one_line, shown
from runtime.inputs import SequenceInput, TableInput
from zoo.predicting.document import document
from zoo.predicting.inputs import CLIPS, Answer, NamedInput, inputs_of
from zoo.predicting.recordings import is_long, listen
from zoo.serving.errors import RequestError
from zoo.serving.forms import form_files
from zoo.serving.http_v2 import parse_json
from zoo.serving.inference import answer_each
from zoo.serving.models import ServedModel
from zoo.serving.queue import Deadline

if TYPE_CHECKING:
    from runtime import Model
    from runtime.inputs import Input

TOP = 3
"""How many labels an answer lists unless the request says otherwise: as `zoo predict` does."""


def predict(
    served: ServedModel, content_type: str, query: Mapping[str, str], body: bytes | bytearray, deadline: Deadline
) -> tuple[dict[str, Any], int]:
    """Answer a request.

    Args:
        served: The model.
        content_type: Of the body: a form of files, JSON of rows or arrays, ``text/csv``, ``video/*``, or any other type
            for one file of the kind that the model takes.
        query: ``top``, and for detectors ``confidence`` and ``iou``.
        body: The body.
        deadline: When the answer is too late.

    Returns:
        The document, and HTTP's status: 400 if no input could be answered, else 200.

    Raises:
        RequestError: If the request is wrong.
        DeadlineError: If the deadline passes.
        EngineError: If the engine fails.
    """
    model, top = _settings(served, query)
    answers: list[Answer] = []
    inputs = _inputs(content_type, body, model.spec.input)
    for long, group in groupby(inputs, lambda each: is_long(model, each.source)):
        if long:
            answers += [Answer(each.name, None, listen(model, each.source, deadline.check)) for each in group]
        else:
            answers += _predicted(served, model, group, top, deadline)
    predictions = [each.to_dict() for each in answers if not isinstance(each.outcome, InputError)]
    errors = [each.to_dict() for each in answers if isinstance(each.outcome, InputError)]
    return document(model, predictions, errors, ()), 200 if predictions else 400


def _predicted(
    served: ServedModel, model: Model, inputs: Iterable[NamedInput], top: int, deadline: Deadline
) -> list[Answer]:
    answered: list[NamedInput] = []

    def sources() -> Iterator[Any]:
        for each in inputs:
            answered.append(each._replace(source=None))  # a clip's frames are not kept
            yield each.source

    outcomes = answer_each(served, model, sources(), top, deadline)
    return [Answer(*each[:2], outcome, each.seconds) for each, outcome in zip(answered, outcomes, strict=True)]


def _settings(served: ServedModel, query: Mapping[str, str]) -> tuple[Any, int]:
    """Return the model with the thresholds of a query, and how many labels to list."""
    try:
        top = int(query.get("top", TOP))
        thresholds: Any = {name: float(query[name]) for name in ("confidence", "iou") if name in query}
        for name in query:
            if name not in ("top", "confidence", "iou"):
                raise ValueError(f"there is no parameter {shown(name)}; there are top, confidence and iou")
        if not 1 <= top <= 2**31:
            raise ValueError("top must be at least 1")
        return served.model.with_thresholds(**thresholds) if thresholds else served.model, top
    except (ValueError, OptionError) as problem:
        raise RequestError(one_line(problem)) from None


def _inputs(content_type: str, body: bytes | bytearray, input_spec: Input) -> Iterator[NamedInput]:
    """Yield the inputs of a body, those of a clip or table one by one."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind == "application/json":
        for number, value in enumerate(_json_sources(parse_json(body), input_spec), 1):
            yield NamedInput(f"body:{number}", value)
    elif kind == "multipart/form-data":
        for name, content in form_files(content_type, body):
            yield from inputs_of(input_spec, name, content)
    elif body:
        yield from inputs_of(input_spec, f"body{_suffix(kind)}", bytes(body))
    else:
        raise RequestError("the body is empty: send a file, several as multipart/form-data, or JSON")


def _suffix(kind: str) -> str:
    """Return what files of a type are named after, where inputs are told apart by that; empty otherwise."""
    if kind.startswith("video/"):
        suffix = mimetypes.guess_extension(kind)
        return suffix if suffix in CLIPS else CLIPS[0]
    return ".csv" if kind == "text/csv" else ""


def _json_sources(value: Any, input_spec: Input) -> Sequence[Any]:
    """Return the inputs in a JSON value: rows of a table, or arrays."""
    if isinstance(input_spec, TableInput):
        rows = input_spec.several(value)
        return [value] if rows is None else list(rows)
    if isinstance(input_spec, SequenceInput):
        try:
            value = np.asarray(value)
        except ValueError as problem:  # lists of different lengths
            raise RequestError(f"expected an array [time, {len(input_spec.features)}]: {one_line(problem)}") from None
        sequences = input_spec.several(value)
        return [value] if sequences is None else list(sequences)
    if isinstance(value, dict) and input_spec.kind == "tensors":
        return [value]
    if isinstance(value, list) and input_spec.kind == "tensors":
        return value
    raise RequestError(f"the model takes {'recordings' if input_spec.kind == 'audio' else 'images'}: send files")
