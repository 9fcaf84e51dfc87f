"""`zoo pull`: a bundle of a named model, made or fetched once and then kept in the user's cache folder.

Processes share the folder without races: each bundle is staged beside its place and renamed, and one process at a time
makes bundles of a name. None changes then, but those of the model hub, which a later pull replaces in one step.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Protocol, cast

from export.folder import check_place
from runtime.atomic import staged_folder
from runtime.bundle import MANIFEST, Bundle
from runtime.errors import BundleError, ExportError, MissingExtraError, OptionError, OutputError, one_line
from runtime.progress import Progress, silent
from zoo.resolve import RANDOM, SHIPPED, SOURCES, all_pulled, bundles_folder, home, is_name

REMOVED = ".removed-"


@dataclass(frozen=True)
class Choice:
    """The formats and precisions that a bundle should hold.

    Args:
        formats: Names of formats; empty for the model's own.
        precisions: Names of precisions; empty for the model's own.
        random_weights: Leave out the training: for a trial of the export alone.
    """

    formats: tuple[str, ...] = ()
    precisions: tuple[str, ...] = ()
    random_weights: bool = False

    def filled(self, own: Choice) -> Choice:
        """Return it with what is not chosen as in `own`."""
        return replace(self, formats=self.formats or own.formats, precisions=self.precisions or own.precisions)

    @property
    def folder(self) -> str:
        """The name of the folder of such a bundle."""
        return ",".join("+".join(part) for part in (self.formats, self.precisions) if part) or "whole"


class Source(Protocol):
    """The members of a module of `zoo.resolve.SOURCES`, or of `zoo.catalogue.entry_source`."""

    CHANGES: bool
    """Whether a name may stand for another bundle tomorrow, so that the source is asked again."""

    def own(self, name: str) -> Choice:
        """Return what a bundle of a model holds unless told otherwise.

        Args:
            name: What follows the prefix.

        Raises:
            ZooError: If there is no such model.
        """
        ...

    def pull(self, name: str, choice: Choice, out: Path, on_progress: Progress) -> Bundle:
        """Make or fetch a bundle.

        Args:
            name: What follows the prefix.
            choice: What it holds, filled.
            out: Its folder, where it appears whole or not at all (`runtime.atomic.staged_folder`).
            on_progress: Called with what is being done, how much is done, and how much there is.

        Raises:
            ZooError: If it can't be had.
        """
        ...


def pull(
    name: str,
    formats: Sequence[str] = (),
    precisions: Sequence[str] = (),
    *,
    random_weights: bool = False,
    out: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
    on_progress: Progress = silent,
) -> Bundle:
    """Return a bundle of a named model, from the cache folder if it is there.

    Args:
        name: Of the catalogue, or with a prefix of `zoo.resolve.SOURCES`.
        formats: Names of formats; the model's own by default.
        precisions: Names of precisions; the model's own by default.
        random_weights: Leave out the training. Such a bundle is kept under another name, which ends in ``+random``.
        out: Put it here instead of the cache folder.
        overwrite: Replace a bundle that is in `out`.
        on_progress: Called with what is being done, how much is done, and how much there is.

    Raises:
        OptionError: If there is no such model, or a choice makes no sense for it.
        OutputError: If the bundle can't be written, or `out` holds one already, or something else.
        ZooError: If it can't be had; says why.
    """
    name = name.removesuffix(RANDOM)
    source, rest = _source(name)
    own = source.own(rest)
    choice = Choice(tuple(formats), tuple(precisions), random_weights).filled(own)
    if out is not None:
        check_place(Path(out), overwrite)
        return source.pull(rest, choice, Path(out), on_progress)
    if (SHIPPED / name).is_dir() and choice == own:
        return Bundle.read(SHIPPED / name)
    folder = bundles_folder(name + RANDOM * random_weights) / choice.folder
    with locked(folder.parent):
        if source.CHANGES:  # it stages by itself, to go on with what a killed process has begun
            return source.pull(rest, choice, folder, on_progress)
        if (folder / MANIFEST).exists():
            os.utime(folder)  # the one that was pulled last is what the name stands for
            return Bundle.read(folder)
        for stage in folder.parent.glob(".*"):  # of a process that was killed
            shutil.rmtree(stage, ignore_errors=True)
        with staged_folder(folder) as stage:
            try:
                source.pull(rest, choice, stage, on_progress)
            except ExportError as problem:  # the files that passed their proof are not what was asked for
                reason = str(problem).partition(f"; {stage}")[0]
                raise type(problem)(f"{reason}; nothing was kept: leave that precision out") from None
    return Bundle.read(folder)


def _source(name: str) -> tuple[Source, str]:
    """Return what knows a model, and the model's name there."""
    if not is_name(name):
        from runtime.errors import unknown
        from zoo import catalogue

        known = [*catalogue.names(), *(f"{prefix}:NAME" for prefix in SOURCES)]
        raise OptionError(unknown("model", name, known))
    prefix, colon, rest = name.partition(":")
    module = SOURCES[prefix] if colon else "zoo.catalogue.entry_source"
    return cast(Source, import_module(module)), rest if colon else name


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Let one process at a time write a folder; the system takes the right back from one that dies.

    Raises:
        OutputError: If the lock beside the folder can't be written.
        MissingExtraError: If filelock is not installed.
    """
    try:
        from filelock import FileLock
    except ImportError:
        raise MissingExtraError("filelock", "train,export,weights") from None
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder.with_name(f".{folder.name}.lock"))
        lock.acquire()
    except OSError as problem:
        raise OutputError(f"{folder}: can't be written ({one_line(problem)})") from None
    try:
        yield
    finally:
        lock.release()


@dataclass(frozen=True)
class Cached:
    """A bundle in the cache folder.

    Args:
        name: Of the model.
        path: Its folder.
        size: Of all its files, in bytes.
        files: The names of its model files.
        pulled: When it was pulled last, in seconds since 1970.
    """

    name: str
    path: Path
    size: int
    files: tuple[str, ...]
    pulled: float


def cached() -> list[Cached]:
    """Return what lies in the cache folder."""
    bundles = []
    for name, path in all_pulled():
        try:
            manifest = Bundle.read(path).manifest
            size = sum(entry.size for entry in manifest.files.values())
            bundles.append(Cached(name, path, size, tuple(manifest.models), path.stat().st_mtime))
        except (BundleError, OSError):  # damaged, or just cleaned away
            bundles.append(Cached(name, path, 0, (), 0.0))
    return bundles


def clean(names: Sequence[str] = ()) -> list[Cached]:
    """Remove bundles from the cache folder: those of some names, or all.

    A process that reads one meanwhile finds it whole or gone.

    Returns:
        What was removed.

    Raises:
        OptionError: If there is none of a name.
        OutputError: If one can't be removed.
    """
    for aside in home().glob(f"{REMOVED}*"):  # of a process that was killed
        shutil.rmtree(aside, ignore_errors=True)
    there = cached()
    for name in names:
        if not any(each.name == name for each in there):
            raise OptionError(f"{name!r} is not in the cache folder; see zoo cache list")
    chosen = [each for each in there if not names or each.name in names]
    for each in chosen:
        aside = home() / f"{REMOVED}{os.getpid()}-{time.monotonic_ns()}"
        try:
            each.path.rename(aside)
        except FileNotFoundError:  # another process was faster
            continue
        except OSError as problem:
            raise OutputError(f"{each.path}: can't be removed ({one_line(problem)})") from None
        shutil.rmtree(aside, ignore_errors=True)
    return chosen
