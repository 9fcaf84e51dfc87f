"""Tables and bars for a terminal, by rich, with what `zoo.terminal` promises of lines."""

from __future__ import annotations

from typing import Any

import rich.console
from rich.text import Text

from runtime.characters import escape_controls


class Console(rich.console.Console):
    """A console that writes control codes out, in texts and in cells, and leaves ``:words:`` as they are."""

    def __init__(self, **options: Any) -> None:
        super().__init__(highlight=False, emoji=False, **options)

    def render_str(self, text: str, **options: Any) -> Text:
        """Turn a text into what is shown."""
        return super().render_str(escape_controls(text), **options)
