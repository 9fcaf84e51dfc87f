"""`zoo pull`: a bundle from elsewhere. What stands before the colon of its name says from where."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from runtime.cache import cache_folder
from runtime.errors import OptionError, OutputError, unknown

if TYPE_CHECKING:
    from collections.abc import Callable

    from runtime import Bundle

SOURCES = {"hf": "zoo.hub"}
"""The module behind each prefix; its function `pull` takes the name, a folder and what shows progress."""


def pull(name: str, out: Path | None = None, on_progress: Callable[[str, int, int], None] | None = None) -> Bundle:
    """Fetch a bundle into a folder, by default the one of its name in the user's cache.

    Raises:
        OptionError: If the name's prefix is unknown.
        ZooError: If there is no such bundle, or it can't be written; see the prefix's module.
    """
    prefix = name.partition(":")[0]
    if prefix not in SOURCES:
        raise OptionError(unknown("prefix", prefix, SOURCES))
    source: Any = import_module(SOURCES[prefix])
    return source.pull(name, out or pulled_folder(name), on_progress or (lambda step, done, total: None))


def pulled_folder(name: str) -> Path:
    """Return the folder in the user's cache where a name's bundle is kept.

    Raises:
        OutputError: If there is no cache folder.
    """
    folder = cache_folder()
    if folder is None:
        raise OutputError("there is no cache folder that can be written: name one with EDGEZOO_CACHE, or give --out")
    return folder / "pulled" / quote(name, safe="")
