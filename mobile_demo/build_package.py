"""The build of the npm package `edgezoo` with Node.js: `python mobile_demo/build_package.py OUT` writes its tarball."""

from __future__ import annotations

import sys
from pathlib import Path

from mobile_demo.build_app import NEEDED, find_node, install, npm
from runtime.errors import OutputError


def build(out: Path) -> Path:
    """Write the package's tarball into a folder, and return its path.

    Raises:
        OutputError: If Node is missing, or the build fails; says how.
    """
    node = find_node()
    if node is None:
        raise OutputError(f"the npm package isn't built: building it takes {NEEDED} with npm")
    install(node)
    npm(node, "run", "package")
    out.mkdir(parents=True, exist_ok=True)
    npm(node, "pack", "./package", "--pack-destination", str(out.resolve()))
    return max(out.glob("edgezoo-*.tgz"), key=lambda path: path.stat().st_mtime)


def main() -> None:
    """Build the package and print the tarball's path."""
    from zoo.terminal import say

    say(str(build(Path(sys.argv[1]))))


if __name__ == "__main__":
    main()
