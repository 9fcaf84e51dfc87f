"""From a request to its answer: the one way for HTTP and gRPC. It runs in a thread of the model's queue."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from runtime.concurrency.semaphore import Semaphore
from runtime.concurrency.threads import usable_cpus
from runtime.errors import InputError, unknown
from runtime.postprocess import all_finite
from runtime.runner import BATCH
from runtime.tensors import by_name
from zoo.serving.errors import RequestError
from zoo.serving.messages import InferRequest, InferResponse
from zoo.serving.models import FILE, ServedModel, read_all
from zoo.serving.queue import Deadline
from zoo.serving.task_tensors import fill

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from runtime import Model, Prediction

    Arrays = dict[str, NDArray[Any]]

_readers = Semaphore(usable_cpus())
"""Held while files are read: each may take hundreds of megabytes for a moment, and no more threads than CPUs gain."""


def infer(served: ServedModel, request: InferRequest, deadline: Deadline) -> InferResponse:
    """Answer a request.

    Args:
        served: The model, of which the whole answer is.
        request: The request.
        deadline: When the answer is too late, unless the request says sooner.

    Raises:
        InputError: If an input can't be used.
        RequestError: If the inputs or outputs are not the model's.
        DeadlineError: If the deadline passes.
        EngineError: If the engine fails.
    """
    deadline = deadline.sooner(request.seconds)
    deadline.check()
    of_files = FILE in request.inputs and not served.has_own_file
    outputs = _answer_files(served, request, deadline) if of_files else _answer_tensors(served, request)
    for name in request.outputs:
        if name not in outputs:
            raise RequestError(unknown(f"output of the model {served.name!r}:", name, outputs))
    deadline.check()  # the engine itself can't be interrupted
    chosen = {name: outputs[name] for name in request.outputs or outputs}
    return InferResponse(served.name, served.version, chosen, request.id)


def answer_each(
    served: ServedModel, model: Model, sources: Iterable[Any], top: int, deadline: Deadline
) -> list[Prediction | InputError]:
    """Return the prediction of each source, or why it can't be used.

    Args:
        served: The model.
        model: The same, perhaps with other thresholds.
        sources: What ``model.spec.read`` takes, or why there is none; one after the other, so that no clip is held
            as frames.
        top: How many labels each prediction lists.
        deadline: When the answer is too late.
    """
    rest = iter(sources)
    answers: list[Prediction | InputError] = []
    while True:
        with _readers, served.metrics.stages["read"].time():
            deadline.check()
            outcomes = read_all(model, islice(rest, BATCH))
        deadline.check()
        predictions = iter(served.predict([each for each in outcomes if not isinstance(each, InputError)], model, top))
        answers += [each if isinstance(each, InputError) else next(predictions) for each in outcomes]
        if len(outcomes) < BATCH:
            return answers


def _answer_files(served: ServedModel, request: InferRequest, deadline: Deadline) -> Arrays:
    if len(request.inputs) > 1:
        raise RequestError(f"the input {FILE!r} stands alone; got {', '.join(request.inputs)}")
    files = request.inputs[FILE]
    if files.dtype.kind != "O" or not files.size:
        raise RequestError(f"the input {FILE!r} holds encoded files, at least one, as BYTES")
    predictions: list[Prediction] = []
    for number, outcome in enumerate(answer_each(served, served.model, files.ravel().tolist(), 1, deadline), 1):
        if isinstance(outcome, InputError):
            raise InputError(f"file {number}: {outcome}")
        predictions.append(outcome)
    try:
        return fill(served.model.spec.output, predictions)
    except ValueError:  # numpy stacks no outputs of different lengths
        raise RequestError("the files' outputs have different shapes: send one file at a time") from None


def _answer_tensors(served: ServedModel, request: InferRequest) -> Arrays:
    spec = served.model.spec
    _check_names(served, request.inputs)
    counts = {array.shape[:1] for array in request.inputs.values()}
    if len(counts) != 1 or counts == {()}:
        raise RequestError("the inputs need a batch axis of one size")
    inputs = request.inputs if len(request.inputs) > 1 else next(iter(request.inputs.values()))
    outputs = by_name(served.forward(inputs), [tensor.name for tensor in spec.output.tensors])
    for name, array in outputs.items():
        if array.dtype.kind == "f" and not all_finite(array):
            raise InputError(f"the model's output {name!r} is not finite for these inputs")
    return {name: np.asarray(array) for name, array in outputs.items()}


def _check_names(served: ServedModel, inputs: Mapping[str, Any]) -> None:
    names = [tensor.name for tensor in served.model.spec.input.tensors]
    for name in inputs:
        if name not in names:
            raise RequestError(unknown(f"input of the model {served.name!r}:", name, [*names, FILE]))
    for name in names:
        if name not in inputs:
            raise RequestError(f"the input {name!r} of the model {served.name!r} is missing")
    if any(array.dtype.kind == "O" for array in inputs.values()):
        raise RequestError(f"only the input {FILE!r} takes BYTES")
