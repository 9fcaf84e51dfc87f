"""How a web application is served: over HTTP or HTTPS, within limits of connections, time and memory.

A silent, slow or deaf client is disconnected, and many of them block no other client for long.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from runtime.errors import MissingExtraError

if TYPE_CHECKING:
    from starlette.applications import Starlette

MAX_CONNECTIONS = 256
"""Open at a time, for each address that is listened on; half as many as there may be open files, if that is less."""
REQUEST_SECONDS = 15.0
"""How long a client may take for a request's head, and to read what waits for it."""
SILENT: dict[str, Any] = {
    "server_header": False,
    "ws": "none",
    "lifespan": "off",
    "log_config": None,
    "log_level": "critical",
    "access_log": False,
    "proxy_headers": False,
}
"""Options of uvicorn: it sends no name of a server, logs nothing, and believes no header about who asks."""
BLOCK = 2**16
"""Bytes of a body that are handed over at a time: no more than this waits in memory for a client that reads slowly."""


class LimitedSocket(socket.socket):
    """A listening socket that closes what comes while `limit` of its connections are open."""

    limit = MAX_CONNECTIONS

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._accepted: WeakSet[socket.socket] = WeakSet()

    def accept(self) -> tuple[socket.socket, Any]:
        """Accept the next connection for which there is room."""
        while True:
            connection, address = super().accept()
            if sum(each.fileno() != -1 for each in self._accepted) < self.limit:
                self._accepted.add(connection)
                return connection, address
            connection.close()


def limited(listening: socket.socket) -> LimitedSocket:
    """Return a listening socket with a limit in place of one without, which is detached."""
    made = LimitedSocket(fileno=listening.detach())
    made.limit = min(MAX_CONNECTIONS, max(1, _open_files() // 2))
    return made


async def blocks(content: bytes) -> AsyncIterator[bytes]:
    """Yield a body in blocks, for `starlette.responses.StreamingResponse`."""
    view = memoryview(content)
    for at in range(0, len(content), BLOCK):
        yield bytes(view[at : at + BLOCK])


def serve(
    app: Starlette, sockets: list[socket.socket], certificate: Path | None, headers: list[tuple[str, str]]
) -> None:
    """Serve an application until the process is told to end.

    Args:
        app: The application.
        sockets: What to listen on.
        certificate: PEM file with key and certificate, for https.
        headers: Sent with every answer.

    Raises:
        MissingExtraError: If uvicorn is not installed.
    """
    try:
        import uvicorn
        from uvicorn.protocols.http.h11_impl import H11Protocol
    except ImportError:
        raise MissingExtraError("uvicorn, which serves the demo,", "demo") from None
    config = uvicorn.Config(
        app,
        headers=headers,
        http=timed(H11Protocol),
        timeout_graceful_shutdown=1,
        ssl_certfile=certificate,
        **SILENT,
    )
    uvicorn.Server(config).run([limited(each) for each in sockets])


def timed(protocol: Any) -> type[asyncio.Protocol]:
    """Return a protocol of uvicorn, which limits the time between requests only, with a limit on all other waits."""

    class Timed(protocol):  # type: ignore[misc]  # one of two classes
        """Ends a connection whose client sends no whole request, or reads nothing, for `REQUEST_SECONDS`."""

        _limit: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:
            super().connection_made(transport)
            self._begin()

        def connection_lost(self, exc: Exception | None) -> None:
            self._end()
            super().connection_lost(exc)

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            if self.cycle is not None and not self.cycle.response_complete:
                self._end()

        def on_response_complete(self) -> None:
            self._begin()
            super().on_response_complete()

        def pause_writing(self) -> None:
            super().pause_writing()
            self._begin()

        def resume_writing(self) -> None:
            super().resume_writing()
            if self.cycle is not None and not self.cycle.response_complete:
                self._end()

        def _begin(self) -> None:
            self._end()
            self._limit = self.loop.call_later(REQUEST_SECONDS, self.transport.abort)

        def _end(self) -> None:
            if self._limit is not None:
                self._limit.cancel()
                self._limit = None

    return Timed


def _open_files() -> int:
    """Return how many files this process may have open."""
    try:
        import resource
    except ImportError:  # Windows, which has no such limit
        return 2 * MAX_CONNECTIONS
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]
