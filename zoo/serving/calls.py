"""The paths on which models are called: the plain endpoint, and the protocol's infer.

They are ASGI applications of their own, for what Starlette does to a request and its response takes a quarter of the
processor time that the event loop has for a small model's request.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from zoo.serving.bodies import Body
from zoo.serving.http_v2 import HEADER, decode_request, encode_response
from zoo.serving.inference import infer
from zoo.serving.models import ServedModel
from zoo.serving.plain import predict
from zoo.serving.queue import Deadline
from zoo.serving.responses import respond, to_json
from zoo.serving.service import Service

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from zoo.serving.responses import Answer

PREDICT = "/models/{name}/predict"
INFER = ("/v2/models/{name}/infer", "/v2/models/{name}/versions/{version}/infer")


class Call:
    """A path on which a model is called, with POST.

    Args:
        service: What is served.
    """

    def __init__(self, service: Service) -> None:
        self._service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request whose path has been matched; Starlette's routes and `Shortcut` call it.

        Raises:
            ZooError: If the request is refused, or fails.
            DisconnectedError: If the client goes away before it has sent the body.
        """
        service, deadline = self._service, Deadline.after(self._service.limits.seconds)
        parameters = scope["path_params"]
        served = service.served(parameters["name"], parameters.get("version") or "")
        headers = {name: value.decode("latin-1") for name, value in reversed(scope["headers"])}  # the first of a name
        with Body(service.limits, service.held) as body:
            await body.receive(headers, receive)
            served.metrics.stages["receive"].observe(service.limits.seconds - deadline.left)
            answer = await service.run(
                served, lambda end: self.answer(served, scope, headers, body.content, end), deadline
            )
        await respond(send, *answer)

    def answer(
        self, served: ServedModel, scope: Scope, headers: Mapping[bytes, str], body: bytearray, deadline: Deadline
    ) -> Answer:
        """Return the answer to a request; it runs in a thread."""
        raise NotImplementedError


class PredictCall(Call):
    """The plain endpoint: see `zoo.serving.plain`."""

    def answer(
        self, served: ServedModel, scope: Scope, headers: Mapping[bytes, str], body: bytearray, deadline: Deadline
    ) -> Answer:
        """Return a document as JSON."""
        query = dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True))
        document, status = predict(served, headers.get(b"content-type", ""), query, body, deadline)
        return status, to_json(document), {}


class InferCall(Call):
    """The protocol's infer: see `zoo.serving.http_v2`."""

    def answer(
        self, served: ServedModel, scope: Scope, headers: Mapping[bytes, str], body: bytearray, deadline: Deadline
    ) -> Answer:
        """Return the outputs."""
        parameters: dict[str, Any] = scope["path_params"]
        length = headers.get(HEADER.encode())
        request, binary = decode_request(parameters["name"], parameters.get("version") or "", length, body)
        return 200, *encode_response(infer(served, request, deadline), binary)


class Shortcut:
    """Gives calls to their applications, and all other requests to another application.

    Args:
        app: The other application.
        calls: The application of each path.
    """

    def __init__(self, app: ASGIApp, calls: Mapping[str, Call]) -> None:
        self._app = app
        self._calls = [(re.compile(re.sub(r"{(\w+)}", r"(?P<\1>[^/]+)", path)), call) for path, call in calls.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["method"] == "POST":
            for pattern, call in self._calls:
                if match := pattern.fullmatch(scope["path"]):
                    scope["path_params"] = match.groupdict()
                    await call(scope, receive, send)
                    return
        await self._app(scope, receive, send)
