"""Files of users and of strangers, opened to be read: regular ones only, up to a limit."""

from __future__ import annotations

import os
import stat
from typing import BinaryIO

from runtime.errors import InputError, one_line

MAX_TEXT = 4 * 2**20
"""Bytes that a configuration or a list of names may have."""
_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
_NO_LINK = getattr(os, "O_NOFOLLOW", 0)


def open_regular(path: str | os.PathLike[str], *, follow_links: bool = True) -> BinaryIO:
    """Open a regular file. A pipe is not waited for, and a device, which may have no end, is not read.

    Args:
        path: The file.
        follow_links: Open what a link leads to; otherwise a link can't be opened, where the system can tell.

    Raises:
        OSError: If it can't be opened, or is no regular file; IsADirectoryError if it is a folder.
        ValueError: If the name holds a NUL.
    """
    descriptor = os.open(path, _FLAGS if follow_links else _FLAGS | _NO_LINK)
    try:
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError("is a folder")
        if not stat.S_ISREG(mode):
            raise OSError("is not a regular file")
        return open(descriptor, "rb")  # noqa: PTH123  # a descriptor is no path
    except BaseException:
        os.close(descriptor)
        raise


def read_input(path: str | os.PathLike[str], limit: int) -> bytes:
    """Return the content of a file that someone gave to `predict`; see `read_regular`.

    Raises:
        InputError: If it can't be read, is no regular file or larger; names it.
    """
    try:
        return read_regular(path, limit)
    except (OSError, ValueError) as problem:
        raise InputError(f"{os.fspath(path)}: can't be read ({one_line(problem)})") from None


def read_regular(path: str | os.PathLike[str], limit: int, *, follow_links: bool = True) -> bytes:
    """Return the content of a regular file of at most `limit` bytes; see `open_regular`.

    Raises:
        OSError: If it can't be read, is no regular file or larger.
        ValueError: If the name holds a NUL.
    """
    with open_regular(path, follow_links=follow_links) as file:
        size = os.fstat(file.fileno()).st_size
        data = file.read(min(limit, size) + 1)
    if len(data) > limit:
        raise OSError(f"larger than expected: over {limit} bytes")
    return data
