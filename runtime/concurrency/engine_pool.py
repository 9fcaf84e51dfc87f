"""A pool of engines for a library that admits one caller at a time.

An interrupt (Ctrl-C, an alarm) may be raised after any call of the main thread. So an engine is moved from its queue
into the caller's list within one call of C, inside the `try` whose `finally` returns it by its first call.
"""

from __future__ import annotations

from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

from runtime.concurrency.threads import usable_cpus

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from runtime.engines import Engine

    Arrays = dict[str, NDArray[Any]]


class _Slot:
    """A place in the pool: an engine, or None until it is opened."""

    def __init__(self, engine: Engine | None = None) -> None:
        self.engine = engine


class EnginePool:
    """Engines that admit one caller at a time each, opened as callers come, up to what the CPUs can serve.

    Every attribute but `run` is the first engine's.
    """

    def __init__(self, reopen: Callable[[], Engine]) -> None:
        self._first = reopen()
        self._reopen = reopen
        self._idle: SimpleQueue[_Slot] = SimpleQueue()
        self._idle.put(_Slot(self._first))
        self._unopened: SimpleQueue[_Slot] = SimpleQueue()
        for _ in range(usable_cpus() // self._first.threads - 1):
            self._unopened.put(_Slot())

    def __getattr__(self, name: str) -> Any:
        """Look a name up in the first engine."""
        return getattr(self._first, name)

    def run(self, inputs: Arrays) -> Arrays:
        """Run the graph once, on an engine that is idle; see `runtime.engines.Engine.run`."""
        borrowed: list[_Slot] = []
        try:
            self._borrow(borrowed)
            slot = borrowed[0]
            if slot.engine is None:
                slot.engine = self._reopen()
            return slot.engine.run(inputs)
        finally:
            for slot in borrowed:
                (self._unopened if slot.engine is None else self._idle).put(slot)

    def _borrow(self, borrowed: list[_Slot]) -> None:
        """Move a slot into the caller's list, each time within one call; see the module."""
        for queue, wait in ((self._idle, False), (self._unopened, False), (self._idle, True)):
            try:
                borrowed.extend(map(queue.get, (wait,)))
            except Empty:
                continue
            return
