"""Ctrl-C while a converter runs."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def deferred_interrupt() -> Iterator[None]:
    """Raise a first Ctrl-C at the end of the block, and a second one at once.

    LiteRT's converter calls Python from C++. A KeyboardInterrupt that is raised there is lost, or crashes the process.

    Raises:
        KeyboardInterrupt: If Ctrl-C was pressed.
    """
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(before):
        yield
        return
    pending: list[int] = []

    def defer(number: int, frame: FrameType | None) -> None:
        if pending:
            before(number, frame)
        pending.append(number)

    signal.signal(signal.SIGINT, defer)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if pending:
            raise KeyboardInterrupt
