"""What `zoo predict` is given on the command line, one input after the other: files, folders, patterns, rows."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from runtime import InputError, Model, Prediction
from runtime.inputs import ImageInput, Input, SequenceInput, TableInput
from zoo.files import IMAGES, Found, find, tell

CLIPS = (".mp4", ".mov", ".avi", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg", ".3gp")


def files(names: Sequence[str], taken: Input) -> Found:
    """Return the files that names stand for, and tell what was skipped.

    Args:
        names: Of files, folders and patterns; see `zoo.files`.
        taken: What the model takes.
    """
    found = find(names, _suffixes(taken))
    tell(found.skipped)
    return found


def total(model: Model, names: Sequence[str]) -> int | None:
    """Return how many inputs there are in files, or None where only reading them would tell."""
    return None if model.spec.input.kind == "table" or any(map(is_clip, names)) else len(names)


def unit(model: Model) -> str:
    """Return what the model's inputs are, in the plural."""
    return {"image": "images", "table": "rows", "sequence": "sequences"}[model.spec.input.kind]


def _suffixes(taken: Input) -> tuple[str, ...]:
    if isinstance(taken, ImageInput):
        return (*IMAGES, *CLIPS)
    if isinstance(taken, SequenceInput):
        return (".csv", ".npy", *(IMAGES if taken.preprocess else ()))
    return (".csv",)


def answers(
    model: Model, found: Found, *, top: int, seen: Any = ()
) -> Iterator[tuple[str, Any, Prediction | InputError]]:
    """Predict files, each row of a table by itself.

    Args:
        model: The model.
        found: The files.
        top: How many labels each answer lists.
        seen: Names of inputs to leave out, as many of each as it says (a `collections.Counter`).

    Yields:
        The name of each input, ``FILE:LINE`` for a row and ``FILE:FRAME`` for a clip's frame; the input as
        `Model.attempt` took it; and its prediction or why there is none.
    """
    waiting: deque[tuple[str, Any]] = deque()

    def sources() -> Iterator[Any]:
        for name, source in _inputs(model, found):
            if seen and seen[name]:
                seen[name] -= 1
                continue
            waiting.append((name, source))
            if not isinstance(source, InputError):
                yield source

    for outcome in model.attempt(sources(), top=top):
        while isinstance(waiting[0][1], InputError):
            name, problem = waiting.popleft()
            yield name, name, problem
        name, source = waiting.popleft()
        yield name, source, _named(outcome, name) if isinstance(outcome, InputError) else outcome
    for name, problem in waiting:
        yield name, name, problem


def _inputs(model: Model, found: Found) -> Iterator[tuple[str, Any]]:
    for name in found.paths:
        try:
            if name in found.problems:
                raise InputError(f"{name}: {found.problems[name]}")
            parts = _parts(model, name)
            if parts is None:
                yield name, name
            else:
                for number, part in parts:
                    yield f"{name}:{number}", part
        except InputError as problem:
            yield name, problem


def _parts(model: Model, name: str) -> Iterable[tuple[int, Any]] | None:
    """Return the rows or frames in a file, with their numbers, or None if it is one input."""
    if is_clip(name) and isinstance(model.spec.input, ImageInput):
        from zoo.video import frames

        return enumerate(frames(name), 1)
    if isinstance(model.spec.input, TableInput):
        return ((row.line, row) for row in model.spec.input.rows(name))
    return None


def is_clip(name: str) -> bool:
    """Tell whether a file is a clip, by its name."""
    return name.lower().endswith(CLIPS)


def _named(problem: InputError, name: str) -> InputError:
    """Say whose problem it is, where the message doesn't."""
    told = str(problem)
    return problem if str(InputError(name)) in told else InputError(f"{name}: {told}")
