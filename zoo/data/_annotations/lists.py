"""Text files that list pictures, one a line."""

from __future__ import annotations

from pathlib import Path

from runtime.errors import DataError, one_line
from runtime.regular_files import MAX_TEXT, read_regular
from zoo.data._annotations.pictures import is_inside


def read_lines(root: Path, path: Path) -> list[str]:
    """Return the lines of a list, without empty ones.

    Raises:
        DataError: If it can't be read, or is a link that leads out of `root`.
    """
    if not is_inside(root, path):
        raise DataError(f"{path}: is a link that leads out of {root}")
    try:
        lines = read_regular(path, MAX_TEXT).decode().splitlines()
    except (OSError, ValueError) as problem:
        raise DataError(f"{path}: can't be read ({one_line(problem)})") from None
    return [line.strip() for line in lines if line.strip()]
