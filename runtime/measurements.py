"""Measurements of this machine, kept in the user's cache folder (`runtime.cache` says who could forge it).

A result lies there under the machine, the installed engines and all that it depends on: where one of them is another,
it is measured anew.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import TypeVar

from runtime.atomic import write_file
from runtime.bundle import read_file
from runtime.cache import cache_folder, is_private
from runtime.candidates import Candidate, OpenSettings
from runtime.concurrency.threads import usable_cpus
from runtime.engines import engine_module
from runtime.errors import BundleError, OutputError
from runtime.platforms import cpu
from runtime.schema import build, parse_json, to_json
from runtime.spec import encode_metadata

T = TypeVar("T")

MAX_RESULT = 2**20


def measured(kind: type[T], depends: Iterable[str], measure: Callable[[], T]) -> T:
    """Return what was measured before, else measure it and keep it.

    One process at a time measures, since several would measure each other; the others wait for its result.

    Args:
        kind: The dataclass of the result.
        depends: All that the result depends on, besides the machine.
        measure: Measures it.
    """
    folder = cache_folder()
    if folder is None:
        return measure()
    parts = [kind.__name__, cpu(), str(usable_cpus()), *depends]
    kept = folder / "speeds" / hashlib.sha256("\n".join(parts).encode(errors="surrogatepass")).hexdigest()
    result = _read(kind, kept)
    if result is None:
        with _alone(kept.parent):
            result = _read(kind, kept)
            if result is None:
                result = measure()
                with suppress(OutputError):
                    write_file(kept, to_json(result).encode(), private=True)
    return result


def opening(choice: Candidate, engine: str, settings: OpenSettings) -> str:
    """Return what tells one file on one engine, as it is opened, from any other."""
    metadata = encode_metadata(choice.spec, choice.file_spec)
    return "\n".join((hash_of(choice), metadata, opened_by(engine, settings)))


def hash_of(choice: Candidate) -> str:
    """Return the SHA-256 of a file's content."""
    return choice.sha256 or hashlib.sha256(choice.read()).hexdigest()


def opened_by(engine: str, settings: OpenSettings) -> str:
    """Return what tells the way in which an engine opens files from any other."""
    asked = {
        "device": settings.get("device", "auto"),
        "threads": settings.get("threads"),
        "options": dict(settings.get("options") or {}),
        "isolated": settings.get("limit") is not None,
    }
    return "\n".join((engine, library(engine), json.dumps(asked, sort_keys=True)))


def library(engine: str) -> str:
    """Return which build of an engine's library is installed, without importing it, which takes long."""
    for name in engine_module(engine).LIBRARIES:
        spec = find_spec(name)
        if spec is not None:
            with suppress(OSError):
                status = os.stat(spec.origin or "")  # noqa: PTH116  # what is no path has no status either
                return f"{name} {spec.origin} {status.st_mtime_ns} {status.st_size}"
            return name
    return engine


def _read(kind: type[T], kept: Path) -> T | None:
    """Return a result that was kept; None if there is none, or it is damaged."""
    with suppress(OSError, BundleError):
        if is_private(kept.stat()):
            return build(kind, parse_json(read_file(kept, MAX_RESULT), kept.name, BundleError), kept.name, BundleError)
    return None


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keep other processes from measuring at the same time; the lock ends with the process, however it ends."""
    try:
        import fcntl
    except ImportError:  # Windows: the last result stays
        yield
        return
    lock = None
    try:
        with suppress(OSError):  # a disk that can't be written, a file system without locks on folders
            folder.mkdir(mode=0o700, exist_ok=True)
            lock = os.open(folder, os.O_RDONLY)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        if lock is not None:
            os.close(lock)
