"""Threads that run jobs, and that no interrupt of who gives them work can block.

`ThreadPoolExecutor.submit` and `threading.Condition` take locks in Python, which an interrupt (Ctrl-C, an alarm) leaves
taken for ever. Here a job is handed over by one call of C, and signals reach no thread but the main one.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar
from weakref import finalize

Result = TypeVar("Result")
Jobs = SimpleQueue[Callable[[], object] | None]

PATIENCE = 1
"""Seconds that closing waits for a job that runs: native code can't be stopped."""


class Job(Generic[Result]):
    """A call whose result another thread waits for."""

    def __init__(self, function: Callable[[], Result]) -> None:
        self._function = function
        self._results: list[Result] = []
        self._problem: BaseException | None = None
        self._ended = threading.Lock()
        self._ended.acquire()

    def __call__(self) -> None:
        """Run it; only its waiter gets what it raises."""
        try:
            self._results.append(self._function())
        except BaseException as problem:
            self._problem = problem
        finally:
            self._ended.release()

    def done(self) -> bool:
        """Tell whether it has ended."""
        return not self._ended.locked()

    def result(self) -> Result:
        """Wait for the call's result, or raise what it raised."""
        with self._ended:
            pass
        if self._problem is not None:
            raise self._problem
        return self._results[0]


class Workers:
    """Some threads, which end with this object; `close` ends them earlier, and drops the jobs that have not begun."""

    def __init__(self, count: int, name: str) -> None:
        self._jobs: Jobs = SimpleQueue()
        threads: list[threading.Thread] = []
        self.close = finalize(self, _end, self._jobs, threads)
        for i in range(count):
            threads.append(threading.Thread(target=_work, args=(self._jobs,), name=f"{name}_{i}", daemon=True))
            threads[-1].start()

    def put(self, job: Callable[[], object]) -> None:
        """Give a job, which must not raise, to the first thread that is idle."""
        self._jobs.put(job)


def _work(jobs: Jobs) -> None:
    while job := jobs.get():
        job()
        del job  # it may hold the last reference to what owns these threads
    jobs.put(None)


def _end(jobs: Jobs, threads: list[threading.Thread]) -> None:
    try:
        while True:
            jobs.get_nowait()
    except Empty:
        jobs.put(None)
    end = time.monotonic() + PATIENCE
    for thread in threads:
        if thread is not threading.current_thread() and thread.ident:
            thread.join(max(0, end - time.monotonic()))
