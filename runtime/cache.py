"""The user's cache folder: files that may be lost at any time, and that other users can't write."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def cache_folder() -> Path | None:
    """Return edgezoo's cache folder, made if need be, or None where there is none that can be trusted and written.

    ``EDGEZOO_CACHE`` names it; else it is the folder ``edgezoo`` where the platform keeps caches: ``XDG_CACHE_HOME`` or
    ``~/.cache`` (XDG Base Directory Specification, whose rule that relative paths count for nothing holds for both),
    ``~/Library/Caches`` on macOS, ``LOCALAPPDATA`` on Windows.

    Files in it are believed. So it must belong to this user and be closed to the writing of others (it is made with
    mode 0700): whoever can forge an entry is this user or root, who could change this very code as well.
    """
    try:
        folder = _folder()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        writable = os.access(folder, os.W_OK | os.X_OK)
        return folder if writable and is_private(folder.stat()) else None
    except (OSError, RuntimeError):  # no home, a file in its place, a disk that can't be written
        return None


def former_data_folder() -> Path | None:
    """Return where releases before 0.2 kept data sets, whatever the platform and ``EDGEZOO_CACHE``."""
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "edgezoo"
    except RuntimeError:  # no home
        return None


def is_private(status: os.stat_result) -> bool:
    """Tell whether a file or folder is this user's and others may not write it. Windows keeps caches so by itself."""
    return os.name != "posix" or (status.st_uid == os.geteuid() and not status.st_mode & 0o022)


def _folder() -> Path:
    named = Path(os.environ.get("EDGEZOO_CACHE", ""))
    if named.is_absolute():
        return named
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "edgezoo"
    variable, usual = ("LOCALAPPDATA", "AppData/Local") if os.name == "nt" else ("XDG_CACHE_HOME", ".cache")
    home = Path(os.environ.get(variable, ""))
    return (home if home.is_absolute() else Path.home() / usual) / "edgezoo"
