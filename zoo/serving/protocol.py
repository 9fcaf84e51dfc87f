"""The connections of HTTP: parsed by httptools, with the limits of `zoo.web.connection_limits`, and one on the head."""

from __future__ import annotations

import asyncio
from typing import Any

from runtime.errors import MissingExtraError
from zoo.web.connection_limits import timed

MAX_HEAD = 2**16
"""Bytes after which a request's line and headers must have ended; httptools itself has no limit."""

SMALL = 2**14
"""Bytes below which a write waits for the next one."""


class JoinedWrites:
    """A transport that sends a small write together with the one that follows it in the same turn of the event loop.

    uvicorn writes a response's head and its body one after the other: two calls of the system, and two wake-ups of the
    client.

    Args:
        transport: The transport of the connection, whose other members are this object's.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._loop = asyncio.get_running_loop()
        self._waiting = b""

    def write(self, data: bytes) -> None:
        """Send the data, or keep them until more follow or the turn is over."""
        if len(data) >= SMALL:
            self._flush()
            self._transport.write(data)
        elif self._waiting:
            self._waiting += data
            self._flush()
        else:
            self._waiting = data
            self._loop.call_soon(self._flush)

    def close(self) -> None:
        """Send what waits, then close the connection."""
        self._flush()
        self._transport.close()

    def __getattr__(self, name: str) -> Any:
        """Return a member of the connection's transport."""
        return getattr(self._transport, name)

    def _flush(self) -> None:
        if self._waiting:
            data, self._waiting = self._waiting, b""
            self._transport.write(data)


def http_protocol() -> type[asyncio.Protocol]:
    """Return the protocol for uvicorn.

    Raises:
        MissingExtraError: If uvicorn or httptools is not installed.
    """
    try:
        from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
    except ImportError:
        raise MissingExtraError("uvicorn with httptools, which zoo serve needs,", "serve") from None

    class Limited(HttpToolsProtocol):
        """Ends a connection whose request has a head without an end."""

        _head = -1
        """Bytes of the head since the data in which it began; -1 while there is none under way."""

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(JoinedWrites(transport))  # type: ignore[arg-type]

        def data_received(self, data: bytes) -> None:
            under_way = self._head >= 0
            super().data_received(data)
            if under_way and self._head >= 0:
                self._head += len(data)
                if self._head > MAX_HEAD:
                    self.transport.abort()

        def on_message_begin(self) -> None:
            self._head = 0
            super().on_message_begin()

        def on_headers_complete(self) -> None:
            self._head = -1
            super().on_headers_complete()

    return timed(Limited)
