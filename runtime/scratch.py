"""Temporary folders, and arrays on disk for sets of samples that needn't fit into memory."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from runtime.errors import OutputError, one_line
from runtime.stale_files import MARK, sweep

if TYPE_CHECKING:
    from numpy.typing import DTypeLike, NDArray


@contextmanager
def scratch_folder(folder: Path | None = None) -> Iterator[Path]:
    """Give a temporary folder, which goes with the block, inside of `folder` or of the system's temporary folder.

    Raises:
        OSError: If it can't be made.
    """
    import tempfile  # it imports much, and not every program writes

    parent = folder or Path(tempfile.gettempdir())
    sweep(parent)
    with tempfile.TemporaryDirectory(prefix=f".{MARK}" if folder else MARK, dir=parent) as made:
        yield Path(made)


def array_on_disk(shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
    """Return an array of zeros in a temporary file without a name, which goes with the array.

    Its room is reserved here, where the system can: on a full disk the first write would end the process (SIGBUS).

    Raises:
        OutputError: If the temporary folder has no room for it, or none can be written.
    """
    import tempfile  # it imports much, and not every program writes

    size = math.prod(shape) * np.dtype(dtype).itemsize
    try:
        with tempfile.TemporaryFile() as file:
            if size and hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), 0, size)
            return np.memmap(file, dtype, "w+", shape=shape)
    except OSError as problem:
        raise OutputError(
            f"the temporary folder has no room for {size / 1e6:,.1f} MB ({one_line(problem)}); set TMPDIR to another"
        ) from None
