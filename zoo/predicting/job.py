"""`zoo predict --out`: a job that can be killed at any moment and goes on where it was.

Each answer is a line of a journal beside the results. When all are there, the journal becomes the results in one step.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Protocol

from runtime import Model, OutputError
from runtime.atomic import staged_file
from runtime.errors import one_line
from runtime.images.decoding import max_pixels
from runtime.spec import encode_metadata
from zoo.predicting.inputs import answers, files, total, unit
from zoo.predicting.progress import with_progress
from zoo.predicting.writers import status_of, target_of, there_already, writer
from zoo.terminal import complain, note

if TYPE_CHECKING:
    from runtime.inputs import Input
    from zoo.files import FoundFiles

JOURNAL = ".journal"
JOB = "edgezoo job"
"""The first key of a journal, with the version of what follows."""
MAGIC = f'{{"{JOB}": '.encode()
"""The key that a journal begins with, so that no other file is taken for one."""


class Named(Protocol):
    """The answer to an input; see `zoo.predicting.inputs.Answer`."""

    def to_dict(self) -> dict[str, Any]:
        """Return the input's name and its outcome for JSON."""
        ...


def file_state(path: str) -> Any:
    """Return the size and time of a file, which change when it does; None if it isn't there."""
    status = status_of(path)
    return status and (status.st_size, status.st_mtime_ns)


@dataclass(frozen=True)
class Executor:
    """Where a job's inputs are found and answered.

    Args:
        files: Returns the files that names stand for, for a kind of input.
        answers: Yields the answers in the files' order: ``answers(model, files, top=5, seen=Counter())``; see
            `zoo.predicting.inputs.answers`.
    """

    files: Callable[[Sequence[str], Input], FoundFiles]
    answers: Callable[..., Iterator[Named]]


LOCAL = Executor(files, answers)
"""This process."""


@dataclass(frozen=True)
class Counts:
    """How a job ended: inputs answered, and inputs that could not be."""

    answered: int
    failed: int


def run(
    model: Model,
    names: Sequence[str],
    out: Path,
    *,
    top: int,
    overwrite: bool,
    options: Mapping[str, str],
    executor: Executor = LOCAL,
) -> Counts:
    """Predict files into a file.

    Args:
        model: The model.
        names: Files, folders and patterns; see `zoo.files`.
        out: A ``.csv``, ``.jsonl`` or ``.parquet`` file, or a link to one.
        top: How many labels each answer lists.
        overwrite: Replace `out`, and the journal of another job.
        options: What the engine's provider or delegate was given.
        executor: Where the inputs are answered.

    Raises:
        OutputError: If `out` is there or an input, its journal is another job's, or can't be written.
        OptionError: If `out` has another suffix.
    """
    write = writer(out)
    inputs = executor.files(names, model.spec.input)
    target = target_of(out, inputs.paths)
    journal = target.with_name(target.name + JOURNAL)
    if target.exists() and not journal.exists() and not overwrite:
        raise there_already(out)
    states = [inputs.states.get(path) or file_state(path) for path in inputs.paths]
    identity = _identity(model, inputs.paths, states, top, options)
    with _opened(journal, identity, overwrite) as (file, done):
        if done:
            complain(f"{done.total()} answers are in {journal}; going on from there")
        start, count, wanted = time.monotonic(), 0, total(model, inputs.paths)
        left = None if wanted is None else wanted - done.total()
        try:
            for answer in with_progress(executor.answers(model, inputs, top=top, seen=done), left, unit(model)):
                if not count and target.exists() and not overwrite:  # a job that was all but ended has none left
                    raise there_already(out)
                file.write(json.dumps(answer.to_dict()).encode() + b"\n")
                file.flush()  # a process that is killed now leaves a whole line
                count += 1
        except OSError as problem:
            raise OutputError(f"{journal}: can't be written ({one_line(problem)})") from None
        took = time.monotonic() - start
        os.fsync(file.fileno())
        records = partial(_records, journal)
        with staged_file(out) as stage:
            write(stage, records)
        counts = Counter("error" in record for record in records())
        journal.unlink()
    note(f"{count} {unit(model)} in {took:.1f} s, {count / max(took, 1e-9):.1f} a second: {out}")
    return Counts(counts[False], counts[True])


