"""Work in threads, answers in order, memory bounded."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

from runtime.forks import PerProcess

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

    pools = PerProcess(partial(ThreadPoolExecutor, workers, "edgezoo"))
    pool = pools()
    window: deque[tuple[Item, Future[Result]]] = deque()

    def after_a_fork() -> None:
        """Give the child's own threads what the parent's were at."""
        nonlocal pool, window
        if pools() is not pool:
            pool = pools()
            window = deque((item, pool.submit(function, item)) for item, _ in window)

    def answered(most: int) -> Iterator[Result]:
        while window and (window[0][1].done() or len(window) >= most):
            yield window.popleft()[1].result()
            after_a_fork()

    try:
        for item in items:
            after_a_fork()
            window.append((item, pool.submit(function, item)))
            yield from answered(workers * AHEAD)
        yield from answered(1)
    finally:
        pools().shutdown(cancel_futures=True)


def batched(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Cut into lists of `size`, the last perhaps shorter."""
    rest = iter(items)
    while batch := list(islice(rest, size)):
        yield batch
