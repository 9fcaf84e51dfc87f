"""Several callers at once: copies of an engine that admits one of them, and micro-batches."""

from __future__ import annotations

import threading
import time
from collections import deque
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from runtime.errors import EngineError
from runtime.threads import usable_cpus

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from numpy.typing import NDArray

    from runtime.engines import Engine

    Arrays = dict[str, NDArray[Any]]

Item = TypeVar("Item")
Answer = TypeVar("Answer")


class Copies:
    """Copies of an engine that admits one caller at a time, opened as callers come, up to what the CPUs can serve.

    Everything but `run` is the first one's.
    """

    def __init__(self, reopen: Callable[[], Engine]) -> None:
        self._first = reopen()
        self._reopen = reopen
        self._idle: SimpleQueue[Engine] = SimpleQueue()
        self._idle.put(self._first)
        self._to_open = threading.Semaphore(max(1, usable_cpus() // self._first.threads) - 1)

    def __getattr__(self, name: str) -> Any:
        """Look a name up in the first copy."""
        return getattr(self._first, name)

    def run(self, inputs: Arrays) -> Arrays:
        """Run the graph once, on a copy that is idle; see `runtime.engines.Engine.run`."""
        engine = self._borrow()
        try:
            return engine.run(inputs)
        finally:
            self._idle.put(engine)

    def _borrow(self) -> Engine:
        try:
            return self._idle.get_nowait()
        except Empty:
            if not self._to_open.acquire(blocking=False):
                return self._idle.get()
        try:
            return self._reopen()
        except BaseException:
            self._to_open.release()
            raise


class Request(Generic[Item, Answer]):
    """A caller's item while it waits: for its answer, or for its turn to work on what has gathered."""

    def __init__(self, item: Item, kind: Hashable) -> None:
        self.item = item
        self.kind = kind
        self.leads = False
        self.answers: list[Answer] = []
        self.problem: Exception | None = None
        self.woken = threading.Lock()
        self.woken.acquire()


class Together(Generic[Item, Answer]):
    """Works on the items of callers that wait at the same time as one batch.

    Who calls alone never waits. Of several, one leads: it takes those that have gathered while the last batch ran, and
    if they are fewer than the callers of then, gives the others half of that batch's time to come back: what each does
    between two calls is short against the work, or batches pay little. If a batch fails each item is tried by itself,
    so that one caller's item is no other's trouble.

    Args:
        work: From a list of items of one kind to their answers.
        limit: The largest list.
        places: How many lists may be worked on at a time.
    """

    def __init__(self, work: Callable[[list[Item], Hashable], list[Answer]], limit: int, places: int) -> None:
        self._work = work
        self._limit = limit
        self._idle = places
        self._lock = threading.Lock()
        self._waiting: deque[Request[Item, Answer]] = deque()
        self._company = 1
        """The callers of the last batch: those in it, and those that waited at its end."""
        self._took = 0.0
        """Seconds."""
        self._complete: threading.Lock | None = None
        """While a leader waits for others: what the last of them opens."""

    def __call__(self, item: Item, kind: Hashable) -> Answer:
        """Return an item's answer; items of one `kind` may be worked on together."""
        request: Request[Item, Answer] = Request(item, kind)
        with self._lock:
            request.leads = self._idle > 0 and not self._complete
            if request.leads:
                self._idle -= 1
            else:
                self._waiting.append(request)
                if self._complete and len(self._waiting) >= self._company - 1:
                    self._complete.release()
                    self._complete = None
        if not request.leads:
            try:
                request.woken.acquire()
            except BaseException:  # Ctrl-C
                self._leave(request)
                raise
        if request.leads:
            try:
                self._lead(self._gathered(request))
            finally:
                self._pass_on()
        if request.problem is not None:
            raise request.problem
        return request.answers[0]

    def _gathered(self, leader: Request[Item, Answer]) -> list[Request[Item, Answer]]:
        """Return the leader's batch, its own item first."""
        complete = None
        with self._lock:
            if len(self._waiting) < self._company - 1 and not self._complete:
                complete = self._complete = threading.Lock()
                complete.acquire()
        try:
            if complete:
                complete.acquire(timeout=self._took / 2)
        finally:
            with self._lock:
                if self._complete is complete:
                    self._complete = None
                group = [leader, *[each for each in self._waiting if each.kind == leader.kind][: self._limit - 1]]
                chosen = set(map(id, group))
                self._waiting = deque(each for each in self._waiting if id(each) not in chosen)
        return group

    def _pass_on(self) -> None:
        """Give the place to the first who waits."""
        with self._lock:
            if not self._waiting:
                self._idle += 1
                return
            first = self._waiting.popleft()
            first.leads = True
        first.woken.release()

    def _leave(self, request: Request[Item, Answer]) -> None:
        with self._lock:
            if request in self._waiting:
                self._waiting.remove(request)
        if request.leads:
            self._pass_on()

    def _lead(self, group: list[Request[Item, Answer]]) -> None:
        start = time.perf_counter()
        try:
            self._answer(group)
        finally:
            with self._lock:
                self._company = min(self._limit, len(group) + len(self._waiting))
                self._took = time.perf_counter() - start
            for request in group[1:]:
                if not request.answers and request.problem is None:
                    request.problem = EngineError("the caller that worked on this input with its own was interrupted")
                request.woken.release()

    def _answer(self, group: list[Request[Item, Answer]]) -> None:
        try:
            answers = self._work([request.item for request in group], group[0].kind)
        except Exception as problem:
            if len(group) == 1:
                group[0].problem = problem
            else:
                for request in group:
                    self._answer([request])
        else:
            for request, answer in zip(group, answers, strict=True):
                request.answers.append(answer)
