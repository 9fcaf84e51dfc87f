"""The queue of a model's requests: bounded, in threads, each with a deadline."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from zoo.serving.errors import BusyError, DeadlineError

T = TypeVar("T")


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
            raise DeadlineError(
                "the answer was not there in time: raise the deadline, or send fewer requests at a time"
            )


class RequestQueue:
    """Requests that wait or are worked on: at most `limit`, further ones are refused.

    A request whose caller is gone before a thread took it up costs nothing. One that a thread works on keeps its place
    until that thread is done, so that an engine that hangs fills the queue and not the memory.
    """

    def __init__(self, name: str, limit: int) -> None:
        self._limit = limit
        self._name = name
        self._places = threading.BoundedSemaphore(limit)
        self.set_threads(1)

    def set_threads(self, count: int) -> None:
        """Work on so many requests at a time from now on; threads with requests of before end once those are done."""
        self._threads = ThreadPoolExecutor(count, f"edgezoo-{self._name}")

    def check_room(self) -> None:
        """Check that one more request may wait: what costs nothing is done before a body is received.

        Raises:
            BusyError: If as many requests wait as may.
        """
        self._enter()
        self._places.release()

    async def run(self, work: Callable[[], T], deadline: Deadline) -> T:
        """Do a request's work in a thread and return what it returns.

        Raises:
            BusyError: If as many requests wait as may.
            DeadlineError: If the deadline passes first.
        """
        deadline.check()
        self._enter()
        job = self._threads.submit(work)
        job.add_done_callback(self._leave)
        try:
            return await asyncio.wait_for(asyncio.wrap_future(job), deadline.left)
        except TimeoutError:
            deadline.check()
            raise

    def _enter(self) -> None:
        if not self._places.acquire(blocking=False):
            raise BusyError(f"{self._limit} requests wait for the model {self._name!r} already: try again in a moment")

    def _leave(self, _: Future[T]) -> None:
        self._places.release()

    def close(self) -> None:
        """End the threads once they are done; requests that wait are dropped."""
        self._threads.shutdown(wait=False, cancel_futures=True)
