"""Processor time by test file: of the test process, and of the processes that it started and waited for."""

from __future__ import annotations

import os
from collections import Counter

SHARED = "made for several files"
"""The account of `tests.once`."""
BROWSERS = "browsers"
"""The account of what the app's tests start by Playwright."""

spent: Counter[str] = Counter()
"""Seconds by file."""


def now() -> float:
    """Return the processor time so far, in seconds."""
    return sum(os.times()[:4])


class Measured:
    """A ``with`` block whose processor time counts for `name`, and for no block around it."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __enter__(self) -> None:
        self.start, self.others = now(), spent.total()

    def __exit__(self, *_: object) -> None:
        spent[self.name] += now() - self.start - (spent.total() - self.others)
