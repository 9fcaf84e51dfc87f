"""Optimized ONNX graphs in the user's cache folder: a model's second start skips half of what the first one takes."""

from __future__ import annotations

import os
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Any

from runtime.atomic import write_file
from runtime.cache import cache_folder
from runtime.errors import OutputError
from runtime.platforms import cpu
from runtime.stale_files import MARK

LIMIT = 512 * 2**20
"""Bytes that all graphs together may take; the oldest go first."""


class Kept:
    """The optimized graph of one file: taken from the cache if it is there, put there if not.

    Its name tells the file's SHA-256, the library's version and the CPU, for which layouts are chosen. It begins with a
    CRC-32 of the rest, since disks fail; processes that write at the same time write the same, each to its own
    temporary file (see `runtime.atomic`).

    Args:
        identity: The file's SHA-256; empty to keep nothing.
        data: The file.
        library: onnxruntime.
    """

    def __init__(self, identity: str, data: bytes, library: Any) -> None:
        folder = cache_folder() if identity else None
        self._data, self._library = data, library
        self._path = folder and folder / "onnx" / f"{identity}-{library.__version__}-{cpu()}"
        self._written: Path | None = None

    def prepare(self, options: Any) -> bytes:
        """Return the graph to open, and set the session's options for it."""
        if self._path is None:
            return self._data
        with suppress(OSError):
            kept = self._path.read_bytes()
            if int.from_bytes(kept[:4], "little") == zlib.crc32(memoryview(kept)[4:]) and len(kept) > 4:
                options.graph_optimization_level = self._library.GraphOptimizationLevel.ORT_DISABLE_ALL
                return kept[4:]
        with suppress(OSError):
            self._path.parent.mkdir(mode=0o700, exist_ok=True)
            self._written = self._path.with_name(f".{self._path.name}.{MARK}{os.urandom(4).hex()}.onnx")
            options.optimized_model_filepath = str(self._written)
        return self._data

    def __enter__(self) -> Kept:
        """Return itself."""
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        """Keep what the library has written, if it opened the file."""
        if self._path is None or self._written is None:
            return
        with suppress(OSError, OutputError):
            graph = self._written.read_bytes()
            self._written.unlink()
            if kind is None and graph:
                write_file(self._path, zlib.crc32(graph).to_bytes(4, "little") + graph, private=True)
                prune(self._path.parent)


def prune(folder: Path, limit: int = LIMIT) -> None:
    """Remove the oldest files beyond `limit` bytes in all."""
    files = sorted((path for path in folder.iterdir() if path.is_file()), key=lambda path: -path.stat().st_mtime)
    total = 0
    for path in files:
        total += path.stat().st_size
        if total > limit:
            path.unlink(missing_ok=True)
