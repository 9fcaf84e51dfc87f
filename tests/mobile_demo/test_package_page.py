"""The npm package in a page that is served from a static folder."""

from __future__ import annotations

import functools
import json
import re
import shutil
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

import zoo
from tests.mobile_demo.npm import EXAMPLES, FP32, MNIST, SEVEN, project

__all__ = ["project"]


@pytest.fixture
def served(project, tmp_path):
    """A static folder with the project's packages and the bundles that are copied into it: its path and its address."""
    (tmp_path / "node_modules").symlink_to(project / "node_modules")

    (tmp_path / "favicon.ico").touch()

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=tmp_path))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield tmp_path, f"http://127.0.0.1:{server.server_address[1]}/"
    server.shutdown()
    server.server_close()


def test_the_page_of_ten_lines(served, page):
    folder, address = served
    model = zoo.load("mnist-cnn")
    shutil.copytree(MNIST, folder / "mnist-cnn")
    html = (EXAMPLES / "page.html").read_text()
    assert len(html.splitlines()) <= 10 + 1  # with the document's type
    (folder / "index.html").write_text(html)
    page.goto(address)
    page.locator("input").set_input_files(SEVEN)
    wanted = model.predict(SEVEN)
    page.get_by_text(f"{wanted.label} {100 * wanted.score:.1f} %").wait_for()


IMPORTS = {
    "edgezoo": "/node_modules/edgezoo/dist/index.js",
    "onnxruntime-web/wasm": "/node_modules/onnxruntime-web/dist/ort.wasm.bundle.min.mjs",
    "@litertjs/core": "/node_modules/@litertjs/core/dist/index.js",
    "@litertjs/wasm-utils": "/node_modules/@litertjs/wasm-utils/dist/index.js",
}


def test_both_engines_and_every_source_in_a_page(served, page):
    folder, address = served
    model = zoo.load("mnist-cnn")
    shutil.copytree(MNIST, folder / "mnist-cnn")
    shutil.make_archive(str(folder / "packed"), "zip", folder, "mnist-cnn")
    shutil.copy(SEVEN, folder / "seven.png")
    imports = f'<script type="importmap">{json.dumps({"imports": IMPORTS})}</script>'
    (folder / "index.html").write_text(f'<!doctype html><title>x</title>{imports}<img src="seven.png">')
    page.goto(address)
    said = page.evaluate(
        """async () => {
            const { load } = await import("edgezoo");
            const image = document.querySelector("img");
            const file = await (await fetch("seven.png")).blob();
            const bytes = new Uint8Array(await file.arrayBuffer());
            const answers = {};
            const engines = { onnxruntime: {}, litert: { assets: "node_modules/@litertjs/core/wasm" } };
            for (const [engine, options] of Object.entries(engines)) {
                const model = await load("mnist-cnn", { engine, ...options });
                await image.decode();
                const canvas = document.createElement("canvas");
                [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
                const context = canvas.getContext("2d");
                context.drawImage(image, 0, 0);
                const data = context.getImageData(0, 0, canvas.width, canvas.height);
                const sources = { file, bytes, url: "seven.png", image, canvas, data };
                sources.bitmap = await createImageBitmap(file);
                sources.frame = new VideoFrame(canvas, { timestamp: 0 });
                for (const [name, source] of Object.entries(sources)) {
                    answers[`${engine} ${name}`] = await model.predict(source);
                }
                answers[`${engine} report`] = await model.verify();
                await model.close();
            }
            const zipped = await load("packed.zip");
            answers.zipped = await zipped.predict(file);
            return answers;
        }"""
    )
    wanted = model.predict(SEVEN)
    for name, answer in said.items():
        if name.endswith(" report"):
            assert answer["passed"], answer
            assert answer["outputs"]["maxDifference"] <= FP32
        else:
            assert answer["label"] == wanted.label, name
            assert answer["score"] == pytest.approx(wanted.score, abs=1e-4), name
    engines = [said[f"{engine} report"]["engine"] for engine in ("onnxruntime", "litert")]
    assert re.match("onnxruntime-web .*LiteRT.js ", " ".join(engines))