def _identity(
    model: Model, paths: Sequence[str], states: Sequence[Any], top: int, options: Mapping[str, str]
) -> dict[str, Any]:
    """Return what two runs must have in common to be the same job: all that their answers depend on."""
    return {
        JOB: 2,
        "model": model.spec.name,
        "file": model.file.name,
        "engine": model.engine.version,
        "device": model.engine.device,
        "options": dict(options),
        "top": top,
        "max_pixels": max_pixels(),
        "weights": _digest(model.file.read_bytes()),
        "manifest": _digest(encode_metadata(model.spec, model.file_spec).encode()),
        "inputs": _digest(ascii([(path, os.path.realpath(path)) for path in paths]).encode()),
        "states": _digest(repr(list(states)).encode()),
    }


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _difference(begun: Mapping[str, Any], identity: Mapping[str, Any]) -> str:
    """Say in what another job differs."""
    key = next(key for key in identity if begun.get(key) != identity[key])
    what = {
        "weights": "other weights",
        "manifest": "another manifest (preprocessing, labels or output)",
        "inputs": "other inputs",
        "states": "inputs that have changed since",
    }
    return what.get(key) or f"{key} {begun.get(key)}, this one has {identity[key]}"


def _records(journal: Path) -> Iterator[dict[str, Any]]:
    with journal.open("rb") as file:
        file.readline()
        yield from map(json.loads, file)


@contextmanager
def _opened(journal: Path, identity: dict[str, Any], overwrite: bool) -> Iterator[tuple[IO[bytes], Counter[str]]]:
    """Open a journal to go on with; give the inputs that it has, and how often. Lines that broke off are cut away."""
    if os.path.lexists(journal) and (journal.is_symlink() or not journal.is_file()):
        raise OutputError(
            f"{journal} is where the answers are kept until all are there, and no regular file: remove it"
        )
    try:
        journal.parent.mkdir(parents=True, exist_ok=True)
        file = open(journal, "a+b", opener=_open_no_link)  # noqa: SIM115  # a Path's takes no opener
    except OSError as problem:
        raise OutputError(f"{journal}: can't be written ({one_line(problem)})") from None
    with file:
        _lock(file, journal)
        file.seek(0)
        first, done, status = file.readline(), Counter[str](), os.fstat(file.fileno())
        if status.st_nlink > 1 or (status.st_size and not first.startswith(MAGIC)):
            raise OutputError(f"{journal} is no journal of zoo predict: remove it, or name another --out")
        begun = _whole(first)
        end = file.tell() if begun else 0
        if begun and begun != identity:
            if not overwrite:
                raise OutputError(
                    f"{journal} is of a job with {_difference(begun, identity)}: --overwrite drops it, another --out "
                    "keeps it"
                )
            end = 0
        elif begun:
            while record := _whole(file.readline()):
                done[record["input"]] += 1
                end = file.tell()
        file.truncate(end)
        if not end:
            file.write(json.dumps(identity).encode() + b"\n")
            file.flush()
        yield file, done


def _open_no_link(path: str, flags: int) -> int:
    """Open a file as `open` does, but no link that was put there a moment ago."""
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0), 0o666)


def _whole(line: bytes) -> dict[str, Any] | None:
    """Return a line of the journal, or None if it broke off, as after a crash of the system."""
    try:
        record = json.loads(line) if line.endswith(b"\n") else None
    except ValueError:
        return None
    return record if isinstance(record, dict) else None


def _lock(file: IO[bytes], journal: Path) -> None:
    """Keep a second process out; the lock ends with the process, however it ends."""
    try:
        import fcntl
    except ImportError:  # Windows
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise OutputError(f"{journal}: another zoo predict is writing it") from None
