"""Cells of tables, and lines below them, as several views write them."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from rich.markup import escape

from runtime.humanize import ABSENT, milliseconds, percent
from zoo.terminal.console import console, say


def share(value: float | None) -> str:
    """Return a share as a percentage."""
    return ABSENT if value is None else percent(value)


def thousandth(seconds: float | None) -> str:
    """Return a time in milliseconds."""
    return ABSENT if seconds is None else milliseconds(seconds)


def value(value: Any) -> str:
    """Return the value of an option as ``--set`` takes it."""
    if isinstance(value, tuple):
        return f"[{', '.join(map(str, value))}]"
    return str(value).lower() if isinstance(value, bool) else str(value)


def finite(value: Any) -> Any:
    """Return a value for JSON, which has no infinity."""
    if isinstance(value, list | tuple):
        return [finite(each) for each in value]
    if isinstance(value, dict):
        return {name: finite(each) for name, each in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value


def picture_line(out: Path, reason: str) -> None:
    """Say where a picture was written, or why it was not."""
    if reason:
        say(reason, "yellow")
    else:
        console.print(f"picture  {escape(str(out))}", soft_wrap=True)


def bundle_line(bundle: Path) -> None:
    """Say where a bundle is: below the working folder by its path from there, as the next command takes it."""
    here = Path.cwd()
    path = bundle.relative_to(here) if bundle.is_relative_to(here) else bundle
    console.print(f"[bold]bundle[/bold]  {escape(str(path))}", soft_wrap=True)
