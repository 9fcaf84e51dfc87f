"""The web application: the paths of the Open Inference Protocol, and the plain endpoint."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runtime.errors import MissingExtraError, ZooError
from zoo.serving.calls import INFER, PREDICT, InferCall, PredictCall, Shortcut
from zoo.serving.front import Front
from zoo.serving.messages import TensorDeclaration
from zoo.serving.openapi import PAGE, PAGE_FILES, PAGE_HEADERS, openapi
from zoo.serving.responses import refusal
from zoo.serving.service import Service
from zoo.web.server import KINDS

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import ASGIApp

    Handler = Callable[[Request], Awaitable[Response]]

SERVER = "edgezoo"
EXTENSIONS = ("binary_tensor_data",)
PLATFORMS = {"onnx": "onnx_onnxv1", "tflite": "tflite", "tflm": "tflm"}
"""The protocol's word for each format of model files."""


def web_app(service: Service, hosts: Sequence[str]) -> ASGIApp:
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
        from starlette.middleware.trustedhost import TrustedHostMiddleware
        from starlette.responses import JSONResponse, Response
        from starlette.routing import Route
    except ImportError:
        raise MissingExtraError("starlette, which zoo serve needs,", "serve") from None

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

    def problem_response(request: Request, problem: Any) -> Response:
        status, content, headers = refusal(problem)
        return Response(content, status, headers, "application/json")

    def http_problem(request: Request, problem: Any) -> Response:
        return JSONResponse({"error": problem.detail}, problem.status_code, problem.headers)

    model = "/v2/models/{name}"
    of_model: tuple[tuple[str, Handler], ...] = (("", model_metadata), ("/ready", model_ready))
    calls = {PREDICT: PredictCall(service), **dict.fromkeys(INFER, InferCall(service))}
    routes = [
        *(Route(path, call, methods=["POST"]) for path, call in calls.items()),
        *(
            Route(f"{path}{end}", handler)
            for end, handler in of_model
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
    app = Starlette(routes=routes, exception_handlers={ZooError: problem_response, HTTPException: http_problem})
    named = TrustedHostMiddleware(Shortcut(app, calls), allowed_hosts=allowed, www_redirect=False)
    return Front(named, service)


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
