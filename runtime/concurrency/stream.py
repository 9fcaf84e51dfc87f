"""Work in threads, answers in order, memory bounded."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import islice
from typing import Any, TypeVar

from runtime.concurrency.forks import PerProcess
from runtime.concurrency.workers import Job, Workers
from runtime.errors import InputError

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
    pools = PerProcess(partial(Workers, workers, "edgezoo"))
    pool = pools()
    window: deque[tuple[Item, Job[Result]]] = deque()

    def begin(item: Item) -> tuple[Item, Job[Result]]:
        job = Job(partial(function, item))
        pool.put(job)
        return item, job

    def after_a_fork() -> None:
        """Give the child's own threads what the parent's were at."""
        nonlocal pool, window
        if pools() is not pool:
            pool = pools()
            window = deque(begin(item) for item, _ in window)

    def answered(most: int) -> Iterator[Result]:
        while window and (window[0][1].done() or len(window) >= most):
            yield window.popleft()[1].result()
            after_a_fork()

    try:
        for item in items:
            after_a_fork()
            window.append(begin(item))
            yield from answered(workers * AHEAD)
        yield from answered(1)
    finally:
        pools().close()


def with_items(
    items: Iterable[Item], source: Callable[[Item], Any], answer: Callable[[Iterator[Any]], Iterator[Result]]
) -> Iterator[tuple[Item, Result | InputError]]:
    """Answer the sources of items, and give each answer together with the item that it belongs to.

    Args:
        items: Any number of them, such as inputs with their names.
        source: Returns the source of an item, or the error because of which it has none.
        answer: Gives an answer for each source, in order, such as `runtime.Model.attempt`.

    Yields:
        Each item, in order, with its answer or its error.
    """
    waiting: deque[tuple[Item, InputError | None]] = deque()

    def sources() -> Iterator[Any]:
        for item in items:
            value = source(item)
            failed = isinstance(value, InputError)
            waiting.append((item, value if failed else None))
            if not failed:
                yield value

    def failures() -> Iterator[tuple[Item, InputError]]:
        """Yield the items without a source up to the next one that has one."""
        while waiting and (problem := waiting[0][1]) is not None:
            yield waiting.popleft()[0], problem

    for result in answer(sources()):
        yield from failures()
        yield waiting.popleft()[0], result
    yield from failures()


def batched(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Cut into lists of `size`, the last perhaps shorter."""
    rest = iter(items)
    while batch := list(islice(rest, size)):
        yield batch
