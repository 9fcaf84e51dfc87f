"""This machine: the operating systems that we know by name, and the CPU."""

from __future__ import annotations

import hashlib
import sys
from functools import cache

SYSTEMS = {"linux": "Linux", "win32": "Windows", "darwin": "macOS", "android": "Android"}


def platform() -> str:
    """Return the key of `SYSTEMS` that this machine is under: `sys.platform`, but Android's, which is Linux's there."""
    if hasattr(sys, "getandroidapilevel"):
        return "android"
    return sys.platform if sys.platform in SYSTEMS else "linux"


@cache
def cpu() -> str:
    """Return a short name for this CPU's model and instructions."""
    import platform

    facts = platform.machine() + platform.system()
    try:
        with open("/proc/cpuinfo") as file:  # noqa: PTH123  # the first CPU's lines are enough
            lines = file.read(8192).partition("\n\n")[0].splitlines()
        facts += "".join(line for line in lines if line.startswith(("model name", "flags", "Features", "CPU part")))
    except OSError:
        facts += platform.processor()
    return hashlib.sha256(facts.encode()).hexdigest()[:12]
