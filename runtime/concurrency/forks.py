"""Forks: a child process has copies of a native library's locks without its threads, so it opens an engine of its own.

`os.fork` copies the thread that calls it and no other. An inference engine with a pool of threads then waits for ever
in the child, at its next run or when it is freed, and so does one that another thread was using at that moment.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Generic, TypeVar, overload
from weakref import WeakSet

T = TypeVar("T")

PATIENCE = 10
"""Seconds that a fork waits for other threads' calls to end."""
PAUSE = 0.001

_made: WeakSet[PerProcess[Any]] = WeakSet()
_calls: set[object] = set()
"""One entry for each call that is inside a native library: adding and discarding take no lock."""
_forks: deque[None] = deque()


class PerProcess(Generic[T]):
    """Something that each process makes for itself, when it first asks for it.

    A parent's object is never freed in its child, for that would wait for threads that are not there.
    """

    def __init__(self, make: Callable[[], T], own: T | None = None) -> None:
        self._make = make
        self._own = own
        self._lock = threading.Lock()
        _made.add(self)

    def __call__(self) -> T:
        """Return this process's own."""
        own = self._own
        if own is None:
            with self._lock:
                if self._own is None:
                    self._own = self._make()
                own = self._own
        return own

    def abandon(self) -> None:
        """Leave the parent's to itself."""
        import ctypes

        if self._own is not None:
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(self._own))
        self._own, self._lock = None, threading.Lock()


def native(function: Callable[..., T], *args: Any) -> T:
    """Call native code, for whose end a fork in another thread waits.

    An interrupt (Ctrl-C) is raised after a call, never before the first one of a block, so the entry that `try` adds is
    always discarded.
    """
    call = object()
    try:
        _calls.add(call)
        while _forks:
            _calls.discard(call)
            time.sleep(PAUSE)
            _calls.add(call)
        return function(*args)
    finally:
        _calls.discard(call)


def in_native_code() -> bool:
    """Tell whether a thread is inside a native library: a process that ends then aborts, or waits for it."""
    return bool(_calls)


class lazy(Generic[T]):  # noqa: N801  # used as a decorator
    """`functools.cached_property` without its lock, which Python 3.11 holds for all instances, and across forks."""

    def __init__(self, make: Callable[[Any], T]) -> None:
        self._make = make
        self.__doc__ = make.__doc__

    @overload
    def __get__(self, instance: None, owner: type) -> lazy[T]: ...
    @overload
    def __get__(self, instance: object, owner: type) -> T: ...
    def __get__(self, instance: object | None, owner: type) -> lazy[T] | T:
        """Make it; of threads that do so at the same time, all get the first one's."""
        if instance is None:
            return self
        value: T = instance.__dict__.setdefault(self._make.__name__, self._make(instance))
        return value


def _before() -> None:
    _forks.append(None)
    end = time.monotonic() + PATIENCE
    while _calls and time.monotonic() < end:
        time.sleep(PAUSE)


def _in_child() -> None:
    _forks.clear()
    _calls.clear()
    for each in list(_made):
        each.abandon()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before, after_in_parent=_forks.pop, after_in_child=_in_child)
