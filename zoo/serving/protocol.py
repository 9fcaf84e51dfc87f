"""The connections of HTTP: parsed by httptools, with the limits of `zoo.web.connection_limits`, and one on the head."""

from __future__ import annotations

import asyncio

from runtime.errors import MissingExtraError
from zoo.web.connection_limits import timed

MAX_HEAD = 2**16
"""Bytes after which a request's line and headers must have ended; httptools itself has no limit."""


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
