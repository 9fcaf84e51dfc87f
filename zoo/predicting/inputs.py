"""The inputs of `zoo predict` on the command line, one after the other: files, folders, patterns, rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import groupby
from typing import Any, NamedTuple

from runtime import InputError, Model, Prediction
from runtime.audio.decoding import RECORDINGS
from runtime.concurrency.stream import with_items
from runtime.errors import MissingExtraError
from runtime.inputs import AudioInput, ImageInput, Input, SequenceInput, TableInput, TensorsInput
from zoo.files import IMAGES, FoundFiles, find, warn_of_skipped

CLIPS = (".mp4", ".mov", ".avi", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg", ".3gp")


def files(names: Sequence[str], input_spec: Input) -> FoundFiles:
    """Return the files that names stand for, and tell what was skipped.

    Args:
        names: Of files, folders and patterns; see `zoo.files`.
        input_spec: What the model takes.
    """
    paths = find(names, suffixes(input_spec))
    warn_of_skipped(paths.skipped)
    return paths


def total(model: Model, names: Sequence[str]) -> int | None:
    """Return how many inputs there are in files, or None where only reading them would tell."""
    return None if model.spec.input.kind == "table" or any(map(is_clip, names)) else len(names)


def unit(model: Model) -> str:
    """Return what the model's inputs are, in the plural."""
    return {"image": "images", "table": "rows", "sequence": "sequences", "tensors": "samples", "audio": "recordings"}[
        model.spec.input.kind
    ]


def suffixes(input_spec: Input) -> tuple[str, ...]:
    """Return what files in folders end in that a model takes."""
    if isinstance(input_spec, ImageInput):
        return (*IMAGES, *CLIPS)
    if isinstance(input_spec, SequenceInput):
        return (".csv", ".npy", *(IMAGES if input_spec.preprocess else ()))
    if isinstance(input_spec, AudioInput):
        return RECORDINGS
    return (".npz",) if isinstance(input_spec, TensorsInput) else (".csv",)


class Answer(NamedTuple):
    """The answer to an input.

    Args:
        name: Of the input: ``FILE``, ``FILE:LINE`` for a row, ``FILE:FRAME`` for a frame of a clip.
        source: The input as `Model.attempt` took it.
        outcome: Its prediction, or why there is none.
        seconds: When a clip's frame is shown, from the first; None for what is no frame.
    """

    name: str
    source: Any
    outcome: Prediction | InputError
    seconds: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return name, time and outcome for JSON."""
        time = {} if self.seconds is None else {"seconds": round(self.seconds, 6)}
        outcome = self.outcome
        answer = {"error": str(outcome)} if isinstance(outcome, InputError) else outcome.to_dict()
        return {"input": self.name, **time, **answer}


class NamedInput(NamedTuple):
    """An input by its name.

    Args:
        name: See `Answer`.
        source: What `Model.attempt` takes, or why there is none.
        seconds: See `Answer`.
    """

    name: str
    source: Any
    seconds: float | None = None


def answers(model: Model, files: FoundFiles, *, top: int, seen: Any = ()) -> Iterator[Answer]:
    """Predict files, each row of a table and each frame of a clip by itself.

    Args:
        model: The model.
        files: The files.
        top: How many labels each answer lists.
        seen: Names of inputs to leave out, as many of each as it says (a `collections.Counter`).
    """
    inputs = _without(_inputs(model, files), seen)
    if model.spec.listening is None:
        yield from _predicted(model, inputs, top)
        return
    from zoo.predicting.recordings import is_long, listen

    for long, group in groupby(inputs, lambda each: is_long(model, each.source)):
        if not long:
            yield from _predicted(model, group, top)
            continue
        for each in group:
            outcome = listen(model, each.source)
            yield Answer(
                each.name, each.name, _named(outcome, each.name) if isinstance(outcome, InputError) else outcome
            )


def _predicted(model: Model, inputs: Iterable[NamedInput], top: int) -> Iterator[Answer]:
    for each, outcome in with_items(inputs, lambda each: each.source, partial(model.attempt, top=top)):
        if outcome is each.source:
            yield Answer(each.name, each.name, outcome)
        else:
            outcome = _named(outcome, each.name) if isinstance(outcome, InputError) else outcome
            yield Answer(each.name, each.source, outcome, each.seconds)


def _without(inputs: Iterator[NamedInput], seen: Any) -> Iterator[NamedInput]:
    """Yield the inputs that are not among those seen; see `answers`."""
    for each in inputs:
        if seen and seen[each.name]:
            seen[each.name] -= 1
        else:
            yield each


def _inputs(model: Model, files: FoundFiles) -> Iterator[NamedInput]:
    for name in files.paths:
        if name in files.problems:
            yield NamedInput(name, InputError(f"{name}: {files.problems[name]}"))
        else:
            yield from inputs_of(model.spec.input, name)


def inputs_of(input_spec: Input, name: str, content: bytes | None = None) -> Iterator[NamedInput]:
    """Yield the rows or frames in a file, or the file where it is one input.

    Args:
        input_spec: What the model takes.
        name: The file's path; its name alone where there is `content`.
        content: What the file holds, where it is not on the disk.
    """
    try:
        if isinstance(input_spec, ImageInput) and is_clip(name):
            from zoo.predicting.clips import frames

            for number, (frame, seconds) in enumerate(frames(name, content), 1):
                yield NamedInput(f"{name}:{number}", frame, seconds)
        elif isinstance(input_spec, TableInput):
            for row in input_spec.rows(name, content):
                yield NamedInput(f"{name}:{row.line}", row)
        elif content is None:
            yield NamedInput(name, name)
        elif isinstance(input_spec, SequenceInput) and name.lower().endswith(".csv"):
            yield NamedInput(name, input_spec.read_csv(name, content))
        else:
            yield NamedInput(name, content)
    except InputError as problem:
        yield NamedInput(name, problem)
    except MissingExtraError as problem:  # of clips; the images beside it can be answered
        yield NamedInput(name, InputError(f"{name}: {problem}"))


def is_clip(name: str) -> bool:
    """Tell whether a file is a clip, by its name."""
    return name.lower().endswith(CLIPS)


def _named(problem: InputError, name: str) -> InputError:
    """Say whose problem it is, where the message doesn't."""
    message = str(problem)
    return problem if str(InputError(name)) in message else InputError(f"{name}: {message}")
