"""`zoo predict --out`: a job that can be killed at any moment and goes on where it was.

Each answer is a line of a journal beside the results. When all are there, the journal becomes the results in one step.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Any

from runtime import InputError, Model, OutputError, Prediction
from runtime.atomic import staged_file
from runtime.errors import one_line
from zoo.progress import watched
from zoo.results import writer
from zoo.sources import answers, files, total, unit

JOURNAL = ".journal"


@dataclass(frozen=True)
class Counts:
    """How a job ended: inputs answered, and inputs that could not be."""

    answered: int
    failed: int


def run(model: Model, names: Sequence[str], out: Path, *, top: int, overwrite: bool) -> Counts:
    """Predict files into a file.

    Args:
        model: The model.
        names: Files, folders and patterns; see `zoo.sources.files`.
        out: A ``.csv``, ``.jsonl`` or ``.parquet`` file.
        top: How many labels each answer lists.
        overwrite: Replace `out`, and the journal of another job.

    Raises:
        OutputError: If `out` is there, its journal is another job's, or can't be written.
        OptionError: If `out` has another suffix.
    """
    write = writer(out)
    paths = [path for path in files(names, model.spec.input) if os.path.abspath(path) != os.path.abspath(out)]  # noqa: PTH100
    journal = out.with_name(out.name + JOURNAL)
    if out.exists() and not journal.exists() and not overwrite:
        raise OutputError(f"{out} is there already: --overwrite replaces it")
    with _opened(journal, _identity(model, names, top), overwrite) as (file, done):
        if done:
            sys.stderr.write(f"zoo: {done.total()} answers are in {journal}; going on from there\n")
        start, count, wanted = time.monotonic(), 0, total(model, paths)
        left = None if wanted is None else wanted - done.total()
        try:
            for name, _, answer in watched(answers(model, paths, top=top, seen=done), left, unit(model)):
                file.write(_line(name, answer))
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
    sys.stderr.write(f"{count} {unit(model)} in {took:.1f} s, {count / max(took, 1e-9):.1f} a second: {out}\n")
    return Counts(counts[False], counts[True])


def _identity(model: Model, names: Sequence[str], top: int) -> dict[str, Any]:
    """Return what two runs must have in common to be the same job."""
    return {
        "model": model.spec.name,
        "file": model.file.name,
        "precision": model.file_spec.precision,
        "engine": model.engine_name,
        "device": model.engine.device,
        "top": top,
        "hash": hashlib.sha256(model.file.read_bytes()).hexdigest()[:16],
        "inputs": hashlib.sha256("\0".join(names).encode(errors="surrogateescape")).hexdigest(),
    }


def _line(name: str, answer: Prediction | InputError) -> bytes:
    record = {"error": str(answer)} if isinstance(answer, InputError) else answer.to_dict()
    return json.dumps({"input": name, **record}).encode() + b"\n"


def _records(journal: Path) -> Iterator[dict[str, Any]]:
    with journal.open("rb") as file:
        file.readline()
        yield from map(json.loads, file)


@contextmanager
def _opened(journal: Path, identity: dict[str, Any], overwrite: bool) -> Iterator[tuple[IO[bytes], Counter[str]]]:
    """Open a journal to go on with; give the inputs that it has, and how often. Lines that broke off are cut away."""
    try:
        journal.parent.mkdir(parents=True, exist_ok=True)
        file = journal.open("a+b")
    except OSError as problem:
        raise OutputError(f"{journal}: can't be written ({one_line(problem)})") from None
    with file:
        _lock(file, journal)
        file.seek(0)
        begun, done = _whole(file.readline()), Counter[str]()
        end = file.tell() if begun else 0
        if begun and begun != identity:
            key = next(key for key in identity if begun.get(key) != identity[key])
            if not overwrite:
                what = "other inputs" if key == "inputs" else f"{key} {begun.get(key)}, this one has {identity[key]}"
                raise OutputError(f"{journal} is of a job with {what}: --overwrite drops it")
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


def _whole(line: bytes) -> dict[str, Any] | None:
    """Return a line of the journal, or None if it broke off, as after a crash of the system."""
    try:
        found = json.loads(line) if line.endswith(b"\n") else None
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


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
