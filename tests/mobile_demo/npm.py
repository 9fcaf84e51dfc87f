"""The npm package in an empty project."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from mobile_demo import build_app
from mobile_demo.build_package import build
from tests.mobile_demo.conftest import alone, lacking

EXAMPLES = build_app.SOURCES / "package" / "examples"
ROOT = build_app.SOURCES.parent
MNIST, WINE = (ROOT / "zoo" / "models" / name for name in ("mnist-cnn", "wine-mlp"))
SEVEN = ROOT / "docs" / "seven.png"
FP32 = 1e-3
"""As in `test_golden`."""
PEERS = {
    "onnxruntime-web": "onnxruntime-web",
    "onnxruntime-node": "onnxruntime-web",
    "@litertjs/core": "@litertjs/core",
}
"""The engines, with the package of the app whose version each has."""

IMPORTS = {
    "edgezoo": "/node_modules/edgezoo/dist/index.js",
    "onnxruntime-web/wasm": "/node_modules/onnxruntime-web/dist/ort.wasm.bundle.min.mjs",
    "@litertjs/core": "/node_modules/@litertjs/core/dist/index.js",
    "@litertjs/wasm-utils": "/node_modules/@litertjs/wasm-utils/dist/index.js",
}
LITERT = {"engine": "litert", "assets": "/node_modules/@litertjs/core/wasm"}


def page_of(body: str) -> str:
    """Return a page that finds the package and its engines by their names."""
    return f'<!doctype html><title>x</title><script type="importmap">{json.dumps({"imports": IMPORTS})}</script>{body}'


@pytest.fixture(scope="session")
def project(once):
    """A folder with the package and its engines, as npm installs them."""

    def install(out: Path) -> None:
        node = build_app.find_node()
        if node is None:
            lacking(f"the package can't be built: there is no {build_app.NEEDED}")
        with alone():
            tarball = build(out)
        listed = json.loads((build_app.SOURCES / "package.json").read_bytes())
        versions = listed["dependencies"] | listed["devDependencies"]
        words = [f"{name}@{versions[version]}" for name, version in PEERS.items()]
        words += [f"{name}@{versions[name]}" for name in ("typescript", "@types/node")]
        words += ["sharp@0.35.5", *(f"{name}@19.3.1" for name in ("react", "react-dom")), str(tarball)]
        (out / "package.json").write_text('{"private": true, "type": "module"}')
        command = [*node.npm, "install", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline", *words]
        done = subprocess.run(command, cwd=out, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    return once("project/project", install)
