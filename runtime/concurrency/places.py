"""Places that threads take and leave, which lets so many of them work at a time."""

from __future__ import annotations

from queue import SimpleQueue


class Places:
    """A semaphore for ``with``. Taking and leaving a place are one call of C each.

    `threading.Semaphore` is written in Python, and its waiters hold the interpreter's lock for longer.

    Args:
        count: How many threads may be inside at a time.
    """

    def __init__(self, count: int) -> None:
        self._free: SimpleQueue[None] = SimpleQueue()
        for _ in range(count):
            self._free.put(None)

    def __enter__(self) -> None:
        """Take a place, or wait for one."""
        self._free.get()

    def __exit__(self, *_: object) -> None:
        """Leave it."""
        self._free.put(None)
