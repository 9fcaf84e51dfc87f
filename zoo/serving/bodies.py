"""Bodies of requests: received within limits of size, memory and time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from runtime.errors import shown
from zoo.serving.errors import RequestError, SlowClientError, TooLargeError
from zoo.serving.service import MEGABYTE, HeldBytes, Limits

if TYPE_CHECKING:
    from starlette.requests import Request


class Bodies:
    """Receives bodies, and counts the bytes of all that are held. It belongs to one event loop."""

    def __init__(self, limits: Limits, held: HeldBytes) -> None:
        self._limits = limits
        self._held = held

    @asynccontextmanager
    async def receive(self, request: Request) -> AsyncIterator[bytearray]:
        """Receive a request's body and count it until the request is answered.

        Raises:
            RequestError: If it is compressed, or its length is no number.
            TooLargeError: If it is larger than the limit; nothing of it is received if it says so itself.
            BusyError: If the bodies of others leave no room.
            SlowClientError: If it takes too long.
            starlette.requests.ClientDisconnect: If the client goes away.
        """
        self._check_headers(request)
        held = bytearray()
        try:
            try:
                async with asyncio.timeout(self._limits.body_seconds):
                    await self._fill(held, request)
            except TimeoutError:
                raise SlowClientError(f"the body took longer than {self._limits.body_seconds:g} s") from None
            yield held
        finally:
            self._held.remove(len(held))

    async def _fill(self, held: bytearray, request: Request) -> None:
        async for block in request.stream():
            self._check_size(len(held) + len(block))
            held += block
            self._held.add(len(block))

    def _check_headers(self, request: Request) -> None:
        if request.headers.get("content-encoding", "identity").strip().lower() != "identity":
            raise RequestError("the body is compressed (Content-Encoding): send it as it is")
        length = request.headers.get("content-length", "0")
        if not length.isascii() or not length.isdigit():
            raise RequestError(f"the header Content-Length must be a number, got {shown(length)}")
        self._check_size(int(length[:20]))

    def _check_size(self, size: int) -> None:
        if size > self._limits.body:
            raise TooLargeError(f"the body is larger than {self._limits.body / MEGABYTE:g} MB, the limit (--max-body)")
