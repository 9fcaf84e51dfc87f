"""Data sets from the network, kept in a cache folder; each is there as a whole or not at all."""

from __future__ import annotations

import hashlib
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from runtime.atomic import settle
from runtime.cache import cache_folder, former_data_folder
from runtime.errors import DataError, MissingExtraError, one_line
from runtime.scratch import scratch_folder

if TYPE_CHECKING:
    from collections.abc import Callable


def downloaded(folder: str, get: Callable[[Path], object], source: str) -> Path:
    """Return a folder of the cache, which is downloaded where it isn't there, nor where earlier releases put it.

    Args:
        folder: The folder's name.
        get: Downloads it into the folder that it is given, and checks what came.
        source: The data set's name on the command line.

    Raises:
        DataError: If it can't be downloaded or kept.
        MissingExtraError: If torchvision, which downloads, is not installed.
    """
    cache = cache_folder()
    for parent in (cache, former_data_folder()):
        if parent is not None and (parent / folder).is_dir():
            return parent / folder
    if find_spec("torchvision") is None:
        raise MissingExtraError("torchvision", "train")
    if cache is None:
        raise DataError(
            f"{source} can't be kept, for no cache folder can be used: set EDGEZOO_CACHE to one of your own, or give a "
            f"folder that holds its files: {source}:PATH"
        )
    try:
        with scratch_folder(cache) as partial:
            get(partial)
            settle(partial / folder, cache / folder)
    except Exception as problem:  # urllib's and torchvision's have no common base
        raise DataError(
            f"{source} can't be downloaded ({one_line(problem, 120)}): connect to a network, or give a folder that "
            f"holds its files: {source}:PATH"
        ) from None
    return cache / folder


def fetch_archive(url: str, sha256: str, partial: Path, folder: str = "") -> None:
    """Download an archive and unpack it.

    Args:
        url: Its address.
        sha256: The SHA-256 of its content, in hex.
        partial: Where to keep it.
        folder: The folder there to unpack it into; `partial` itself by default.

    Raises:
        DataError: If something else came.
        OSError: If it can't be had or written.
    """
    from torchvision.datasets.utils import download_url, extract_archive

    file = partial / url.rpartition("/")[2]
    download_url(url, str(partial), file.name)
    with file.open("rb") as opened:
        digest = hashlib.file_digest(opened, "sha256").hexdigest()
    if digest != sha256:
        raise DataError(f"{url} is not the file that is known: its SHA-256 is {digest[:12]}…, not {sha256[:12]}…")
    extract_archive(str(file), str(partial / folder))
