"""Engines around engines, for several callers at once: copies of one that admits one caller, and micro-batches."""

from __future__ import annotations

import threading
from collections import deque
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from runtime.errors import EngineError
from runtime.threads import usable_cpus

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from runtime.engines import Engine

    Arrays = dict[str, NDArray[Any]]

LIMIT = 32
"""The largest batch that callers' arrays are merged into."""


class Around:
    """Everything but `run` is the inner engine's."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def __getattr__(self, name: str) -> Any:
        """Look a name up in the inner engine."""
        return getattr(self._engine, name)


class Copies(Around):
    """Copies of an engine that admits one caller at a time, opened as callers come, up to what the CPUs can serve."""

    def __init__(self, reopen: Callable[[], Engine]) -> None:
        super().__init__(reopen())
        self._reopen = reopen
        self._idle: SimpleQueue[Engine] = SimpleQueue()
        self._idle.put(self._engine)
        self._to_open = threading.Semaphore(max(1, usable_cpus() // self._engine.threads) - 1)

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


class Request:
    """A caller's arrays while it waits: for its answer, or for its turn to run what has gathered."""

    def __init__(self, inputs: Arrays) -> None:
        self.inputs = inputs
        self.count = len(next(iter(inputs.values())))
        self.kind = {name: (array.shape[1:], array.dtype) for name, array in inputs.items()}
        self.group: list[Request] = []
        self.outputs: Arrays | None = None
        self.problem: BaseException | None = None
        self.woken = threading.Lock()
        self.woken.acquire()


class Batching(Around):
    """Runs the arrays of callers that wait at the same time together, as one batch.

    Nobody waits for company: a caller that finds the engine idle runs at once. Those that come meanwhile gather, and
    the first of them runs them all. If that fails, each is run by itself, so that one caller's arrays are no other's
    trouble.
    """

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self._lock = threading.Lock()
        self._idle = max(1, usable_cpus() // engine.threads)
        self._waiting: deque[Request] = deque()

    def run(self, inputs: Arrays) -> Arrays:
        """Run the graph once, perhaps with other callers' arrays; see `runtime.engines.Engine.run`."""
        with self._lock:
            alone = self._idle > 0
            if alone:
                self._idle -= 1
            else:
                self._waiting.append(request := Request(inputs))
        if alone:
            try:
                return self._engine.run(inputs)
            finally:
                self._pass_on()
        try:
            request.woken.acquire()
        except BaseException:  # Ctrl-C
            self._leave(request)
            raise
        if request.group:
            try:
                self._run(request.group)
            finally:
                self._pass_on()
        if request.problem is not None:
            raise request.problem
        return cast("Arrays", request.outputs)

    def _pass_on(self) -> None:
        """Give the engine to the first who waits, with those whose arrays go together with its own."""
        with self._lock:
            if not self._waiting:
                self._idle += 1
                return
            first = self._waiting.popleft()
            room = LIMIT - first.count
            group, others = [first], deque[Request]()
            for request in self._waiting:
                fits = request.kind == first.kind and request.count <= room
                room -= request.count if fits else 0
                (group if fits else others).append(request)
            self._waiting = others
            first.group = group
        first.woken.release()

    def _leave(self, request: Request) -> None:
        with self._lock:
            waits, leads = request in self._waiting, request.group[1:]
            if waits:
                self._waiting.remove(request)
            self._waiting.extendleft(reversed(leads))
        if request.group:
            self._pass_on()

    def _run(self, group: list[Request]) -> None:
        try:
            if len(group) == 1:
                group[0].outputs = self._engine.run(group[0].inputs)
            else:
                self._run_together(group)
        except Exception as problem:
            if len(group) == 1:
                group[0].problem = problem
            else:
                for request in group:
                    self._run([request])
        finally:
            for request in group[1:]:
                if request.outputs is None and request.problem is None:
                    request.problem = EngineError("the caller that ran this input with its own was interrupted")
                request.woken.release()

    def _run_together(self, group: list[Request]) -> None:
        names = group[0].inputs
        found = self._engine.run({name: np.concatenate([each.inputs[name] for each in group]) for name in names})
        bounds = np.cumsum([0, *(request.count for request in group)])
        for request, start, end in zip(group, bounds, bounds[1:], strict=False):
            request.outputs = {name: array[start:end].copy() for name, array in found.items()}
