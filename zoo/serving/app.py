"""The web application: the paths of the Open Inference Protocol, and the plain endpoint."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runtime.errors import MissingExtraError, ZooError
from zoo.serving.bodies import Bodies
from zoo.serving.errors import ServingError, classify
from zoo.serving.front import Front
from zoo.serving.http_v2 import HEADER, decode_request, encode_response
from zoo.serving.inference import infer
from zoo.serving.logs import log
from zoo.serving.messages import TensorDeclaration
from zoo.serving.openapi import PAGE, PAGE_FILES, PAGE_HEADERS, openapi
from zoo.serving.plain import predict
from zoo.serving.queue import Deadline
from zoo.serving.service import Service
from zoo.web.server import KINDS

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

    Handler = Callable[[Request], Awaitable[Response]]

SERVER = "edgezoo"
EXTENSIONS = ("binary_tensor_data",)
PLATFORMS = {"onnx": "onnx_onnxv1", "tflite": "tflite", "tflm": "tflm"}
"""The protocol's word for each format of model files."""


def web_app(service: Service, hosts: Sequence[str]) -> Starlette:
    """Return the web application.

    Args:
        service: What is served.
        hosts: The names that a request may call this server by; ``*`` is any.

    Raises:
        MissingExtraError: If starlette is not installed.
    """
    try:
        from starlette.applications import Starlette
        from starlette.exceptions import HTTPException
        from starlette.middleware import Middleware
        from starlette.middleware.trustedhost import TrustedHostMiddleware
        from starlette.responses import JSONResponse, Response
        from starlette.routing import Route
    except ImportError:
        raise MissingExtraError("starlette, which zoo serve needs,", "serve") from None
    bodies = Bodies(service.limits, service.held)

    async def live(request: Request) -> Response:
        return JSONResponse({"live": True})

    async def ready(request: Request) -> Response:
        service.check_ready()
        return JSONResponse({"ready": True})

    async def metrics(request: Request) -> Response:
        return Response(service.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    async def page(request: Request) -> Response:
        name = PAGE_FILES[request.url.path]
        return Response((PAGE / name).read_bytes(), media_type=KINDS[Path(name).suffix], headers=PAGE_HEADERS)

    async def interface(request: Request) -> Response:
        return JSONResponse(openapi(service))

    async def server_metadata(request: Request) -> Response:
        return JSONResponse({"name": SERVER, "version": version("edgezoo"), "extensions": EXTENSIONS})

    async def model_ready(request: Request) -> Response:
        name, wanted = _model_of(request)
        service.models.get(name, wanted)
        service.check_ready()
        return JSONResponse({"name": name, "ready": True})

    async def model_metadata(request: Request) -> Response:
        return JSONResponse(metadata(service, *_model_of(request)))

    async def model_infer(request: Request) -> Response:
        deadline = Deadline.after(service.limits.seconds)
        name, wanted = _model_of(request)
        served = service.served(name, wanted)
        length = request.headers.get(HEADER)
        async with bodies.receive(request) as body:

            def work(deadline: Deadline) -> tuple[bytes, dict[str, str]]:
                message, binary = decode_request(name, wanted, length, body)
                return encode_response(infer(served, message, deadline), binary)

            served.metrics.stages["receive"].observe(service.limits.seconds - deadline.left)
            content, headers = await service.run(served, work, deadline)
        return Response(content, headers=headers)

    async def model_predict(request: Request) -> Response:
        deadline = Deadline.after(service.limits.seconds)
        served = service.served(*_model_of(request))
        kind, query = request.headers.get("content-type", ""), dict(request.query_params)
        async with bodies.receive(request) as body:
            served.metrics.stages["receive"].observe(service.limits.seconds - deadline.left)
            content, status = await service.run(served, lambda end: predict(served, kind, query, body, end), deadline)
        return JSONResponse(content, status)

    def problem_response(request: Request, problem: Exception) -> Response:
        kind = classify(problem)
        if kind is ServingError:
            log.error(str(problem))
        return JSONResponse({"error": str(problem)}, kind.STATUS, kind.HEADERS)

    def http_problem(request: Request, problem: Any) -> Response:
        return JSONResponse({"error": problem.detail}, problem.status_code, problem.headers)

    model = "/v2/models/{name}"
    of_model: tuple[tuple[str, Handler, str], ...] = (
        ("/infer", model_infer, "POST"),
        ("", model_metadata, "GET"),
        ("/ready", model_ready, "GET"),
    )
    routes = [  # the busiest first
        Route("/models/{name}/predict", model_predict, methods=["POST"]),
        *(
            Route(f"{path}{end}", handler, methods=[method])
            for end, handler, method in of_model
            for path in (model, f"{model}/versions/{{version}}")
        ),
        *(Route(path, page) for path in PAGE_FILES),
        Route("/openapi.json", interface),
        Route("/metrics", metrics),
        Route("/v2", server_metadata),
        Route("/v2/health/live", live),
        Route("/v2/health/ready", ready),
    ]
    allowed = [f"[{host}]" if ":" in host else host for host in hosts]
    return Starlette(
        routes=routes,
        middleware=[
            Middleware(Front, service=service),
            Middleware(TrustedHostMiddleware, allowed_hosts=allowed, www_redirect=False),
        ],
        exception_handlers={ZooError: problem_response, HTTPException: http_problem},
    )


def metadata(service: Service, name: str, wanted: str) -> dict[str, Any]:
    """Return a model's metadata as the protocol has it.

    Raises:
        NotFoundError: See `ModelTable.get`.
        NotReadyError: See `ModelTable.get`.
    """
    served = service.models.get(name, wanted)
    return {
        "name": name,
        "versions": [served.version],
        "platform": PLATFORMS[served.model.file_spec.format],
        "inputs": list(map(_declaration, served.inputs)),
        "outputs": list(map(_declaration, served.outputs)),
    }


def _declaration(tensor: TensorDeclaration) -> dict[str, Any]:
    return {"name": tensor.name, "datatype": tensor.datatype, "shape": list(tensor.shape)}


def _model_of(request: Request) -> tuple[str, str]:
    return request.path_params["name"], request.path_params.get("version", "")
