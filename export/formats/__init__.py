"""Formats: one file each, found by being here; the file's name is the format's name and the suffix it writes.

A format turns a module into bytes and puts metadata into such bytes. It knows nothing about parity or bundles.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal, Protocol, cast

from runtime.errors import OptionError, unknown

if TYPE_CHECKING:
    from export.graphs import Graph
    from export.precision import PrecisionModule
    from runtime.spec import ModelSpec, Precision


class Format(Protocol):
    """What a module in this folder declares."""

    LIBRARIES: tuple[str, ...]
    """What must be installed to write it, besides PyTorch."""
    DYNAMIC: bool
    """Whether every file must run any batch size, and sequences of any length; else both may be fixed."""
    PIXELS: Literal["uint8", "float32"]
    """What graphs of images take: the same values, 0 to 255."""
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

    def companions(self, data: bytes, spec: ModelSpec) -> dict[str, bytes]:
        """Return what goes with a file that takes whole inputs, by file name."""
        ...

    def footprint(self, data: bytes) -> dict[str, int]:
        """Return what a file takes of the device by its kind, in bytes, where that can be told."""
        ...


def format_names() -> tuple[str, ...]:
    """Return every format's name."""
    return tuple(sorted(module.name for module in pkgutil.iter_modules(__path__)))


def formats_in(precision: Precision) -> tuple[str, ...]:
    """Return the names of the formats that have a precision."""
    return tuple(name for name in format_names() if precision in format_module(name).precision.QUANTISERS)


def check_precisions(name: str, precisions: Iterable[str]) -> None:
    """Refuse precisions that a format's files can't have.

    Raises:
        OptionError: If it has none of that name, or there is no such format.
    """
    known = format_module(name).precision.QUANTISERS
    for precision in precisions:
        if precision not in known:
            raise OptionError(f"format {name!r}: {unknown('precision', precision, known)}")


def format_module(name: str) -> Format:
    """Return a format by its name.

    Raises:
        OptionError: If there is none of that name.
    """
    if name not in format_names():
        raise OptionError(unknown("format", name, format_names()))
    return cast(Format, importlib.import_module(f"{__name__}.{name}"))
