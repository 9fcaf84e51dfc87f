"""What is worth knowing about inputs that were answered and files that were written, for the command line."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from runtime import Note
from zoo.terminal import complain


@contextmanager
def heard() -> Iterator[list[str]]:
    """Print what there is to note, whichever thread notes it, a line each; collect it in a list."""
    notes: list[str] = []
    with warnings.catch_warnings():
        usual = warnings.showwarning

        def show(message: Warning | str, category: type[Warning], *place: Any, **more: Any) -> None:
            if issubclass(category, Note):
                notes.append(str(message))
                complain(str(message))
            else:
                usual(message, category, *place, **more)

        warnings.simplefilter("always", Note)
        warnings.showwarning = show
        yield notes
