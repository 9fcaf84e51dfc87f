"""Temporary files and folders carry a mark, so that those of killed processes can be told and removed later."""

from __future__ import annotations

import os
import re
import time
from contextlib import suppress
from pathlib import Path

MARK = "edgezoo-tmp-"
"""Part of the name of each temporary file and folder; the standard library's eight random characters follow."""
OLD = 86_400
"""Seconds without a change after which no process works on it any more."""
_MARKED = re.compile(rf"(\..*\.|\.?){MARK}[a-z0-9_]{{8}}(\.[^.]*)?")
_swept: set[str] = set()


def sweep(folder: Path) -> None:
    """Remove what killed processes of this user left in a folder; a process looks through each folder once.

    Only regular files and folders with the mark are removed, never links, and only once nothing in them has changed for
    `OLD` seconds. Files that can't be removed stay.
    """
    path = os.path.realpath(folder)
    if path in _swept:
        return
    _swept.add(path)
    with suppress(OSError), os.scandir(path) as entries:
        for entry in entries:
            if _MARKED.fullmatch(entry.name):
                with suppress(OSError):
                    _remove(entry)


def _remove(entry: os.DirEntry[str]) -> None:
    status = entry.stat(follow_symlinks=False)
    if hasattr(os, "geteuid") and status.st_uid != os.geteuid():
        return
    is_folder = entry.is_dir(follow_symlinks=False)
    changes = [status.st_mtime]
    if is_folder:
        changes += [file.lstat().st_mtime for file in Path(entry.path).rglob("*")]
    if time.time() - max(changes) < OLD:
        return
    if is_folder:
        import shutil  # it imports much, and few processes find any

        shutil.rmtree(entry.path)
    elif entry.is_file(follow_symlinks=False):
        Path(entry.path).unlink()
