"""Formats: one file each, found by being here; the file's name is the format's name and the suffix it writes.

A format turns a module into bytes and puts metadata into such bytes. It knows nothing about parity or bundles.
"""

from __future__ import annotations

import importlib
import pkgutil
from typing import TYPE_CHECKING, Protocol, cast

from runtime.errors import OptionError, unknown

if TYPE_CHECKING:
    from export.graphs import Graph
    from export.precision import PrecisionModule


class Format(Protocol):
    """What a module in this folder declares."""

    DYNAMIC: bool
    """Whether every file must run any batch size, and sequences of any length; else both may be fixed."""
    precision: PrecisionModule
    """What brings its files to other precisions."""

    def convert(self, graph: Graph) -> bytes:
        """Convert a module.

        Raises:
            ExportError: If the converter refuses it.
        """
        ...

    def embed(self, data: bytes, key: str, text: str) -> bytes:
        """Return the file with `text` in its own metadata under `key`; the graph stays as it is."""
        ...


def format_names() -> tuple[str, ...]:
    """Return every format's name."""
    return tuple(sorted(module.name for module in pkgutil.iter_modules(__path__)))


def format_module(name: str) -> Format:
    """Return a format by its name.

    Raises:
        OptionError: If there is none of that name.
    """
    if name not in format_names():
        raise OptionError(unknown("format", name, format_names()))
    return cast(Format, importlib.import_module(f"{__name__}.{name}"))
