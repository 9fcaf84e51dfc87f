"""The file's name is the registry: what a package's modules are for, without importing any.

A name that begins with an underscore is a helper and no entry.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import pkgutil
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import ModuleType


@cache
def descriptions(package: str) -> Mapping[str, str]:
    """Return the first docstring line of each module of a package by its name, in which ``_`` is ``-``."""
    top, *below = package.split(".")
    spec = importlib.util.find_spec(top)
    assert spec and spec.submodule_search_locations  # noqa: S101  # our own packages
    folder = Path(spec.submodule_search_locations[0], *below)
    names = [module.name for module in pkgutil.iter_modules([str(folder)]) if not module.name.startswith("_")]
    files = {
        name: folder / name / "__init__.py" if (folder / name).is_dir() else folder / f"{name}.py" for name in names
    }
    sources = {name: file.read_text("utf-8") for name, file in files.items()}
    return {
        name.replace("_", "-"): (ast.get_docstring(ast.parse(text)) or "").partition("\n")[0]
        for name, text in sources.items()
    }


def load_module(package: str, name: str) -> ModuleType:
    """Import a module of a package by its name, in which ``_`` is ``-``."""
    return importlib.import_module(f"{package}.{name.replace('-', '_')}")
