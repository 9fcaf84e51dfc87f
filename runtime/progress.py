"""How long work tells how far it is: what is being done, how much of it is done, and how much there is."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[str, int, int], None]


def silent(what: str, done: int, total: int) -> None:
    """Show nothing."""


def prefixed(prefix: str, on_progress: Progress) -> Progress:
    """Return what names the larger work, too, of which a piece tells how far it is."""
    return lambda what, done, total: on_progress(f"{prefix}{what}", done, total)
