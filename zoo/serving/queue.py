"""The queue of a model's requests: bounded, in threads, each with a deadline."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any, Generic, TypeVar

from runtime.concurrency.workers import Workers
from runtime.errors import ZooError, without_frames
from zoo.serving.errors import BusyError, DeadlineError

T = TypeVar("T")

LATE = "the answer was not there in time: raise the deadline, or send fewer requests at a time"


@dataclass(frozen=True)
class Deadline:
    """When an answer is too late, by `time.monotonic`."""

    end: float

    @classmethod
    def after(cls, seconds: float) -> Deadline:
        """Return the deadline that many seconds from now."""
        return cls(time.monotonic() + seconds)

    @property
    def left(self) -> float:
        """The seconds until then, below 0 afterwards."""
        return self.end - time.monotonic()

    def sooner(self, seconds: float | None) -> Deadline:
        """Return the sooner of this deadline and one that many seconds from now."""
        return self if seconds is None else Deadline(min(self.end, time.monotonic() + seconds))

    def check(self) -> None:
        """Check that there is time left.

        Raises:
            DeadlineError: If there is none.
        """
        if self.left <= 0:
            raise DeadlineError(LATE)


class _Job(Generic[T]):
    """A request's work on its way through a thread.

    It leaves less to do than `asyncio.wrap_future`: one callback in the event loop, and no lock that both wait for.

    Args:
        work: The work.
        leave: Called in the event loop once the request has left the queue.
        tell: Has the event loop call a function.

    Attributes:
        answer: What the work returns or raises, for the event loop.
    """

    def __init__(
        self, work: Callable[[], T], leave: Callable[[], None], tell: Callable[[Callable[[], None]], None]
    ) -> None:
        self._work, self._leave, self._tell = work, leave, tell
        self._claim = threading.Lock()
        """Held by the first of a thread and the caller's end: it decides whether there is work to do."""
        self.answer: asyncio.Future[T] = asyncio.get_running_loop().create_future()

    def run(self) -> None:
        """Do the work, in a thread, unless the caller is gone."""
        if not self._claim.acquire(blocking=False):
            return
        result: T | None = None
        problem: BaseException | None = None
        try:
            result = self._work()
        except ZooError as error:
            problem = without_frames(error)
        except BaseException as error:  # whatever it is, the caller must hear of it
            problem = error
        self._tell(partial(self._finish, result, problem))

    def _finish(self, result: Any, problem: BaseException | None) -> None:
        self._leave()
        if self.answer.done():
            return
        if problem is None:
            self.answer.set_result(result)
        else:
            self.answer.set_exception(problem)

    def expire(self) -> None:
        """Tell the caller that the deadline has passed."""
        if not self.answer.done():
            self.answer.set_exception(DeadlineError(LATE))

    def end(self) -> None:
        """Leave the queue if no thread has taken the work up."""
        if self._claim.acquire(blocking=False):
            self._leave()


class RequestQueue:
    """Requests that wait or are worked on: at most `limit`, further ones are refused. It belongs to one event loop.

    A request whose caller is gone before a thread took it up costs nothing. One that a thread works on keeps its place
    until that thread is done, so that an engine that hangs fills the queue and not the memory.
    """

    def __init__(self, name: str, limit: int) -> None:
        self._limit = limit
        self._name = name
        self._count = 0
        self._jobs: SimpleQueue[_Job[Any]] = SimpleQueue()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._finished: deque[Callable[[], None]] = deque()
        self._woken = False
        """Whether the event loop has been woken for what is in `_finished`."""
        self._thread_count = 0
        self.set_threads(1)

    def set_threads(self, count: int) -> None:
        """Work on so many requests at a time from now on; threads with requests of before end once those are done."""
        if count != self._thread_count:
            self._thread_count, self._threads = count, Workers(count, f"edgezoo-{self._name}")
            for _ in range(self._jobs.qsize()):  # which the threads of before have dropped
                self._threads.put(self._work)

    def check_room(self) -> None:
        """Check that one more request may wait: what costs nothing is done before a body is received.

        Raises:
            BusyError: If as many requests wait as may.
        """
        if self._count >= self._limit:
            raise BusyError(f"{self._limit} requests wait for the model {self._name!r} already: try again in a moment")

    async def run(self, work: Callable[[], T], deadline: Deadline) -> T:
        """Do a request's work in a thread and return what it returns.

        Raises:
            BusyError: If as many requests wait as may.
            DeadlineError: If the deadline passes first.
        """
        deadline.check()
        self.check_room()
        self._loop = asyncio.get_running_loop()
        job = _Job(work, self._leave, self._tell)
        self._count += 1
        self._jobs.put(job)
        self._threads.put(self._work)
        timer = self._loop.call_later(deadline.left, job.expire)
        try:
            return await job.answer
        finally:
            timer.cancel()
            job.end()
            del job  # its error refers to this frame; see `without_frames`

    def _work(self) -> None:
        """Do the next request's work, in a thread."""
        with suppress(Empty):
            self._jobs.get_nowait().run()

    def _tell(self, finish: Callable[[], None]) -> None:
        """Have the event loop call a function; requests that are done before it gets there share one wake-up."""
        self._finished.append(finish)
        if not self._woken and self._loop is not None:
            self._woken = True
            with suppress(RuntimeError):  # the event loop has ended
                self._loop.call_soon_threadsafe(self._finish)

    def _finish(self) -> None:
        self._woken = False  # first: what a thread appends from now on wakes the event loop anew
        while self._finished:
            self._finished.popleft()()

    def _leave(self) -> None:
        self._count -= 1

    def close(self) -> None:
        """End the threads once they are done; requests that wait are dropped."""
        self._threads.close()
