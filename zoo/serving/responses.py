"""Responses of HTTP, as ASGI's messages."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from runtime.errors import ZooError
from zoo.serving.errors import ServingError, classify
from zoo.serving.logs import log

if TYPE_CHECKING:
    from starlette.types import Send

    Answer = tuple[int, bytes, Mapping[str, str]]
    """The status, the body and the headers of a response. The body is JSON, unless its headers say otherwise."""

_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


def to_json(value: Any) -> bytes:
    """Return a value as JSON."""
    return _encode(value).encode()


def refusal(problem: ZooError) -> Answer:
    """Return the response to a request that is refused, or fails. The log has the errors of the server's own."""
    kind = classify(problem)
    if kind is ServingError:
        log.error(str(problem))
    return kind.STATUS, to_json({"error": str(problem)}), kind.HEADERS


async def respond(send: Send, status: int, content: bytes, headers: Mapping[str, str]) -> None:
    """Send a response; see `Answer`."""
    encoded = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    if "Content-Type" not in headers:
        encoded.append((b"content-type", b"application/json"))
    encoded.append((b"content-length", str(len(content)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": encoded})
    await send({"type": "http.response.body", "body": content})
