"""Files and folders appear whole or not at all: written to a temporary sibling, synced, renamed."""

from __future__ import annotations

import ctypes
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from runtime.atomic import staged_file, sync_folder, umask
from runtime.errors import OutputError, one_line

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2


def write_file(path: Path, data: bytes) -> None:
    """Write a file so that a reader, or a crash, sees the old content or the new one.

    Raises:
        OutputError: If it can't be written.
    """
    with staged_file(path) as stage:
        stage.write_bytes(data)


def check_writable(path: Path) -> None:
    """Refuse a place where no file or folder can be made, before any work is done for it.

    Raises:
        OutputError: If it is one.
    """
    try:
        parent = path.absolute().parent
        while not parent.exists():
            parent = parent.parent
        with tempfile.TemporaryDirectory(prefix=f".{path.name}.", dir=parent):
            pass
    except OSError as problem:
        raise OutputError(f"{path}: can't be written ({one_line(problem)})") from None


def check_file(path: Path, overwrite: bool = False) -> None:
    """Refuse to write over a file that is there unless `overwrite` says so, and over anything else.

    Raises:
        OutputError: If it is there, or can't be written.
    """
    if path.is_symlink() or (path.exists() and not path.is_file()):
        raise OutputError(f"{path}: exists and is not a file; name another with --out")
    if path.exists() and not overwrite:
        raise OutputError(f"{path}: exists; replace it with --overwrite, or name another file with --out")
    check_writable(path)


@contextmanager
def staged_folder(path: Path) -> Iterator[Path]:
    """Give a temporary sibling of `path` to fill; it takes the place of `path` when the block ends well.

    What `path` held before is removed after the exchange. If the block raises, `path` stays as it was.

    Raises:
        OutputError: If the folder can't be written.
    """
    try:
        path = path.resolve()  # "." has no name, and a link stays one
        path.parent.mkdir(parents=True, exist_ok=True)
        stage = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    except OSError as problem:
        raise OutputError(f"{path}: can't be written ({one_line(problem)})") from None
    try:
        yield stage
        settle(stage, path)
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def settle(stage: Path, path: Path) -> None:
    """Let a complete folder take the place of its sibling `path`; what was there stands where `stage` was, if anywhere.

    Raises:
        OutputError: If that can't be written.
    """
    try:
        stage.chmod(0o777 & ~umask())
        for file in stage.rglob("*"):
            if file.is_file():
                with file.open("rb") as opened:
                    os.fsync(opened.fileno())
        sync_folder(stage)
        _take_place(stage, path)
        sync_folder(path.parent)
    except OSError as problem:
        raise OutputError(f"{path}: can't be written ({one_line(problem)})") from None


def _take_place(stage: Path, path: Path) -> None:
    if not path.exists():
        stage.rename(path)
    elif not _exchange(stage, path):
        # no atomic exchange on this system: for an instant the old folder has only its temporary name
        aside = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
        try:
            path.rename(aside / path.name)
            try:
                stage.rename(path)
            except OSError:
                (aside / path.name).rename(path)
                raise
        finally:
            if path.exists():
                shutil.rmtree(aside, ignore_errors=True)


def _exchange(one: Path, other: Path) -> bool:
    """Swap two folders in one system call (renameat2, Linux 3.15); False where that can't be had."""
    if not sys.platform.startswith("linux"):
        return False
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if rename is None:
        return False
    return bool(rename(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE) == 0)
