"""A progress bar with a rate, for work that takes more than a moment."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from rich.progress import Progress

Item = TypeVar("Item")

AFTER = 2.0
"""Seconds before a bar appears: what is done sooner needs none, nor rich, which takes a while to import."""


def watched(items: Iterable[Item], total: int | None, unit: str) -> Iterator[Item]:
    """Pass items on, and show how many a second on stderr where that is a terminal, from `AFTER` seconds on.

    Args:
        items: The work, done as it is iterated.
        total: How many there will be; None if nobody knows.
        unit: What one is, in the plural.
    """
    start, bar = time.monotonic(), None
    try:
        for count, item in enumerate(items, 1):
            yield item
            passed = time.monotonic() - start
            if bar is None and passed >= AFTER and sys.stderr.isatty():
                bar = _bar(total)
            if bar is not None:
                bar.update(bar.task_ids[0], completed=count, rate=f"{count / passed:.1f} {unit}/s")
    finally:
        if bar is not None:
            bar.stop()


def _bar(total: int | None) -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]}"), TimeRemainingColumn()
    bar = Progress(*columns, console=Console(stderr=True), transient=True)
    bar.add_task("predict", total=total, rate="")
    bar.start()
    return bar
