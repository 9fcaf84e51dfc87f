"""Child processes that run this interpreter anew, and limits on the memory that a process may write to."""

from __future__ import annotations

import json
import os
import sys
from contextlib import suppress


def python(code: str) -> list[str]:
    """Return the command of a fresh interpreter that runs code whose first argument is this one's path.

    Raises:
        OSError: If this program is no Python interpreter.
    """
    from multiprocessing.spawn import get_executable

    interpreter = get_executable()
    if getattr(sys, "frozen", False) or not _is_python(interpreter):
        raise OSError("this program is no Python interpreter")
    path = [each for each in sys.path if isinstance(each, str)]  # Python imports from no others
    return [os.fsdecode(interpreter or ""), "-P", "-c", code, json.dumps(path)]


def _is_python(program: str | bytes | None) -> bool:
    """Tell by its name whether a program is an interpreter: a program that embeds Python would start itself anew."""
    name = os.path.basename(os.fsdecode(program or ""))  # noqa: PTH119  # what is no path has no name either
    return name.casefold().startswith(("python", "pypy", "graalpy"))


def limit_memory() -> None:
    """Limit what this process may write to, to three quarters of the machine's memory."""
    with suppress(ImportError):  # Windows
        import resource

        lower_limit(resource.RLIMIT_DATA, os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") * 3 // 4)
        lower_limit(resource.RLIMIT_CORE, 0)


def lower_limit(kind: int, limit: int) -> None:
    """Lower one of this process's limits (`resource.RLIMIT_…`), as far as the system takes it."""
    import resource

    _, most = resource.getrlimit(kind)
    with suppress(ValueError, OSError):  # macOS has the kinds but doesn't take every limit
        resource.setrlimit(kind, (limit if most == resource.RLIM_INFINITY else min(limit, most), most))
