"""The names of classes, which later stand in manifests, on pictures and in terminals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from runtime.errors import DataError, shown
from runtime.printable import is_printable


def check_labels(names: Sequence[object], path: Path) -> None:
    """Check the names of classes.

    Raises:
        DataError: If there is none, or one is no text, empty, not printable or twice; names the file.
    """
    if not names:
        raise DataError(f"{path}: names no classes")
    for name in names:
        if not isinstance(name, str) or not name.strip() or not is_printable(name):
            raise DataError(f"{path}: the name of a class must be a text that can be printed, got {shown(name)}")
    name, count = Counter(names).most_common(1)[0]
    if count > 1:
        raise DataError(f"{path}: {count} classes are called {shown(name)}; rename them")
