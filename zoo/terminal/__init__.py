"""Lines and JSON for a terminal. Control codes in names and labels are written out, so a line stays one line."""

from __future__ import annotations

import sys
from typing import Any

from runtime.printable import escape_controls, escape_json

LONGEST = 480
"""Characters of a complaint: names and values from outside may have millions."""
TAIL = 120


def say(text: str) -> None:
    """Print a line on stdout."""
    sys.stdout.write(f"{escape_controls(text)}\n")


def note(text: str) -> None:
    """Print a line on stderr."""
    sys.stderr.write(f"{escape_controls(text)}\n")


def complain(text: str) -> None:
    """Print a line on stderr that says who speaks; of a long one its start, and its end with what to do."""
    if len(text) > LONGEST:
        text = f"{text[: LONGEST - TAIL - 3]} … {text[-TAIL:]}"
    note(f"zoo: {text}")


def say_json(value: Any) -> None:
    """Print a value as JSON on stdout."""
    import json

    sys.stdout.write(escape_json(json.dumps(value, ensure_ascii=False, indent=1)) + "\n")
