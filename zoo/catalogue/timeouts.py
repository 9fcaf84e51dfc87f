"""Transfers that must make headway: a server may send or take a byte at a time, for ever.

A client's timeouts hold for each read. Here another thread reads, and its caller gives up when too little arrives,
be it of the header or of the content.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from typing import Any, TypeVar

T = TypeVar("T")

TIMEOUT = 60.0
"""Seconds that a caller waits, all in all, for `LEAST` bytes or the end."""
LEAST = 2**16
AHEAD = 8
"""How many items the thread reads before they are asked for."""


class SlowError(Exception):
    """Too little arrives."""


def call_with_timeout(call: Callable[[], T], size: int = 0) -> T:
    """Return what a function returns that exchanges some bytes with a server, `size` of them or hardly any.

    Raises:
        SlowError: If it takes longer than a transfer at the slowest pace that `with_timeout` lets pass.
    """
    with closing(with_timeout((function() for function in (call,)), TIMEOUT * (1 + size // LEAST))) as items:
        result: T = next(items)
    return result


def with_timeout(items: Iterator[Any], timeout: float | None = None) -> Generator[Any, None, None]:
    """Give the items of an iterator, which another thread reads.

    Args:
        items: Chunks of bytes, or other things that come before or without them.
        timeout: Seconds of waiting that must bring the end or chunks of `LEAST` bytes; `TIMEOUT` by default.

    Raises:
        SlowError: If they don't.
    """
    timeout = TIMEOUT if timeout is None else timeout
    ready: queue.Queue[Any] = queue.Queue(AHEAD)
    stopped = threading.Event()
    threading.Thread(target=_read, args=(items, ready, stopped), daemon=True, name="zoo-download").start()
    try:
        waited, received = 0.0, 0
        while True:
            start = time.monotonic()
            try:
                kind, item = ready.get(timeout=max(0, timeout - waited))
            except queue.Empty:
                raise SlowError(f"{received} bytes in {timeout:g} s") from None
            waited += time.monotonic() - start
            if kind is _END:
                return
            if kind is _PROBLEM:
                raise item
            received += len(item) if isinstance(item, bytes) else 0
            if received >= LEAST:
                waited, received = 0.0, 0
            yield item
    finally:
        stopped.set()


_ITEM, _END, _PROBLEM = object(), object(), object()


def _read(items: Iterator[Any], ready: queue.Queue[Any], stopped: threading.Event) -> None:
    def put(kind: object, item: Any = None) -> None:
        while not stopped.is_set():
            try:
                ready.put((kind, item), timeout=1)
            except queue.Full:
                continue
            return

    try:
        for item in items:
            if stopped.is_set():
                break
            put(_ITEM, item)
        put(_END)
    except BaseException as problem:  # raised again where the items are used
        put(_PROBLEM, problem)
