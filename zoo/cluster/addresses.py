"""Files at addresses such as ``s3://bucket/photos/``, by fsspec: which there are, and their content."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from runtime.errors import InputError, MissingExtraError, one_line
from runtime.images.decoding import MAX_BYTES
from zoo.files import FoundFiles, find

CHUNK = 2**20


def is_remote(name: str) -> bool:
    """Tell whether a name is an address and no path."""
    return "://" in name


def find_all(names: Sequence[str], suffixes: tuple[str, ...]) -> FoundFiles:
    """Return the files that names of files, folders and patterns, and addresses stand for.

    Args:
        names: See `zoo.files`; the address of a folder stands for all files below it.
        suffixes: What files in folders end in that can be read, in lower case.

    Raises:
        InputError: If an address can't be listed, or nothing is there.
        MissingExtraError: If fsspec, or the library of an address's protocol, is not installed.
    """
    all_files = FoundFiles()
    for name in names:
        files = _find_remote(name, suffixes) if is_remote(name) else find([name], suffixes)
        all_files.paths.extend(files.paths)
        all_files.states.update(files.states)
        all_files.problems.update(files.problems)
        for reason, paths in files.skipped.items():
            all_files.skipped.setdefault(reason, []).extend(paths)
    return all_files


def _find_remote(name: str, suffixes: tuple[str, ...]) -> FoundFiles:
    """Return the files at an address, with their states, by one listing."""
    system, path = _system(name)
    try:
        listed: dict[str, Any] = system.find(path, detail=True)
        chosen = sorted(each for each in listed if list(listed) == [path] or each.lower().endswith(suffixes))
        states = {each: _digest(listed[each] or system.info(each)) for each in chosen}
    except Exception as problem:  # each protocol's library has errors of its own
        raise InputError(f"{name}: can't be listed ({one_line(problem)})") from None
    if not chosen:
        raise InputError(f"{name}: no file of the kinds that are taken ({', '.join(suffixes[:5])} …)")
    addresses = {each: system.unstrip_protocol(each) for each in chosen}
    return FoundFiles(list(addresses.values()), states={addresses[each]: states[each] for each in chosen})


def _digest(info: Any) -> str:
    """Return the hash of what a listing tells of a file: its size, and its time or a mark of its content."""
    return hashlib.sha256(str(info).encode()).hexdigest()


def fetched(name: str, path: Path) -> None:
    """Copy a file at an address to a path.

    Raises:
        InputError: If it can't be read, or is larger than an input may be.
    """
    system, remote = _system(name)
    try:
        with system.open(remote, "rb") as source, path.open("wb") as target:
            for count, part in enumerate(_parts(source), 1):
                if count * CHUNK > MAX_BYTES + CHUNK:
                    raise InputError(f"{name}: larger than {MAX_BYTES} bytes")
                target.write(part)
    except InputError:
        raise
    except Exception as problem:
        raise InputError(f"{name}: can't be read ({one_line(problem)})") from None


def _parts(source: Any) -> Iterator[bytes]:
    while part := source.read(CHUNK):
        yield part


def _system(name: str) -> tuple[Any, str]:
    """Return the file system of an address, and the path on it."""
    try:
        from fsspec.core import url_to_fs
    except ImportError:
        raise MissingExtraError("fsspec, which reads addresses,", "cluster") from None
    try:
        system, path = url_to_fs(name)
    except (ImportError, ValueError) as problem:  # no library for its protocol; an unknown protocol
        raise InputError(f"{name}: {one_line(problem)}") from None
    return system, path
