"""The npm package in an app that Vite builds: in a module worker, and in a React component."""

from __future__ import annotations

import shutil
import subprocess

import pytest

import zoo
from mobile_demo import build_app
from tests.mobile_demo.host import hosted
from tests.mobile_demo.npm import EXAMPLES, MNIST, SEVEN, project

__all__ = ["project"]

FILES = {
    "index.html": """<!doctype html><link rel="icon" href="data:,"><div id="app"></div>
        <script type="module" src="main.js"></script>""",
    "main.js": """
        import { StrictMode, createElement as h, useState } from "react";
        import { createRoot } from "react-dom/client";
        import { useModel } from "./useModel.js";

        function App() {
          const [source, setSource] = useState("mnist-cnn/");
          const [answer, setAnswer] = useState("");
          const { model, error } = useModel(source);
          const predict = async ({ target }) => setAnswer((await model.predict(target.files[0])).label);
          return h("div", null,
            model && h("input", { type: "file", onChange: predict }),
            h("output", null, answer),
            h("button", { onClick: () => setSource("missing/") }, "Another"),
            error && h("p", { role: "alert" }, error.message));
        }

        createRoot(document.getElementById("app")).render(h(StrictMode, null, h(App)));

        window.predict = (options, input, transfer) => new Promise((resolve, reject) => {
          const worker = new Worker(new URL("worker.js", import.meta.url), { type: "module" });
          worker.onmessage = ({ data }) => (worker.terminate(), resolve(data));
          worker.onerror = ({ message }) => reject(new Error(message));
          worker.postMessage({ bundle: new URL("mnist-cnn/", document.baseURI).href, options, input }, transfer);
        });""",
    "worker.js": """
        import { load } from "edgezoo";

        self.onmessage = async ({ data: { bundle, options, input } }) => {
          const model = await load(bundle, options);
          const { label, score } = await model.predict(input);
          const { passed } = await model.verify();
          const { engine } = model;
          await model.close();
          self.postMessage({ engine, label, score, passed });
        };""",
    "vite.config.js": 'export default { base: "./", worker: { format: "es" }, build: { target: "es2022" } };',
}


@pytest.fixture(scope="module")
def app_address(project, tmp_path_factory):
    """The address of the app that is built, with the bundle and LiteRT.js's files beside it."""
    folder = tmp_path_factory.mktemp("app")
    (folder / "node_modules").symlink_to(project / "node_modules")
    shutil.copy(EXAMPLES / "useModel.js", folder)
    for name, text in FILES.items():
        (folder / name).write_text(text)
    node_js = build_app.find_node()
    assert node_js is not None
    vite = build_app.SOURCES / "node_modules" / "vite" / "bin" / "vite.js"
    command = [str(node_js.folder / "node"), str(vite), "build", "--logLevel", "warn"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    shutil.copytree(MNIST, folder / "dist" / "mnist-cnn")
    (folder / "dist" / "litert").symlink_to(project / "node_modules" / "@litertjs" / "core" / "wasm")
    with hosted(folder / "dist", {}) as address:
        yield address


def test_the_package_in_a_worker(app_address, page):
    wanted = zoo.load("mnist-cnn").predict(SEVEN)
    page.goto(app_address)
    said = page.evaluate(
        """async (bytes) => {
            const file = new Blob([Uint8Array.from(bytes)]);
            const bitmap = await createImageBitmap(file);
            const frame = new VideoFrame(bitmap, { timestamp: 0 });
            const litert = { engine: "litert", assets: new URL("litert/", document.baseURI).href };
            return [await predict({ engine: "onnxruntime" }, file), await predict(litert, frame, [frame])];
        }""",
        list(SEVEN.read_bytes()),
    )
    for answer, engine in zip(said, ("onnxruntime-web ", "LiteRT.js "), strict=True):
        assert answer["engine"].startswith(engine)
        assert answer["passed"]
        assert answer["label"] == wanted.label
        assert answer["score"] == pytest.approx(wanted.score, abs=1e-4)


def test_the_react_hook(app_address, page, errors):
    """In React's strict mode, which mounts each component twice; another source closes the model."""
    page.goto(app_address)
    page.locator("input").set_input_files(SEVEN)
    page.locator("output", has_text="7").wait_for()
    page.get_by_role("button", name="Another").click()
    page.get_by_role("alert").filter(has_text="manifest.json: the server answered 404").wait_for()
    assert page.locator("input").count() == 0
    errors.clear()  # the browser logs the request that failed
