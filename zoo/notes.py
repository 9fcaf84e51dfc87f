"""What is worth knowing about inputs that were answered, for the command line."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from runtime import InputNote


@contextmanager
def heard() -> Iterator[list[str]]:
    """Print what there is to note about inputs, whichever thread reads them, a line each; collect it in a list."""
    notes: list[str] = []
    with warnings.catch_warnings():
        usual = warnings.showwarning

        def show(message: Warning | str, category: type[Warning], *place: Any) -> None:
            if issubclass(category, InputNote):
                notes.append(str(message))
                sys.stderr.write(f"zoo: {message}\n")
            else:
                usual(message, category, *place)

        warnings.simplefilter("always", InputNote)
        warnings.showwarning = show
        yield notes
