"""Files and folders appear whole or not at all: written to a temporary sibling, synced, renamed."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from runtime.errors import OutputError, one_line
from runtime.stale_files import MARK, sweep

NAME = 40
"""How much of a name a temporary sibling's name takes up, in characters: names have a limit."""
FULL = (errno.ENOSPC, errno.EFBIG, errno.EROFS, getattr(errno, "EDQUOT", errno.ENOSPC))
"""Errors of a disk that takes no more."""
_AT_FDCWD = -100
_RENAME_EXCHANGE = 2


@contextmanager
def staged_file(path: Path, *, private: bool = False) -> Iterator[Path]:
    """Give an empty temporary sibling of `path`, with its suffix, to fill; it takes its place when the block ends well.

    A reader, or a crash, sees the old content or the new one. If the block raises, `path` stays as it was. Where `path`
    is a link, the file that it leads to is written and the link stays.

    Args:
        path: The file; folders above it that are missing are made.
        private: Let this user alone read the file and the folders that are made.

    Raises:
        OutputError: If the file can't be written.
    """
    import tempfile  # it imports much, and not every program writes

    target = destination(path)
    try:
        target.parent.mkdir(mode=0o700 if private else 0o777, parents=True, exist_ok=True)
        sweep(target.parent)
        fd, name = tempfile.mkstemp(suffix=path.suffix, prefix=f".{path.stem[:NAME]}.{MARK}", dir=target.parent)
        os.close(fd)
        stage = Path(name)
        try:
            yield stage
            _sync(stage)
            if not private:
                stage.chmod(0o666 & ~_umask())
            stage.replace(target)
        except BaseException:
            stage.unlink(missing_ok=True)
            raise
        _sync_folder(target.parent)
    except OSError as problem:
        raise OutputError(f"{path}: can't be written ({one_line(problem)})") from None


def destination(path: Path) -> Path:
    """Return the file that writing to `path` means: `path` itself, or where a link leads.

    Raises:
        OutputError: If it is a folder, a device or another thing that a file can't replace.
    """
    # unlike those of a Path, these tests raise nothing where a folder above can't be searched
    target = os.path.realpath(path)
    if os.path.islink(target):  # noqa: PTH114
        raise OutputError(f"{path}: the link leads in a circle; name another file")
    if os.path.isdir(target):  # noqa: PTH112
        raise OutputError(f"{path}: is a folder; name a file")
    if os.path.exists(target) and not os.path.isfile(target):  # noqa: PTH110, PTH113
        raise OutputError(f"{path}: is not a regular file; name another one")
    return Path(target)


def write_file(path: Path, data: bytes, *, private: bool = False) -> None:
    """Write a file so that a reader, or a crash, sees the old content or the new one; see `staged_file`.

    Raises:
        OutputError: If it can't be written.
    """
    with staged_file(path, private=private) as stage:
        stage.write_bytes(data)


def check_writable(path: Path) -> None:
    """Refuse a place where no file or folder can be made, before any work is done for it.

    Raises:
        OutputError: If it is one.
    """
    import tempfile

    try:
        parent = path.absolute().parent
        while not parent.exists():
            parent = parent.parent
        with tempfile.TemporaryFile(dir=parent):  # it has no name on Linux, so that a kill leaves nothing
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

    The earlier content of `path` is removed after the exchange. If the block raises, `path` stays as it was.

    Raises:
        OutputError: If the folder can't be written.
    """
    import tempfile

    try:
        path = path.resolve()  # "." has no name, and a link stays one
        path.parent.mkdir(parents=True, exist_ok=True)
        sweep(path.parent)
        stage = Path(tempfile.mkdtemp(prefix=f".{path.name[:NAME]}.{MARK}", dir=path.parent))
    except OSError as problem:
        raise OutputError(f"{path}: can't be written ({one_line(problem)})") from None
    try:
        yield stage
        settle(stage, path)
    except OSError as problem:
        if problem.errno not in FULL:
            raise
        raise OutputError(f"{path}: can't be written ({os.strerror(problem.errno or 0)})") from None
    finally:
        _remove(stage)


def settle(stage: Path, path: Path) -> None:
    """Let a complete folder take the place of `path` on its disk; what was there stands where `stage` was, if anywhere.

    Raises:
        OutputError: If that can't be written.
    """
    try:
        stage.chmod(0o777 & ~_umask())
        for file in stage.rglob("*"):
            if file.is_file():
                _sync(file)
        _sync_folder(stage)
        _take_place(stage, path)
        _sync_folder(path.parent)
    except OSError as problem:
        raise OutputError(f"{path}: can't be written ({one_line(problem)})") from None


def _take_place(stage: Path, path: Path) -> None:
    import tempfile

    if not path.exists():
        stage.rename(path)
    elif not _exchange(stage, path):
        # no atomic exchange on this system: for an instant the old folder has only its temporary name
        # without the mark: should the process be killed here, no process may remove the user's folder
        aside = Path(tempfile.mkdtemp(prefix=f".{path.name[:NAME]}.", dir=path.parent))
        try:
            path.rename(aside / path.name)
            try:
                stage.rename(path)
            except OSError:
                (aside / path.name).rename(path)
                raise
        finally:
            if path.exists():
                _remove(aside)


def _exchange(one: Path, other: Path) -> bool:
    """Swap two folders in one system call (renameat2, Linux 3.15); False where that can't be had."""
    if not sys.platform.startswith("linux"):
        return False
    import ctypes

    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if rename is None:
        return False
    return bool(rename(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE) == 0)


def _remove(folder: Path) -> None:
    import shutil  # it imports much, and few processes write folders

    shutil.rmtree(folder, ignore_errors=True)


def _sync(file: Path) -> None:
    with file.open("rb") as opened:
        os.fsync(opened.fileno())


def _sync_folder(path: Path) -> None:
    """Make renamings in a folder survive a crash of the system."""
    if os.name == "posix":
        fd = os.open(path, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


def _umask() -> int:
    """Return the mask of permissions that new files don't get."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
