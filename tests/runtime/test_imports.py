"""The runtime stays light: what it imports, and when."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import runtime

SOURCES = sorted(
    path for path in Path(runtime.__file__).parent.rglob("*.py") if path.parent.name != "pyinstaller"
)  # PyInstaller alone runs its hooks
HEAVY = (
    "torch", "torchvision", "lightning", "timm", "onnx", "onnxruntime", "ai_edge_litert", "tflite_runtime",
    "tflite_micro", "litert_torch", "PIL", "rich", "typer", "matplotlib", "sklearn", "export",
)  # fmt: skip
SLOW = ("asyncio", "csv", "multiprocessing", "subprocess", "tempfile", "zipfile")
"""Libraries of Python's own that take milliseconds, and that few calls need."""
ALLOWED = {
    *sys.stdlib_module_names,
    *("numpy", "PIL", "onnxruntime", "openvino", "pyarrow", "runtime", "tflite_micro", "faster_coco_eval", "soundfile"),
}
"""What is imported in functions: engines, pyarrow for the data frames of a caller who has it, and faster-coco-eval,
which measures detectors where they are exported and evaluated, and soundfile, which decodes recordings other than WAV
files."""


@pytest.mark.parametrize("statement", ["import runtime", "import zoo"])
def test_importing_takes_nothing_heavier_than_numpy(statement):
    loaded = f"{statement}, sys; print([name for name in {HEAVY + SLOW} if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True, check=True)
    assert result.stdout == "[]\n"


def test_no_module_of_the_runtime_takes_more():
    script = (
        "import importlib, pkgutil, runtime, sys\n"
        "for module in pkgutil.walk_packages(runtime.__path__, 'runtime.'):\n"
        "    if '.pyinstaller' not in module.name:\n"
        "        importlib.import_module(module.name)\n"
        f"print([name for name in {HEAVY} if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert result.stdout == "[]\n"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_no_function_of_the_runtime_imports_what_a_device_lacks(path):
    imported = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            imported |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            imported.add(node.module.split(".")[0])
    assert imported <= ALLOWED
