"""Keep the chatter of native libraries off the terminal, or listen to it."""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from typing import IO

_listening = threading.Lock()


@contextmanager
def quiet() -> Iterator[None]:
    """Drop what Python and native code print on stdout and stderr, and log messages up to ERROR.

    The file descriptors are the process's own, so other threads fall silent too: for programs, not libraries.
    """
    disabled = logging.root.manager.disable
    saved = [(fd, os.dup(fd)) for fd in (1, 2) if _is_open(fd)]
    for stream in (sys.stdout, sys.stderr):
        with suppress(ValueError, AttributeError):
            stream.flush()
    with open(os.devnull, "w") as sink:  # noqa: PTH123  # devnull is no path to join
        try:
            for fd, _ in saved:
                os.dup2(sink.fileno(), fd)
            logging.disable(logging.ERROR)
            with redirect_stdout(sink), redirect_stderr(sink):
                yield
        finally:
            logging.disable(disabled)
            for fd, copy in saved:
                os.dup2(copy, fd)
                os.close(copy)


@contextmanager
def overheard() -> Iterator[list[str]]:
    """Collect the lines that native code prints on stderr: some libraries give their reasons nowhere else.

    The list is filled when the block ends; it stays empty where no temporary file can be written. The file descriptor
    is the process's own, so keep the block short; other threads' lines land in the list too.
    """
    lines: list[str] = []
    with _listening, _temporary_file() as file:
        saved = os.dup(2) if _is_open(2) else None
        os.dup2(file.fileno(), 2)
        try:
            yield lines
        finally:
            if saved is None:
                os.close(2)
            else:
                os.dup2(saved, 2)
                os.close(saved)
            file.seek(0)
            lines += [line for line in file.read().decode(errors="replace").splitlines() if line.strip()]


def _temporary_file() -> IO[bytes]:
    import tempfile  # it imports much, and few listen

    try:
        return tempfile.TemporaryFile()
    except OSError:
        return open(os.devnull, "w+b")  # noqa: PTH123  # devnull is no path to join; the caller closes it


def _is_open(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True
