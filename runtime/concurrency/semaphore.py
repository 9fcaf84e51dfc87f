"""A semaphore whose two operations are one call of C each."""

from __future__ import annotations

from queue import SimpleQueue


class Semaphore:
    """Lets some threads at a time through a ``with`` block.

    `threading.Semaphore` is written in Python, and its waiters hold the interpreter's lock for longer.

    Args:
        count: How many threads may be in the block at a time.
    """

    def __init__(self, count: int) -> None:
        self._free: SimpleQueue[None] = SimpleQueue()
        for _ in range(count):
            self._free.put(None)

    def __enter__(self) -> None:
        """Enter the block, after a wait if it is full."""
        self._free.get()

    def __exit__(self, *_: object) -> None:
        """Leave the block."""
        self._free.put(None)
