"""Downloads that must make headway: a server may send its answer a byte at a time, for ever.

A client's timeouts hold for each read. Here another thread reads, and its caller gives up when too little arrives,
be it of the header or of the content.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator
from typing import Any

PATIENCE = 60.0
"""Seconds that a caller waits, all in all, for `LEAST` bytes or the end."""
LEAST = 2**16
AHEAD = 8
"""How many items the thread reads before they are asked for."""


class SlowError(Exception):
    """Too little arrives."""


def steady(items: Iterator[Any]) -> Iterator[Any]:
    """Give the items of an iterator, which another thread reads.

    Raises:
        SlowError: If `PATIENCE` seconds of waiting bring neither the end nor chunks of `LEAST` bytes.
    """
    ready: queue.Queue[Any] = queue.Queue(AHEAD)
    stopped = threading.Event()
    threading.Thread(target=_read, args=(items, ready, stopped), daemon=True, name="zoo-download").start()
    try:
        waited, received = 0.0, 0
        while True:
            start = time.monotonic()
            try:
                kind, item = ready.get(timeout=max(0, PATIENCE - waited))
            except queue.Empty:
                raise SlowError(f"{received} bytes in {PATIENCE:g} s") from None
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
    except BaseException as problem:  # whoever waits must hear of it
        put(_PROBLEM, problem)
