"""Labels as other projects write them: one a line, numbered or not; or a table of numbers and names."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from runtime.errors import OptionError
from runtime.printable import is_printable

MAX_LABELS = 100_000


def from_lines(text: str) -> tuple[str, ...]:
    """Return the labels of a text with one a line; numbers in front (``0 cat``) go if they count the lines."""
    lines = [line.strip() for line in re.split(r"\r\n?|\n", text.removeprefix("\ufeff").rstrip())]
    counted = [re.fullmatch(r"(\d+)[ \t:,]+(.+)", line) for line in lines]
    if lines and all(match and int(match[1]) == i for i, match in enumerate(counted)):
        lines = [match[2].strip() for match in counted if match]
    return distinct(lines)


def from_numbers(table: Mapping[Any, Any], where: str) -> tuple[str, ...]:
    """Return the labels of a table from 0, 1, 2 … (as numbers or text) to names, or from names to those numbers.

    Raises:
        OptionError: If it is neither.
    """
    for pairs in (table.items(), ((number, name) for name, number in table.items())):
        labels = {int(number): name for number, name in pairs if re.fullmatch(r"\d{1,6}", str(number))}
        if len(labels) == len(table) <= MAX_LABELS and sorted(labels) == list(range(len(labels))):
            return distinct([str(labels[i]) for i in range(len(labels))])
    raise OptionError(f"{where}: its labels are not numbered 0, 1, 2 …; give them with --labels")


def distinct(names: Sequence[str]) -> tuple[str, ...]:
    """Return names that can be told apart: empty ones get their number, repeated ones say which they are.

    Raises:
        OptionError: If there are more than `MAX_LABELS`.
    """
    if len(names) > MAX_LABELS:
        raise OptionError(f"{len(names)} labels; the limit is {MAX_LABELS}")
    made: dict[str, None] = {}
    for i, name in enumerate(names):
        clean = plain = _one_line(name)[:200] or str(i)
        turn = 1
        while clean in made:
            turn += 1
            clean = f"{plain} ({turn})" if turn < 9 else f"{plain} (output {i})"
        made[clean] = None
    return tuple(made)


def _one_line(name: str) -> str:
    """Return a name without control characters, where line breaks and tabs are blanks."""
    kept = (char if is_printable(char) else " " if char.isspace() else "" for char in name)
    return re.sub(" +", " ", "".join(kept)).strip()
