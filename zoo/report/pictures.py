"""Pictures beside results: drawn where they can be, for results are worth having without them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from runtime.atomic import write_file
from runtime.errors import OutputError

T = TypeVar("T")


def attempt(draw: Callable[[], T], instead: T) -> tuple[T, str]:
    """Return what `draw` gives, or `instead` and the reason where the library that draws is not installed."""
    try:
        return draw(), ""
    except ImportError as problem:
        return instead, f"no picture: {problem.name or 'matplotlib'} is not installed: pip install 'edgezoo[train]'"


def save(out: Path, draw: Callable[[], bytes]) -> str:
    """Draw a picture and write it; return why there is none, or nothing."""
    content, reason = attempt(draw, b"")
    try:
        if content:
            write_file(out, content)
    except OutputError as problem:
        reason = f"no picture: {problem}"
    return reason
