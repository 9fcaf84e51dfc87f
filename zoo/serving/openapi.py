"""The interface over HTTP as an OpenAPI document, and the page that shows it and tries models; both work offline."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Any

from zoo.serving.service import Service

PAGE = Path(__file__).parent / "page"
PAGE_FILES = {"/": "index.html", "/page.js": "page.js", "/page.css": "page.css"}
"""The page's files by their paths."""
PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; object-src 'none'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}

_ERROR = {"type": "object", "properties": {"error": {"type": "string"}}}
_TENSOR = {
    "type": "object",
    "required": ["name", "datatype", "shape"],
    "properties": {
        "name": {"type": "string"},
        "datatype": {"type": "string"},
        "shape": {"type": "array", "items": {"type": "integer"}},
        "data": {"type": "array", "items": {}},
        "parameters": {"type": "object"},
    },
}
_INFER = {
    "type": "object",
    "required": ["inputs"],
    "properties": {
        "id": {"type": "string"},
        "parameters": {"type": "object"},
        "inputs": {"type": "array", "items": _TENSOR},
        "outputs": {"type": "array", "items": {"type": "object", "required": ["name"]}},
    },
}
_BINARY = {"type": "string", "format": "binary"}
_FILES = {"type": "object", "properties": {"file": {"type": "array", "items": _BINARY}}}
_REFUSALS = {
    "400": "The request is wrong.",
    "401": "The bearer token is missing.",
    "404": "There is no such model.",
    "413": "The body is larger than the limit.",
    "429": "Too many requests wait; Retry-After says when to come back.",
    "503": "The models are being loaded.",
    "504": "The answer was not there in time.",
}


def openapi(service: Service) -> dict[str, Any]:
    """Return the document; see https://spec.openapis.org/oas/v3.1.0."""
    name = {"name": "name", "in": "path", "required": True, "schema": {"enum": list(service.models.bundles)}}
    top = {"name": "top", "in": "query", "schema": {"type": "integer", "minimum": 1}}
    thresholds = [{"name": each, "in": "query", "schema": {"type": "number"}} for each in ("confidence", "iou")]
    files = {
        "multipart/form-data": {"schema": _FILES},
        "application/json": {"schema": {}},
        "text/csv": {"schema": {"type": "string"}},
        "video/*": {"schema": _BINARY},
        "application/octet-stream": {"schema": _BINARY},
    }
    tensors = {"application/json": {"schema": _INFER}, "application/octet-stream": {"schema": {"type": "string"}}}
    paths = {
        "/models/{name}/predict": _operation(
            "post",
            "Predict files (a form, or one as the body), or rows and arrays as JSON; each row of a CSV file and each "
            "frame of a clip is an input",
            [name, top, *thresholds],
            files,
        ),
        "/v2": _operation("get", "The server's name, version and extensions"),
        "/v2/health/live": _operation("get", "Whether the process runs"),
        "/v2/health/ready": _operation("get", "Whether each model has replayed its golden pack"),
        "/v2/models/{name}": _operation("get", "A model's version, inputs and outputs", [name]),
        "/v2/models/{name}/ready": _operation("get", "Whether a model is ready", [name]),
        "/v2/models/{name}/infer": _operation(
            "post", "Infer by the Open Inference Protocol: raw tensors, or files as the BYTES input file", [name],
            tensors,
        ),
        "/metrics": _operation("get", "Figures for Prometheus"),
    }  # fmt: skip
    document: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {"title": "edgezoo", "version": version("edgezoo")},
        "paths": paths,
    }
    if service.access.token:
        document["components"] = {"securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}}
        document["security"] = [{"token": []}]
    return document


def _operation(
    method: str, summary: str, parameters: list[Any] | None = None, content: dict[str, Any] | None = None
) -> dict[str, Any]:
    refused = {"application/json": {"schema": _ERROR}}
    responses: dict[str, Any] = {"200": {"description": "The answer."}}
    responses |= {status: {"description": text, "content": refused} for status, text in _REFUSALS.items()}
    operation: dict[str, Any] = {"summary": summary, "responses": responses}
    if parameters:
        operation["parameters"] = parameters
    if content:
        operation["requestBody"] = {"required": True, "content": content}
    return {method: operation}
