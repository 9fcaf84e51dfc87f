"""An emulated 64-bit ARM machine: Debian's Python, aarch64 wheels, our own wheel; nothing of it is installed here."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
SUITE = "bookworm"
PYTHON = "usr/bin/python3.11"
INCLUDE = "python3,python3-minimal,libpython3-stdlib"
WHEELS = ("numpy==1.26.4", "pillow>=11.3,<14", "tflite-runtime==2.14.0")
"""tflite-runtime needs numpy 1; later engines crash in this emulator."""
PLATFORMS = ("manylinux2014_aarch64", "manylinux_2_27_aarch64", "manylinux_2_28_aarch64", "manylinux_2_34_aarch64")
NEEDS = {"debootstrap": "debootstrap", "qemu-aarch64-static": "qemu-user-static", "dpkg-deb": "dpkg"}


def missing() -> list[str]:
    """Return the Debian packages that this machine lacks."""
    path = os.environ.get("PATH", "") + ":/usr/sbin"
    return [package for command, package in NEEDS.items() if shutil.which(command, path=path) is None]


def build(folder: Path) -> None:
    """Make the machine in a folder; what is there already stays, but for our own wheel."""
    root, libraries = folder / "root", folder / "libraries"
    if not root.exists():
        stage = folder / "root.part"
        shutil.rmtree(stage, ignore_errors=True)
        arguments = ("--arch=arm64", "--foreign", "--variant=minbase", f"--include={INCLUDE}", SUITE, stage)
        _run("/usr/sbin/debootstrap", *arguments)
        for package in (stage / "var/cache/apt/archives").glob("*.deb"):
            _run("dpkg-deb", "-x", package, stage)
        stage.rename(root)
    if not libraries.exists():
        stage = folder / "libraries.part"
        shutil.rmtree(stage, ignore_errors=True)
        platforms = [word for name in PLATFORMS for word in ("--platform", name)]
        _run(
            sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", *platforms,
            "--python-version=3.11", "--implementation=cp", "--dest", stage / "wheels", *WHEELS,
        )  # fmt: skip
        _unpack(stage / "wheels", stage)
        stage.rename(libraries)
    own = folder / "own"
    shutil.rmtree(own, ignore_errors=True)
    _run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", own, ROOT)
    _unpack(own, own)


def command(folder: Path, *arguments: str | Path) -> tuple[list[str], dict[str, str]]:
    """Return the command that runs Python on the machine, and its environment."""
    python = ["qemu-aarch64-static", "-cpu", "max", "-L", str(folder / "root"), str(folder / "root" / PYTHON)]
    return [*python, *map(str, arguments)], {
        "PYTHONPATH": f"{folder / 'own'}:{folder / 'libraries'}",
        "LC_ALL": "C.UTF-8",
    }


def _unpack(wheels: Path, folder: Path) -> None:
    for wheel in wheels.glob("*.whl"):
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(folder)


def _run(*words: str | Path) -> None:
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{words[0]} failed: {(done.stderr or done.stdout)[-2000:]}")
