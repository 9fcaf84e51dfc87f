"""Standard output and error that are closed, full, or a pipe whose reader has ended."""

from __future__ import annotations

import io
import os
import sys
from contextlib import suppress
from typing import Any

from runtime.errors import OutputError, one_line


class _Output(io.FileIO):
    """Standard output: what can't be written is an error of ours, but for a pipe whose reader has enough."""

    def write(self, data: Any) -> int:
        try:
            return super().write(data)
        except BrokenPipeError:
            raise
        except OSError as problem:
            raise OutputError(f"standard output can't be written ({one_line(problem)})") from None


class _Errors(io.FileIO):
    """Standard error: what can't be written is lost, for there is nowhere to say so."""

    def write(self, data: Any) -> int:
        with suppress(OSError):
            super().write(data)
        return len(data)


def prepare_streams() -> None:
    """Make standard output and error such that neither a file's name nor a closed or full file ends in a traceback.

    A file's name may hold what the terminal's encoding can't write. A descriptor that is closed is taken, so that no
    other file gets its number: for standard output by what can't be written, which shows when something is.
    """
    for number, mode in enumerate((os.O_RDONLY, os.O_RDONLY, os.O_WRONLY)):
        try:
            os.fstat(number)
        except OSError:
            opened = os.open(os.devnull, mode)
            if opened != number:
                os.dup2(opened, number)
                os.close(opened)
    if sys.stdout is sys.__stdout__:
        file: Any = io.BufferedWriter(_Output(1, "w", closefd=False))
        encoding, lines = getattr(sys.stdout, "encoding", "utf-8"), getattr(sys.stdout, "line_buffering", False)
        sys.stdout = io.TextIOWrapper(file, encoding, errors="backslashreplace", line_buffering=lines)
    elif isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    if sys.stderr is sys.__stderr__:
        file = _Errors(2, "w", closefd=False)
        encoding = getattr(sys.stderr, "encoding", "utf-8")
        sys.stderr = io.TextIOWrapper(file, encoding, errors="backslashreplace", write_through=True)


def drop_output() -> None:
    """Forget what standard output still holds, if it can't be written: the interpreter would try again at its end."""
    try:
        sys.stdout.flush()
    except (OSError, OutputError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.close(nowhere)
