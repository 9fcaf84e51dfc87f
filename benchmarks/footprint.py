"""The size on disk of a device's environment: the wheel with `[litert]` and nothing else."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.measure import Row

LIMIT_MB = 220
FOREIGN = ("torch", "onnxruntime", "onnx", "lightning", "jax")


def rows() -> Iterator[Row]:
    """Build the wheel, install it into a new environment, weigh its site-packages."""
    root = Path(__file__).parents[1]
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        _run(sys.executable, "-m", "build", "--wheel", "--outdir", str(place), str(root))
        _run(sys.executable, "-m", "venv", str(place / "venv"))
        wheel = next(place.glob("*.whl"))
        _run(str(place / "venv/bin/python"), "-m", "pip", "install", "--quiet", f"{wheel}[litert]")
        packages = next((place / "venv/lib").glob("python*/site-packages"))
        tools = {"pip", "setuptools", "pkg_resources", "_distutils_hack"}
        own = [p for p in packages.iterdir() if p.name.partition("-")[0] not in tools]
        size = sum(f.stat().st_size for p in own for f in (p.rglob("*") if p.is_dir() else [p]) if f.is_file()) / 1e6
        found = [name for name in FOREIGN if (packages / name).exists()]
        wheel_size = wheel.stat().st_size / 1e6
    yield Row(
        "site-packages of edgezoo[litert]",
        f"{size:.0f} MB",
        f"wheel {wheel_size:.2f} MB",
        f"with {', '.join(found)}" if found else "no torch, no onnxruntime",
        f"≤ {LIMIT_MB} MB",
        size <= LIMIT_MB and not found,
    )


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)
