"""Files beside a model file, which no hash protects: small regular text files only."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from runtime.errors import OptionError, one_line
from runtime.regular_files import MAX_TEXT, read_regular
from runtime.schema import parse_json


def read_text(path: Path) -> str | None:
    """Return a file's text, or None if there is no such file.

    Raises:
        OptionError: If it is no regular file, too large, or no text in UTF-8.
    """
    try:
        return read_regular(path, MAX_TEXT).decode("utf-8-sig")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as problem:
        raise OptionError(f"{path}: can't be read ({one_line(problem)})") from None


def read_json(path: Path) -> dict[str, Any] | None:
    """Return a JSON file's table, or None if there is none.

    Raises:
        OptionError: If it can't be read.
    """
    text = read_text(path)
    value = None if text is None else parse_json(text, str(path), OptionError)
    return value if isinstance(value, dict) else None
