"""The console, by rich: what `zoo.terminal` promises of lines, with styles and lines that break at words."""

from __future__ import annotations

import os
import sys
from typing import Any

import rich.console
from rich.text import Text

from runtime.printable import escape_controls

IS_SIZED = sys.stdout.isatty() or os.environ.get("COLUMNS", "").isdigit()
"""Whether there is a width to keep to; what goes to a file or a pipe is not squeezed into the 80 columns that rich
assumes there, and lines are left whole for other programs."""


class Console(rich.console.Console):
    """A console that writes control codes out, in texts and in cells, and leaves ``:words:`` as they are."""

    def __init__(self, **options: Any) -> None:
        super().__init__(highlight=False, emoji=False, **options)

    def render_str(self, text: str, **options: Any) -> Text:
        """Turn a text into what is shown."""
        return super().render_str(escape_controls(text), **options)


console = Console(width=None if IS_SIZED else 120)
stderr = Console(stderr=True)


def say(text: str, style: str = "") -> None:
    """Print a sentence, broken at words where there is a width to keep to."""
    console.print(text, style=style, markup=False, soft_wrap=not IS_SIZED)
