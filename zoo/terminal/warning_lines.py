"""Warnings about inputs and files on the command line: a line each, and a list of them all."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from runtime import Note
from zoo.terminal import complain


@contextmanager
def collect_notes() -> Iterator[list[str]]:
    """Print every note as a line, whichever thread gives it, and collect them in a list."""
    notes: list[str] = []
    with warnings.catch_warnings():
        usual = warnings.showwarning

        def show(message: Warning | str, category: type[Warning], *where: Any, **more: Any) -> None:
            if issubclass(category, Note):
                notes.append(str(message))
                complain(str(message))
            else:
                usual(message, category, *where, **more)

        warnings.simplefilter("always", Note)
        warnings.showwarning = show
        yield notes
