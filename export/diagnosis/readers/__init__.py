"""How to look inside a running file: one module for each format, named like it.

A reader runs a file sample by sample and gives the tensors between its operators as plain ``float32`` arrays, whatever
the file computes in.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any, Protocol, cast

from runtime.errors import OptionError, unknown

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from export.diagnosis.segments import Segment


class Opened(Protocol):
    """A file whose tensors can be read."""

    @property
    def segments(self) -> tuple[Segment, ...]:
        """What stands between the tensors that it was opened for, in execution order."""
        ...

    def run(self, sample: NDArray[Any]) -> dict[str, NDArray[np.float32]]:
        """Run the file as it is on a batch of one; return its tensors by name."""
        ...

    def alone(self, sample: NDArray[Any], values: Mapping[str, NDArray[np.float32]]) -> dict[str, NDArray[np.float32]]:
        """Run every segment by itself: what it starts from has not the file's values, but these."""
        ...


class Reader(Protocol):
    """What a module in this folder declares."""

    def open(self, data: bytes, names: Collection[str] | None = None) -> Opened:
        """Open a file to read the tensors of these names, or all.

        Raises:
            EngineError: If the engine can't run it.
            MissingExtraError: If the engine is not installed.
        """
        ...


def reader(format_name: str) -> Reader:
    """Return the reader of a format.

    Raises:
        OptionError: If nothing can look into files of that format.
    """
    names = sorted(module.name for module in pkgutil.iter_modules(__path__))
    if format_name not in names:
        raise OptionError(unknown("format that can be diagnosed:", format_name, names))
    return cast(Reader, importlib.import_module(f"{__name__}.{format_name}"))
