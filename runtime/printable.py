"""Characters of names and labels: every script's are welcome, those that steer a terminal or forge a line are not."""

from __future__ import annotations

import re

# control codes (C0, DEL, C1), line and paragraph separators, orders to turn the direction of writing, lone surrogates
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def is_printable(text: str) -> bool:
    """Say whether a text is one line that no terminal obeys.

    Other than `str.isprintable`, it lets joiners, blanks of every width, marks of direction and characters that this
    Python doesn't know yet pass: many scripts and emoji need them.
    """
    return _CONTROLS.search(text) is None


def escape_controls(text: str) -> str:
    r"""Return a text with what `is_printable` refuses written out, such as ``\x1b`` or ``\u2028``."""
    return _CONTROLS.sub(lambda match: repr(match[0])[1:-1], text)


def escape_json(text: str) -> str:
    r"""Return JSON whose strings hold nothing that a terminal obeys; every control code but a newline is ``\u….``."""
    return _CONTROLS.sub(lambda match: match[0] if match[0] == "\n" else f"\\u{ord(match[0]):04x}", text)
