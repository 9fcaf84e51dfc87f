"""A progress bar with a rate, for work that takes more than a moment."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from rich.progress import Progress

Item = TypeVar("Item")

AFTER = 1.5
"""Seconds before a bar appears: what is done sooner needs none, nor rich, which takes a while to import."""


def with_progress(items: Iterable[Item], total: int | None, unit: str) -> Iterator[Item]:
    """Pass items on, and show how many a second on stderr where that is a terminal, from `AFTER` seconds on.

    Args:
        items: The work, done as it is iterated.
        total: How many there will be; None if it is unknown.
        unit: What one is, in the plural.
    """
    if not sys.stderr.isatty():
        yield from items
        return
    start, bar = time.monotonic(), _LateBar(total)
    try:
        for count, item in enumerate(items, 1):
            yield item
            passed = time.monotonic() - start
            bar.update(count, passed, f"{count / passed:.1f} {unit}/s")
    finally:
        bar.stop()


class _LateBar:
    """A bar that appears after a while, whether or not the first item is done by then."""

    def __init__(self, total: int | None) -> None:
        self._total, self._lock = total, threading.Lock()
        self._bar: Progress | None = None
        self._timer = threading.Timer(AFTER, self._start)
        self._timer.daemon = True
        self._timer.start()

    def _start(self) -> None:
        with self._lock:
            if not self._timer.finished.is_set():
                self._bar = _bar(self._total)

    def update(self, count: int, passed: float, rate: str) -> None:
        if passed >= AFTER:
            self._timer.join()  # rich takes a while to import
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], completed=count, total=self._total, rate=rate)

    def stop(self) -> None:
        self._timer.cancel()
        with self._lock:
            if self._bar is not None:
                self._bar.stop()


def _bar(total: int | None) -> Progress:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    from zoo.terminal.console import Console
    from zoo.terminal.progress import Clock

    columns = BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]}"), Clock()
    bar = Progress(*columns, console=Console(stderr=True), transient=True)
    bar.add_task("predict", total=None, rate="")  # it swings to and fro until something is done
    bar.start()
    return bar
