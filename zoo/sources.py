"""What `zoo predict` is given on the command line, one input after the other: files, folders, patterns, rows."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from runtime import InputError, Model, Prediction
from runtime.inputs import ImageInput, Input, SequenceInput

IMAGES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".pnm")
CLIPS = (".mp4", ".mov", ".avi", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg")


def files(names: Sequence[str], taken: Input) -> list[str]:
    """Return the files that the names stand for.

    Args:
        names: Of files; of folders, which stand for the files in them that `taken` can be read from; ``FOLDER/**``
            for those in its folders too; other patterns for the files that they match. A name that exists is no
            pattern.
        taken: What the model takes.

    Returns:
        In the order of the names, sorted for each. A name that stands for no file is in it as it is, to be complained
        of in its place.
    """
    return [file for name in names for file in _files(name, taken)]


def total(model: Model, names: Sequence[str]) -> int | None:
    """Return how many inputs there are in files, or None where only reading them would tell."""
    return None if model.spec.input.kind == "table" or any(map(is_clip, names)) else len(names)


def unit(model: Model) -> str:
    """Return what the model's inputs are, in the plural."""
    return {"image": "images", "table": "rows", "sequence": "sequences"}[model.spec.input.kind]


def _files(name: str, taken: Input) -> list[str]:
    if os.path.isdir(name):  # noqa: PTH112  # names stay as they were given, which a Path wouldn't do
        found = [entry.path for entry in os.scandir(name) if entry.is_file() and _fits(entry.name, taken)]
    elif os.path.exists(name) or not any(sign in name for sign in "*?["):  # noqa: PTH110
        return [name]
    elif name.endswith("**"):
        walked = os.walk(name[:-2] or ".")
        found = [os.path.join(folder, file) for folder, _, each in walked for file in each if _fits(file, taken)]  # noqa: PTH118
    else:
        import glob

        found = [match for match in glob.glob(name, recursive=True) if os.path.isfile(match)]  # noqa: PTH207, PTH113
    return sorted(found) or [name]


def _suffixes(taken: Input) -> tuple[str, ...]:
    if isinstance(taken, ImageInput):
        return IMAGES
    if isinstance(taken, SequenceInput):
        return (".csv", ".npy", *(IMAGES if taken.preprocess else ()))
    return (".csv",)


def _fits(name: str, taken: Input) -> bool:
    return Path(name).suffix.lower() in _suffixes(taken) and not name.startswith(".")


def answers(
    model: Model, names: Iterable[str], *, top: int, seen: Any = ()
) -> Iterator[tuple[str, Any, Prediction | InputError]]:
    """Predict files, each row of a table by itself.

    Args:
        model: The model.
        names: Of files.
        top: How many labels each answer lists.
        seen: Names of inputs to leave out, as many of each as it says (a `collections.Counter`).

    Yields:
        The name of each input, ``FILE:LINE`` for a row and ``FILE:FRAME`` for a clip's frame; the input as
        `Model.attempt` took it; and its prediction or why there is none.
    """
    waiting: deque[tuple[str, Any]] = deque()

    def sources() -> Iterator[Any]:
        for name, source in _inputs(model, names):
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


def _inputs(model: Model, names: Iterable[str]) -> Iterator[tuple[str, Any]]:
    for name in names:
        try:
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
    rows = model.spec.input.several(name)
    return None if rows is None else enumerate(rows, 2)


def is_clip(name: str) -> bool:
    """Tell whether a file is a clip, by its name."""
    return name.lower().endswith(CLIPS)


def _named(problem: InputError, name: str) -> InputError:
    """Say whose problem it is, where the message doesn't."""
    told = str(problem)
    return problem if str(InputError(name)) in told else InputError(f"{name}: {told}")
