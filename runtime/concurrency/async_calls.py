"""Calls of coroutines that run in threads."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from runtime.concurrency.forks import PerProcess

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

T = TypeVar("T")
CALLS = 32
"""How many calls run at a time, of all models together."""


async def in_thread(work: Callable[[], T]) -> T:
    """Return what `work` returns in another thread, while the event loop goes on."""
    return await asyncio.get_running_loop().run_in_executor(_async_calls(), work)


def _executor() -> ThreadPoolExecutor:
    from concurrent.futures import ThreadPoolExecutor

    return ThreadPoolExecutor(CALLS, "edgezoo-async")


_async_calls = PerProcess(_executor)
