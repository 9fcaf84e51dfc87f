"""Files that other projects append to a TFLite file, as a zip behind the FlatBuffer."""

from __future__ import annotations

import io
import zipfile
import zlib

from runtime.regular_files import MAX_TEXT

UNREADABLE = (
    ValueError, zipfile.BadZipFile, zlib.error, KeyError, NotImplementedError, RuntimeError, EOFError, OSError,
)  # fmt: skip
"""The errors of zipfile and zlib on members that are missing, encrypted, damaged or strangely packed, and ours."""


def read_member(data: bytes, name: str) -> str:
    """Return the text of a member.

    Raises:
        ValueError: If it unpacks to more than `MAX_TEXT` bytes, or is no text in UTF-8; or others of `UNREADABLE`.
    """
    with zipfile.ZipFile(io.BytesIO(data)) as archive, archive.open(name) as file:
        text = file.read(MAX_TEXT + 1)
    if len(text) > MAX_TEXT:
        raise ValueError(f"{name} unpacks to more than {MAX_TEXT // 2**20} MB")
    return text.decode("utf-8-sig")
