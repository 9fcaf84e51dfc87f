"""Data sets from the network, kept in a cache folder; each is there as a whole or not at all."""

from __future__ import annotations

import os
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from runtime.errors import DataError, MissingExtraError, one_line

if TYPE_CHECKING:
    from collections.abc import Callable


def downloaded(folder: str, get: Callable[[Path], object], source: str) -> Path:
    """Return a folder of the cache, which is downloaded where it isn't there yet.

    Args:
        folder: The folder's name.
        get: Downloads it into the folder that it is given, and checks what came.
        source: The data set's name on the command line.

    Raises:
        DataError: If it can't be downloaded.
        MissingExtraError: If torchvision, which downloads, is not installed.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "edgezoo"
    if (cache / folder).is_dir():
        return cache / folder
    if find_spec("torchvision") is None:
        raise MissingExtraError("torchvision", "train")
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".partial-", dir=cache) as partial:
            get(Path(partial))
            if not (cache / folder).is_dir():  # another process may have been faster
                (Path(partial) / folder).rename(cache / folder)
    except Exception as problem:  # urllib's and torchvision's have no common base
        raise DataError(
            f"{source} can't be downloaded ({one_line(problem, 120)}): connect to a network, or give a folder that "
            f"holds its files: {source}:PATH"
        ) from None
    return cache / folder
