"""Formats: one file each, found by being here; the file's name is the format's name and the suffix it writes.

A format turns a module into bytes and puts metadata into such bytes. It knows nothing about parity or bundles.
"""

from __future__ import annotations

import importlib
import pkgutil
from typing import TYPE_CHECKING, Protocol, cast

from runtime.errors import OptionError, unknown

if TYPE_CHECKING:
    import torch

    from runtime.spec import ModelSpec


class Format(Protocol):
    """What a module in this folder declares."""

    DYNAMIC_BATCH: bool
    """Whether every file must run any batch size, or may be fixed to 1."""

    def convert(self, module: torch.nn.Module, spec: ModelSpec, pixels: torch.Tensor) -> bytes:
        """Convert a module.

        Args:
            module: In evaluation mode, on the CPU; takes ``uint8 [batch, height, width, channels]``.
            spec: Names the graph's input and output.
            pixels: Two or more real inputs ``uint8 [batch, height, width, channels]`` to trace it with.

        Raises:
            ExportError: If the converter refuses the module.
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
