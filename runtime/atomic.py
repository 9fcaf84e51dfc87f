"""A file appears whole or not at all: written to a temporary sibling, synced, renamed."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from runtime.errors import OutputError, one_line


@contextmanager
def staged_file(path: Path) -> Iterator[Path]:
    """Give an empty temporary sibling of `path`, with its suffix, to fill; it takes its place when the block ends well.

    A reader, or a crash, sees the old content or the new one. If the block raises, `path` stays as it was. Where `path`
    is a link, the file that it leads to is written and the link stays.

    Raises:
        OutputError: If the file can't be written.
    """
    target = destination(path)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        fd, name = tempfile.mkstemp(suffix=path.suffix, prefix=f".{path.stem}.", dir=target.parent)
        os.close(fd)
        stage = Path(name)
        try:
            yield stage
            with stage.open("rb") as file:
                os.fsync(file.fileno())
            stage.chmod(0o666 & ~umask())
            stage.replace(target)
        except BaseException:
            stage.unlink(missing_ok=True)
            raise
        sync_folder(target.parent)
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


def sync_folder(path: Path) -> None:
    """Make renamings in a folder survive a crash of the system."""
    if os.name == "posix":
        fd = os.open(path, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


def umask() -> int:
    """Return the mask of permissions that new files don't get."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
