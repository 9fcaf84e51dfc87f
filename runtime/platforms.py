"""The operating systems that we know by name."""

from __future__ import annotations

import sys

SYSTEMS = {"linux": "Linux", "win32": "Windows", "darwin": "macOS", "android": "Android"}


def platform() -> str:
    """Return the key of `SYSTEMS` that this machine is under: `sys.platform`, but Android's, which is Linux's there."""
    if hasattr(sys, "getandroidapilevel"):
        return "android"
    return sys.platform if sys.platform in SYSTEMS else "linux"
