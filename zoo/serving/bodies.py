"""Bodies of requests: received within limits of size, memory and time."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Self

from runtime.errors import shown
from zoo.serving.errors import RequestError, SlowClientError, TooLargeError
from zoo.serving.service import MEGABYTE, HeldBytes, Limits

if TYPE_CHECKING:
    from starlette.types import Receive


class DisconnectedError(Exception):
    """The client went away."""


class Body:
    """A request's body, counted among the bytes of all that are held until the request is answered.

    Args:
        limits: The limits of requests.
        held: The count.

    Attributes:
        content: What has been received.
    """

    def __init__(self, limits: Limits, held: HeldBytes) -> None:
        self._limits = limits
        self._held = held
        self.content = bytearray()

    def __enter__(self) -> Self:
        """Begin to count."""
        return self

    def __exit__(self, *_: object) -> None:
        """Count it no more."""
        self._held.remove(len(self.content))

    async def receive(self, headers: Mapping[bytes, str], receive: Receive) -> None:
        """Receive it.

        Args:
            headers: The request's headers by their names in lower case.
            receive: ASGI's function.

        Raises:
            RequestError: If it is compressed, or its length is no number.
            TooLargeError: If it is larger than the limit; nothing of it is received if it says so itself.
            BusyError: If the bodies of others leave no room.
            SlowClientError: If it takes too long.
            DisconnectedError: If the client goes away.
        """
        self._check_headers(headers)
        try:
            async with asyncio.timeout(self._limits.body_seconds):
                while await self._add(receive):
                    pass
        except TimeoutError:
            raise SlowClientError(f"the body took longer than {self._limits.body_seconds:g} s") from None

    async def _add(self, receive: Receive) -> bool:
        """Receive a part of it; tell whether there is more."""
        message = await receive()
        if message["type"] != "http.request":
            raise DisconnectedError
        block = message.get("body", b"")
        self._check_size(len(self.content) + len(block))
        self.content += block
        self._held.add(len(block))
        return bool(message.get("more_body"))

    def _check_headers(self, headers: Mapping[bytes, str]) -> None:
        if headers.get(b"content-encoding", "identity").strip().lower() != "identity":
            raise RequestError("the body is compressed (Content-Encoding): send it as it is")
        length = headers.get(b"content-length", "0")
        if not length.isascii() or not length.isdigit():
            raise RequestError(f"the header Content-Length must be a number, got {shown(length)}")
        self._check_size(int(length[:20]))

    def _check_size(self, size: int) -> None:
        if size > self._limits.body:
            raise TooLargeError(f"the body is larger than {self._limits.body / MEGABYTE:g} MB, the limit (--max-body)")
