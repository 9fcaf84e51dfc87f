"""Micro-batches: the inputs of callers that wait at the same time are run as one batch.

An interrupt (Ctrl-C, an alarm) may be raised after any call of the main thread, and signals reach no other thread. So
threads run the batches.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Generic, TypeVar

from runtime.concurrency.workers import Workers

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

Item = TypeVar("Item")
Answer = TypeVar("Answer")


class Request(Generic[Item, Answer]):
    """A caller's item while it waits for its answer."""

    def __init__(self, item: Item, kind: Hashable) -> None:
        self.item = item
        self.kind = kind
        self.left = False
        """Whether the caller was interrupted and waits no more."""
        self.answers: list[Answer] = []
        self.problem: BaseException | None = None
        self.done = threading.Lock()
        self.done.acquire()


class MicroBatcher(Generic[Item, Answer]):
    """Runs the items of callers that wait at the same time as one batch.

    Each batch takes the items that have gathered while the last one ran. If they are fewer than the callers of then,
    the others get half of that batch's time to come back: what each does between two calls is short against the work,
    or batches pay little. Who calls alone never waits for others. If a batch fails each item is tried by itself, so
    that one caller's item is no other's trouble.

    Args:
        work: From a list of items of one kind to their answers.
        limit: The largest list.
        workers: How many lists may be worked on at a time.
    """

    def __init__(self, work: Callable[[list[Item], Hashable], list[Answer]], limit: int, workers: int) -> None:
        self._work = work
        self._limit = limit
        self._workers = Workers(workers, "edgezoo-batches")
        self._waiting: SimpleQueue[Request[Item, Answer]] = SimpleQueue()
        self._postponed: deque[Request[Item, Answer]] = deque()
        """Of other kinds than the last batch: they come next."""
        self._gather_lock = threading.Lock()
        self._last_callers = 1
        """The callers of the last batch: those in it, and those that waited at its end."""
        self._last_seconds = 0.0
        """What the last batch took."""

    def __call__(self, item: Item, kind: Hashable) -> Answer:
        """Return an item's answer; items of one `kind` may be worked on together."""
        request: Request[Item, Answer] = Request(item, kind)
        try:
            self._waiting.put(request)
            self._workers.put(self._serve)
            request.done.acquire()
        except BaseException:  # Ctrl-C
            request.left = True
            raise
        if request.problem is not None:
            raise request.problem
        return request.answers[0]

    def _serve(self) -> None:
        """Work on batches until no caller waits."""
        while group := self._gathered():
            start = time.perf_counter()
            self._answer(group)
            self._last_callers = min(self._limit, len(group) + self._waiting.qsize() + len(self._postponed))
            self._last_seconds = time.perf_counter() - start
            for request in group:
                request.done.release()

    def _gathered(self) -> list[Request[Item, Answer]]:
        """Return the next batch: items of one kind, whose callers still wait."""
        with self._gather_lock:
            waiting = deque(each for each in self._postponed if not each.left)
            end = time.perf_counter() + self._last_seconds / 2
            while True:
                patience = end - time.perf_counter() if 0 < len(waiting) < self._last_callers else 0
                try:
                    request = self._waiting.get(patience > 0, max(0, patience))
                except Empty:
                    break
                if not request.left:
                    waiting.append(request)
            group = [each for each in waiting if each.kind == waiting[0].kind][: self._limit]
            chosen = set(map(id, group))
            self._postponed = deque(each for each in waiting if id(each) not in chosen)
        return group

    def _answer(self, group: list[Request[Item, Answer]]) -> None:
        try:
            answers = self._work([request.item for request in group], group[0].kind)
            answered = list(zip(group, answers, strict=True))
        except BaseException as problem:  # whatever it is, the callers must hear of it
            if len(group) == 1:
                group[0].problem = problem
            else:
                for request in group:
                    self._answer([request])
        else:
            for request, answer in answered:
                request.answers.append(answer)
