"""Files beside a model file, which nobody vouches for: small regular text files only."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

from runtime.errors import OptionError, one_line
from runtime.schema import parse_json

MAX_TEXT = 4 * 2**20


def read_text(path: Path) -> str | None:
    """Return a file's text, or None if there is no such file.

    Raises:
        OptionError: If it is no regular file, too large, or no text in UTF-8.
    """
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        with open(path, "rb", opener=lambda name, _: os.open(name, flags)) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise OptionError(f"{path}: not a regular file")
            data = file.read(MAX_TEXT + 1)
        if len(data) > MAX_TEXT:
            raise OptionError(f"{path}: larger than {MAX_TEXT // 2**20} MB, which no such file is")
        return data.decode("utf-8-sig")
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
