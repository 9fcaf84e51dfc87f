"""Files of the user's that hide a package of ours: Python looks beside the script first."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path


@cache
def check(package: str) -> None:
    """Check that a package of ours is found where this one is.

    Raises:
        ImportError: If something else goes by its name; names the file.
    """
    spec = find_spec(package)
    origin = spec and spec.origin
    if origin and Path(origin).parent != Path(__file__).parents[1] / package:
        raise ImportError(f"{origin} is in the way of edgezoo's package {package!r}: rename it, or its folder")
