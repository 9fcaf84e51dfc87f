"""A bundle as bytes: how it is sent to the nodes of a cluster, and checked where it arrives."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from runtime.atomic import staged_folder
from runtime.bundle import MANIFEST, Bundle, read_model_file
from runtime.cache import cache_folder
from runtime.errors import IntegrityError
from zoo.resolve import resolve


@dataclass(frozen=True)
class BundleContent:
    """The files of a bundle, or one model file.

    Args:
        model_file: The name of the file that is opened; empty for the bundle as a whole.
        files: The content of each file by its name.
        sha256: The hash of all names and contents, where they were read.
    """

    model_file: str
    files: Mapping[str, bytes]
    sha256: str

    @classmethod
    def read(cls, bundle: str | os.PathLike[str]) -> BundleContent:
        """Read a bundle, or one model file that edgezoo exported, checked against its manifest.

        Args:
            bundle: A path, or the name of a model.

        Raises:
            BundleError: If it can't be trusted or read.
        """
        path = resolve(bundle)
        if path.is_file() and not (path.parent / MANIFEST).exists():
            return cls._of(path.name, {path.name: read_model_file(path)})
        opened = Bundle.read(path.parent if path.is_file() else path)
        files = {name: opened.bytes(name) for name in opened.manifest.files}
        files[MANIFEST] = (opened.path / MANIFEST).read_bytes()
        return cls._of(path.name if path.is_file() else "", files)

    @classmethod
    def _of(cls, model_file: str, files: Mapping[str, bytes]) -> BundleContent:
        return cls(model_file, files, _digest(files))

    def unpack(self) -> Path:
        """Return the path of the bundle or model file on this machine; the cache folder keeps it for later workers.

        Raises:
            OutputError: If it can't be written.
            IntegrityError: If what was written is not what was sent.
        """
        cache = cache_folder()
        folder = Path(tempfile.mkdtemp()) / "bundle" if cache is None else cache / "cluster" / self.sha256
        if _content(folder, self.files) != self.sha256:
            with staged_folder(folder) as stage:
                for name, data in self.files.items():
                    (stage / name).write_bytes(data)
            if _content(folder, self.files) != self.sha256:
                raise IntegrityError(f"{folder}: its files are not those that were sent: remove the folder")
        return folder / self.model_file


def _content(folder: Path, names: Mapping[str, bytes]) -> str:
    """Return the hash of a folder's files of some names; empty if one is missing."""
    try:
        return _digest({name: (folder / name).read_bytes() for name in names})
    except OSError:
        return ""


def _digest(files: Mapping[str, bytes]) -> str:
    parts = [f"{hashlib.sha256(data).hexdigest()} {name}\n" for name, data in sorted(files.items())]
    return hashlib.sha256("".join(parts).encode()).hexdigest()
