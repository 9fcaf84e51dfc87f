"""The first steps of every HTTP request: its id, the token, and how its connection ends."""

from __future__ import annotations

import asyncio
import hmac
import random
import re
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from runtime.errors import ZooError
from zoo.serving.bodies import DisconnectedError
from zoo.serving.errors import ServingError, UnauthorizedError
from zoo.serving.logs import log
from zoo.serving.openapi import PAGE_FILES
from zoo.serving.responses import refusal, respond, to_json
from zoo.serving.service import Service

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

OPEN = ("/v2/health/live", "/v2/health/ready", *PAGE_FILES)
"""Paths that need no token: those that orchestrators ask for, and the page, in which people enter it."""
LINGER = 2.0
"""Seconds for which the rest of a refused body is read and dropped, so that the client reads the answer: a connection
that is closed with unread bytes is reset, and an answer on its way may be lost (RFC 9112, 9.6)."""
GONE = 499
"""The status that the log has for a client that went away without an answer, by nginx's custom."""
_ID = re.compile(r"[\w.:/+=@-]{1,128}", re.ASCII)


class Front:
    """The outermost layer of the application."""

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self._app, self._service = app, service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] == "http":
            await _Exchange(self._service, scope, receive, send).run(self._app)


class _Exchange:
    """A request and its response."""

    def __init__(self, service: Service, scope: Scope, receive: Receive, send: Send) -> None:
        self._service, self._scope, self._receive, self._send = service, scope, receive, send
        self._headers: dict[bytes, bytes] = dict(scope["headers"])
        length = self._headers.get(b"content-length", b"0")
        self._unread = length != b"0" or b"transfer-encoding" in self._headers
        self._status = 0
        self._start = time.perf_counter()
        self.id = request_id(self._headers.get(b"x-request-id", b"").decode("latin-1"))

    async def run(self, app: ASGIApp) -> None:
        try:
            await self._answer(app)
        finally:
            scope = self._scope
            self._service.note_request(
                self.id, "http", f"{scope['method']} {scope['path']}", scope.get("path_params", {}).get("name", ""),
                str(self._status or GONE), time.perf_counter() - self._start,
            )  # fmt: skip

    async def _answer(self, app: ASGIApp) -> None:
        try:
            if self._scope["path"] not in OPEN:
                check_token(self._service.access.token, self._headers.get(b"authorization", b"").decode("latin-1"))
            await app(self._scope, self.receive, self.send)
        except ZooError as problem:
            await respond(self.send, *refusal(problem))
        except DisconnectedError:
            return
        except Exception:
            log.exception("internal error", extra={"fields": {"request_id": self.id}})
            if not self._status:
                content = to_json({"error": "internal error: see the server's log"})
                await respond(self.send, ServingError.STATUS, content, {})

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] != "http.request" or not message.get("more_body"):
            self._unread = False
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._status = message["status"]
            headers: list[Any] = [*message["headers"], (b"x-request-id", self.id.encode())]
            if self._unread or self._service.draining:
                headers.append((b"connection", b"close"))
            message = {**message, "headers": headers}
        elif self._unread and not message.get("more_body"):
            await self._send({**message, "more_body": True})
            await self._drop_rest()
            message = {"type": "http.response.body"}
        await self._send(message)

    async def _drop_rest(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(LINGER):
                while self._unread:
                    await self.receive()


def request_id(wanted: str) -> str:
    """Return a request's id: the client's own where it is a plain one, else a new one."""
    return wanted if _ID.fullmatch(wanted) else f"{random.getrandbits(128):032x}"  # no secret


def check_token(token: str, authorization: str) -> None:
    """Check the header ``Authorization`` of a request, or gRPC's metadata of that name.

    Raises:
        UnauthorizedError: If a token is wanted, and it isn't there.
    """
    scheme, _, sent = authorization.partition(" ")
    if token and not (scheme.lower() == "bearer" and hmac.compare_digest(sent.strip().encode(), token.encode())):
        raise UnauthorizedError("the request needs the bearer token: Authorization: Bearer …")
