"""Keep the chatter of native libraries off the terminal."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress


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


def _is_open(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True
