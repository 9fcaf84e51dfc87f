"""The web application of the demo: it knows a site's paths and nothing of the disk."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Sequence
from functools import cache
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from runtime.errors import MissingExtraError
from zoo.web.connection_limits import blocks
from zoo.web.site import Site, listens

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

HEADERS = {
    "Content-Security-Policy": "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; "
    "connect-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; style-src 'self'; object-src 'none'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
    "Cache-Control": "no-cache",
}
"""Sent with every answer. COOP and COEP let the engines use threads; no-cache asks again, and gets a 304."""
LISTENING = {"Permissions-Policy": "camera=(self), microphone=(self), geolocation=()"}
"""Sent instead where a bundle listens."""
KINDS = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".json": "application/json",
    ".webmanifest": "application/manifest+json",
    ".wasm": "application/wasm",
    ".svg": "image/svg+xml",
    ".md": "text/markdown; charset=utf-8",
    ".txt": "text/plain; charset=utf-8",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".ico": "image/x-icon",
    ".woff2": "font/woff2",
    ".crt": "application/x-x509-ca-cert",
}
"""Types by suffix; the system's own table may be wrong about scripts, which browsers then refuse."""
PACKED = {".html", ".js", ".mjs", ".css", ".json", ".webmanifest", ".wasm", ".svg"}
"""Kinds of files that compression makes much smaller; weights it doesn't."""


def headers(site: Site) -> dict[str, str]:
    """Return what is sent with every answer of a site."""
    return HEADERS | (LISTENING if listens(site) else {})


def web_app(site: Site, hosts: Sequence[str]) -> Starlette:
    """Return the web application that serves a site.

    Args:
        site: What is served.
        hosts: The names that a request may call this server by, so that no foreign name can be bent to it (DNS
            rebinding); ``*`` is any.

    Raises:
        MissingExtraError: If starlette is not installed.
    """
    try:
        from starlette.applications import Starlette
        from starlette.middleware import Middleware
        from starlette.middleware.trustedhost import TrustedHostMiddleware
        from starlette.responses import PlainTextResponse, Response, StreamingResponse
        from starlette.routing import Route
    except ImportError:
        raise MissingExtraError("starlette, which serves the demo,", "demo") from None

    @cache
    def packed(path: str) -> bytes:
        return gzip.compress(site[path], compresslevel=1, mtime=0)

    @cache
    def sha256(path: str) -> str:
        return hashlib.sha256(site[path]).hexdigest()

    def answer(request: Request) -> Response:
        path = request.path_params["path"] or "index.html"
        if path not in site:
            return PlainTextResponse("no such file\n", 404)
        suffix = PurePosixPath(path).suffix
        pack = suffix in PACKED and "gzip" in request.headers.get("accept-encoding", "")
        described = {"ETag": f'"{sha256(path)}{"-gzip" * pack}"', "Vary": "Accept-Encoding"}
        known = [tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")]
        if described["ETag"] in known or "*" in known:
            return Response(status_code=304, headers=described)
        if pack:
            described["Content-Encoding"] = "gzip"
        kind = KINDS.get(suffix, "application/octet-stream")
        content = packed(path) if pack else site[path]
        described |= {"Content-Type": kind, "Content-Length": str(len(content))}
        return StreamingResponse(blocks(content), headers=described)

    allowed = [f"[{host}]" if ":" in host else host for host in hosts]
    return Starlette(
        routes=[Route("/{path:path}", answer)],
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=allowed, www_redirect=False)],
    )
