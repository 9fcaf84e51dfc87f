"""Markdown of model cards."""

from __future__ import annotations

import re
from collections.abc import Sequence


def escaped(text: str) -> str:
    """Return text in which Markdown sees no links or markup."""
    return re.sub(r"([\\`*\[\]<>|])", r"\\\1", text)


def single_line(text: str) -> str:
    """Return a text as one line; blanks that a script needs, such as no-break and ideographic ones, stay."""
    return re.sub(r"[ \t\r\n\f\v]+", " ", text).strip()


def code(text: str) -> str:
    """Return a text as code, whatever characters it has."""
    ticks = "``" if "`" in text else "`"
    return f"{ticks} {text} {ticks}" if "`" in text or text != text.strip() else f"{ticks}{text}{ticks}"


def listed(names: Sequence[str], most: int = 20) -> str:
    """Return the first names of a list with commas between."""
    return ", ".join(map(single_line, names[:most])) + (" …" if len(names) > most else "")


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table; cells may hold any character."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines)
