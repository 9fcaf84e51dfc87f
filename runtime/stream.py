"""Work in threads, answers in order, memory bounded."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from concurrent.futures import Future

Item = TypeVar("Item")
Result = TypeVar("Result")

AHEAD = 4
"""How many items each worker may be ahead of the reader: enough that one slow item doesn't keep the others waiting."""


def in_order(function: Callable[[Item], Result], items: Iterable[Item], workers: int) -> Iterator[Result]:
    """Apply a function in worker threads.

    `items` is iterated in the reader's thread, at most `workers` times `AHEAD` items ahead of what the reader has.

    Args:
        function: What each worker calls; it gains where it releases the interpreter's lock, as decoders and engines do.
        items: Any number of them.
        workers: How many threads.

    Yields:
        The function's results in the order of the items, each as soon as it is its turn.

    Raises:
        Exception: What `function` raised, in its place. The threads end then, as when the reader stops early.
    """
    from concurrent.futures import ThreadPoolExecutor

    window: deque[Future[Result]] = deque()
    pool = ThreadPoolExecutor(workers, "edgezoo")
    try:
        for item in items:
            window.append(pool.submit(function, item))
            while window and (window[0].done() or len(window) == workers * AHEAD):
                yield window.popleft().result()
        while window:
            yield window.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def batched(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Cut into lists of `size`, the last perhaps shorter."""
    rest = iter(items)
    while batch := list(islice(rest, size)):
        yield batch
