"""Where the built web app is: in the package edgezoo-demo, or in the checkout, where `make demo-app` builds it."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from runtime.errors import MissingExtraError, OutputError

SOURCES = Path(__file__).parents[2] / "mobile_demo"
BUILT = SOURCES / "dist"
STAMP = ".sources"
"""In a built app's folder: what it was built from. It is written last, so a half-built app has none."""


def find_app() -> Path:
    """Return the folder of the built app.

    Raises:
        MissingExtraError: If there is neither the package edgezoo-demo nor a checkout.
        OutputError: If the checkout's app isn't built.
    """
    package = importlib.util.find_spec("edgezoo_demo")
    if package is not None and package.submodule_search_locations:
        return Path(package.submodule_search_locations[0]) / "app"
    if not (SOURCES / "package.json").is_file():
        raise MissingExtraError("the web app (edgezoo-demo)", "demo")
    if not (BUILT / STAMP).is_file():
        raise OutputError(
            f"{SOURCES}: the web app isn't built: make demo-app builds it, pip install 'edgezoo[demo]' brings it"
        )
    return BUILT
