"""Keep the chatter of native libraries off the terminal, or listen to it."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from typing import IO

_listening = threading.Lock()


@contextmanager
def suppress_output() -> Iterator[None]:
    """Drop what Python and native code print on stdout and stderr, and log messages up to ERROR.

    The file descriptors are the process's own, so other threads fall silent too: for programs, not libraries.
    """
    import logging  # many processes load models and silence nothing

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
            for fd, copy in saved:
                os.dup2(copy, fd)
                os.close(copy)
            logging.disable(disabled)


def capture_stderr(action: Callable[[], object]) -> tuple[list[str], Exception | None]:
    """Call native code and collect the lines that it prints on stderr: some libraries give their reasons nowhere else.

    The file descriptor is the process's own, so keep the call short; other threads' lines are collected too.

    Returns:
        The lines, none where no temporary file can be written; and the RuntimeError or ValueError that it raised.
    """
    problem: Exception | None = None
    with _listening, _temporary_file() as file:
        saved = os.dup(2) if _is_open(2) else None
        try:
            os.dup2(file.fileno(), 2)
            action()
        except (RuntimeError, ValueError) as raised:
            problem = raised
        finally:
            if saved is None:
                os.close(2)
            else:
                os.dup2(saved, 2)
                os.close(saved)
        file.seek(0)
        said = file.read().decode(errors="replace")
    return [line for line in said.splitlines() if line.strip()], problem


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
