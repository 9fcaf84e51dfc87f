"""From the name of a model to its folder: a path, a model that came with edgezoo, or one that `zoo pull` fetched.

`zoo predict` starts with this, so it imports nothing heavy.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from functools import wraps
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar, cast

import runtime
from runtime.cache import cache_folder
from runtime.errors import BundleError, OptionError

__all__ = ["load"]

P = ParamSpec("P")
T = TypeVar("T")

SOURCES = {"timm": "zoo.catalogue.backbones", "hf": "zoo.catalogue.hub"}
"""The module that pulls the names which begin with a word and a colon; see `zoo.catalogue.pull`."""

CATALOGUE = Path(__file__).parent / "catalogue"
SHIPPED = Path(__file__).parent / "models"
"""Bundles that ship with edgezoo."""

RANDOM = "+random"
"""The end of the name of an untrained model, so that no reader takes it for a trained one."""

_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+@-]{0,199}")


def resolve(name: str | os.PathLike[str]) -> Path:
    """Return the folder or file that a path or a model's name stands for; a path that exists comes first.

    Raises:
        BundleError: If it is the name of a model that isn't on this machine.
    """
    text = os.fspath(name)
    if os.path.exists(text) or not is_name(text):  # noqa: PTH110  # a Path takes longer, and this is in every start
        return Path(text)
    if (shipped := SHIPPED / text).is_dir():
        return shipped
    if folder := pulled(text):
        return folder
    random = " --random-weights" if text.endswith(RANDOM) else ""
    raise BundleError(f"{text} is not on this machine yet: zoo pull {text.removesuffix(RANDOM)}{random}")


def named(load: Callable[Concatenate[Path, P], T]) -> Callable[Concatenate[str | os.PathLike[str], P], T]:
    """Let `runtime.load` take the names of models too."""

    @wraps(load)
    def load_named(path: str | os.PathLike[str], *args: P.args, **settings: P.kwargs) -> T:
        folder = resolve(path)
        if folder.parent == SHIPPED:
            settings["trusted"] = True  # who could forge it could change this code beside it too
        return load(folder, *args, **settings)

    return cast("Callable[Concatenate[str | os.PathLike[str], P], T]", load_named)


load = named(runtime.load)
"""Open a bundle, a model file, or a model of the catalogue by its name; see `runtime.load` for the arguments."""


def display_name(path: str | os.PathLike[str]) -> str:
    """Return what a bundle is called: the model's name if it was pulled, else its folder's."""
    folder = Path(path).resolve()
    cache = cache_folder()
    if cache is not None and folder.is_relative_to(kept := home().resolve()):
        first, *rest = folder.parent.relative_to(kept).parts
        return f"{first}:{'/'.join(rest)}" if rest else first
    return folder.name


def is_name(text: str) -> bool:
    """Tell whether a text is the name of a model of the catalogue or of another source."""
    text = text.removesuffix(RANDOM)
    prefix, colon, rest = text.partition(":")
    if colon:
        return prefix in SOURCES and all(map(_PART.fullmatch, rest.split("/")))
    return bool(_PART.fullmatch(text)) and (CATALOGUE / f"{text}.toml").is_file()


def home() -> Path:
    """Return the folder of pulled bundles: one for each name, in which is one for each choice of files.

    A bundle in it never changes, or in one step where the model hub has a newer one, so who reads it needs no lock.

    Raises:
        OptionError: If there is no cache folder.
    """
    cache = cache_folder()
    if cache is None:
        raise OptionError("no cache folder can be used: set EDGEZOO_CACHE to one of your own, or name a folder: --out")
    return cache / "bundles"


def bundles_folder(name: str) -> Path:
    """Return the folder of all bundles of a name.

    Raises:
        OptionError: If it isn't the name of a model, or there is no cache folder.
    """
    if not is_name(name):
        raise OptionError(f"{name!r} is not the name of a model: see zoo list --models")
    return home().joinpath(*name.replace(":", "/").split("/"))


def pulled(name: str) -> Path | None:
    """Return the bundle of a name that was pulled last, or None."""
    if cache_folder() is None:
        return None
    folders = [manifest.parent for manifest in bundles_folder(name).glob("[!.]*/manifest.json")]
    return max(folders, key=lambda folder: folder.stat().st_mtime, default=None)


def all_pulled() -> Iterator[tuple[str, Path]]:
    """Yield the name and the folder of each bundle that was pulled."""
    for manifest in sorted(home().glob("**/manifest.json")):
        if not any(part.startswith(".") for part in manifest.relative_to(home()).parts):
            yield display_name(manifest.parent), manifest.parent
