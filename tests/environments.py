"""Wheels and new virtual environments: by uv, which takes a fifth of pip's time, or by pip where uv finds no index."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.nightly import NIGHTLY

UV = Path(sys.executable).with_name("uv")
STORED = ("--config-settings-package", "pyspark:--build-option=--compression=stored")
"""Spark comes as sources: a wheel of its 460 MB of archives, which can't be compressed further, takes half the time."""


def new_environment(folder: Path, *packages: str | Path, pip: bool = False) -> Path:
    """Install packages into a new virtual environment, without uv if asked for; return its folder of programs."""
    wanted = list(map(str, packages))
    if not pip and _runs(UV, "venv", "--quiet", "--python", sys.executable, folder):
        environment = {**os.environ, "VIRTUAL_ENV": str(folder)}
        if _runs(UV, "pip", "install", "--quiet", *STORED, *wanted, env=environment):
            return folder / "bin"
    subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
    subprocess.run([folder / "bin/python", "-m", "pip", "install", "--quiet", *wanted], check=True)
    return folder / "bin"


def run_tests(programs: Path, file: Path, folder: Path) -> None:
    """Run a file of tests in an environment, without the settings and fixtures of the tests here.

    Args:
        programs: The environment's folder of programs.
        file: The tests.
        folder: Where they run.
    """
    command = [programs / "python", "-m", "pytest", "-q", "-p", "no:cacheprovider", "--noconftest", "-c", os.devnull]
    if not NIGHTLY:
        command += ["-m", "not nightly"]
    done = subprocess.run([*command, "--rootdir", file.parent, file], capture_output=True, text=True, cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr


def need_java() -> None:
    """Skip a test of Spark where there is no Java; fail where EDGEZOO_JAVA=required."""
    if not shutil.which("java"):
        reason = "Spark needs Java 17 or later: apt-get install default-jre-headless"
        pytest.fail(reason) if os.environ.get("EDGEZOO_JAVA") == "required" else pytest.skip(reason)


def build_wheel(source: Path, out: Path) -> Path:
    """Build a project's wheel in a folder that holds no other one of it; return the file."""
    command = [sys.executable, "-m", "build", "--wheel", "--outdir", str(out)]
    before = set(out.glob("*.whl"))
    if not _runs(*command, "--installer", "uv", source):
        subprocess.run([*command, str(source)], check=True, capture_output=True)
    (built,) = set(out.glob("*.whl")) - before
    return built


def _runs(*command: str | Path, env: dict[str, str] | None = None) -> bool:
    try:
        done = subprocess.run(list(map(str, command)), capture_output=True, env=env, check=False)
    except OSError:
        return False
    return done.returncode == 0
