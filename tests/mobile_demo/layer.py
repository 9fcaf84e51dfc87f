"""The app's model layer as a module of its own in a blank page, with files going both ways."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.web import app

if TYPE_CHECKING:
    from playwright.sync_api import Page

MODULES = (
    "audio/clip", "audio/decisions", "audio/resampling", "box_agreement", "boxes", "checksum", "compare", "exif",
    "feed", "graph_names", "half", "inputs/image", "inputs/sequence", "inputs/table", "inputs/tensor_files",
    "inputs/tensors", "manifest", "model", "npy", "npz", "placement", "preprocess", "selftest", "sha256", "tasks/index",
    "types", "../pixels", "../reading", "../recordings",
)  # fmt: skip
BLANK = b"""<!doctype html><title>model layer</title><script type="module">
window.model = await import("/model.js");
window.file = async (name) => new Uint8Array(await (await fetch("/files/" + name)).arrayBuffer());
window.give = (name, bytes) => fetch("/files/" + name, { method: "PUT", body: bytes });
window.said = (work) => {
  try { work(); return ""; } catch (problem) { return `${problem.name}: ${problem.message}`; }
};
window.ready = true;
</script>"""


def build_module(node: Path, out: Path) -> bytes:
    """Bundle everything that the model layer's files export into one module."""
    entry = out / "entry.ts"
    entry.write_text(
        "".join(f"export * from {json.dumps(str(app.SOURCES / 'package/src/model' / m))};\n" for m in MODULES)
    )
    options = {
        "configFile": False,
        "logLevel": "warn",
        "build": {
            "outDir": str(out / "built"),
            "lib": {"entry": str(entry), "formats": ["es"], "fileName": "model"},
        },
    }
    script = f"""import {{ build, loadConfigFromFile }} from "vite";
        const {{ config }} = await loadConfigFromFile({{ command: "build", mode: "production" }}, "vite.config.ts");
        const plugins = config.plugins.filter(({{ name }}) => name === "edgezoo-wat");
        await build({{ ...{json.dumps(options)}, plugins }});"""
    command = [str(node), "--input-type=module", "--eval", script]
    done = subprocess.run(command, cwd=app.SOURCES, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return (out / "built" / "model.js").read_bytes()


@dataclass(frozen=True)
class Layer:
    """The page, and the files that it sees and gives."""

    page: Page
    files: dict[str, bytes]

    def call(self, script: str, argument: Any = None) -> Any:
        """Run a JavaScript function; `model` is the layer in it, `file(name)` reads and `give(name, bytes)` writes."""
        return self.page.evaluate(script, argument)

    @classmethod
    @contextmanager
    def opened(cls, page: Page, module: bytes) -> Iterator[Layer]:
        files = {"/": BLANK, "/model.js": module}

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = files.get(self.path.removeprefix("/files/"))
                self.send_response(404 if body is None else 200)
                kind = {"/": "text/html", "/model.js": "text/javascript"}.get(self.path, "application/octet-stream")
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body or b"")))
                self.end_headers()
                self.wfile.write(body or b"")

            def do_PUT(self) -> None:
                files[self.path.removeprefix("/files/")] = self.rfile.read(int(self.headers["Content-Length"]))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            page.goto(f"http://127.0.0.1:{server.server_address[1]}/")
            page.wait_for_function("window.ready")
            yield cls(page, files)
        finally:
            server.shutdown()
            server.server_close()
