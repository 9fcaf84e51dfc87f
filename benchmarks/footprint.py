"""What a device must hold: the wheel with `[litert]` on disk and nothing else; in memory, one prediction."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.cold_start import commands
from benchmarks.measure import Row

LIMIT_MB = 220
MEMORY_RATIO = 1.15
TURNS = 5
LAUNCH = """
import os, sys
quiet = [(os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_WRONLY, 0) for fd in (1, 2)]
child = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ, file_actions=quiet)
_, status, usage = os.wait4(child, 0)
assert status == 0, sys.argv
print(usage.ru_maxrss)
"""
"""A process's peak in kB. On Linux it begins with that of the process that started it, so a small one does."""
FOREIGN = ("torch", "onnxruntime", "onnx", "lightning", "jax")


def rows() -> Iterator[Row]:
    """Build the wheel, install it into a new environment, weigh its site-packages."""
    root = Path(__file__).parents[1]
    with tempfile.TemporaryDirectory() as folder:
        work_folder = Path(folder)
        _run(sys.executable, "-m", "build", "--wheel", "--outdir", str(work_folder), str(root))
        _run(sys.executable, "-m", "venv", str(work_folder / "venv"))
        wheel = next(work_folder.glob("*.whl"))
        _run(str(work_folder / "venv/bin/python"), "-m", "pip", "install", "--quiet", f"{wheel}[litert]")
        packages = next((work_folder / "venv/lib").glob("python*/site-packages"))
        tools = {"pip", "setuptools", "pkg_resources", "_distutils_hack"}
        own = [p for p in packages.iterdir() if p.name.partition("-")[0] not in tools]
        size = sum(f.stat().st_size for p in own for f in (p.rglob("*") if p.is_dir() else [p]) if f.is_file()) / 1e6
        foreign = [name for name in FOREIGN if (packages / name).exists()]
        wheel_size = wheel.stat().st_size / 1e6
    yield Row(
        "site-packages of edgezoo[litert]",
        f"{size:.0f} MB",
        f"wheel {wheel_size:.2f} MB",
        f"with {', '.join(foreign)}" if foreign else "no torch, no onnxruntime",
        f"≤ {LIMIT_MB} MB",
        size <= LIMIT_MB and not foreign,
    )


def memory(efficientnet: Path, folder: Path) -> Iterator[Row]:
    """Measure the peak memory of one prediction as a whole process, ours and the shortest script's in turns."""
    for engine, ours, by_hand in commands(efficientnet, folder):
        turns = [(_peak(ours), _peak(by_hand)) for _ in range(TURNS)]
        mine, other = (statistics.median(each) / 1e6 for each in zip(*turns, strict=True))
        yield Row(
            f"peak memory of one prediction, {engine}",
            f"{mine:.0f} MB",
            f"{other:.0f} MB",
            f"{mine / other:.3f}×",
            f"≤ {MEMORY_RATIO}×",
            mine / other <= MEMORY_RATIO,
        )


def _peak(command: list[str]) -> int:
    launched = [sys.executable, "-S", "-c", LAUNCH, *command]
    return int(subprocess.run(launched, check=True, capture_output=True, text=True).stdout) * 1024


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)
