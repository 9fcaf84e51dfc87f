"""Web hosts in this process: a plain one of a folder, that can be made to fail, and the demo's own."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Literal
from unittest.mock import patch

from zoo.web import network
from zoo.web.server import headers, web_app
from zoo.web.site import Site

Fault = Literal["half", "damaged", "missing"]

compress_once = cache(gzip.compress)
"""The app's files are the same in every site."""


class _Handler(SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, *args: Any, faults: dict[str, Fault], **options: Any) -> None:
        self.faults = faults
        super().__init__(*args, **options)

    def do_GET(self) -> None:
        path = self.path.partition("?")[0].lstrip("/")
        fault = self.faults.get(path)
        if fault is None:
            super().do_GET()
            return
        content = (Path(self.directory) / path).read_bytes()
        if fault == "missing":
            self.send_error(404)
            return
        if fault == "damaged":
            content = content[:-1] + bytes([content[-1] ^ 1])
        self.send_response(200)
        self.send_header("Content-Type", self.guess_type(path))
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[: len(content) // 2] if fault == "half" else content)
        self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        pass


@contextmanager
def hosted(folder: Path, faults: dict[str, Fault]) -> Iterator[str]:
    """Serve a folder, with faults by path that may change meanwhile; gives its address, with a slash at the end."""
    handler = partial(_Handler, faults=faults, directory=str(folder))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def served(site: Site) -> Iterator[str]:
    """Serve a site with the application and the headers of `zoo demo`; gives its address, with a slash at the end."""
    import uvicorn

    application = web_app(site, network.names("127.0.0.1"))
    options: dict[str, Any] = {"log_level": "error", "timeout_graceful_shutdown": 1}
    server = uvicorn.Server(uvicorn.Config(application, headers=[*headers(site).items()], **options))
    (listening,) = network.listen("127.0.0.1", 0)
    thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
    thread.start()
    try:
        with patch("gzip.compress", compress_once):
            yield f"http://127.0.0.1:{listening.getsockname()[1]}/"
    finally:
        server.should_exit = True
        thread.join()
