"""A bundle's folder.

Every file is read whole, checked against the manifest's SHA-256, and only then given to a parser.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

from runtime.bundle.manifest import (
    GOLDEN,
    MANIFEST,
    MAX_FILE,
    MAX_MANIFEST,
    MAX_SIGNATURE,
    SIGNATURE,
    FileEntry,
    Manifest,
    parse_manifest,
)
from runtime.errors import BundleError, IntegrityError, one_line
from runtime.frozen_dataclass import frozen_dataclass
from runtime.regular_files import read_regular
from runtime.shapes import fits
from runtime.tensors import by_name, select

if TYPE_CHECKING:
    from runtime.bundle.golden import Golden
    from runtime.tensors import Tensors


@frozen_dataclass
class Bundle:
    """A bundle on disk whose manifest has been checked."""

    path: Path
    manifest: Manifest

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Bundle:
        """Open a bundle's folder and check its manifest; the other files are checked when they are read.

        Raises:
            BundleError: If the folder is no bundle.
            ManifestError: If the manifest breaks the contract.
        """
        folder = Path(path)
        if not (folder / MANIFEST).exists():
            what = "is not a folder" if not folder.is_dir() else f"has no {MANIFEST}"
            raise BundleError(f"{folder}: not a bundle ({what if folder.exists() else 'no such folder'})")
        return cls(folder, parse_manifest(read_file(folder / MANIFEST, MAX_MANIFEST), str(folder / MANIFEST)))

    def bytes(self, name: str) -> bytes:
        """Return a file's content, checked against the manifest.

        Raises:
            BundleError: If the manifest lists no such file.
            IntegrityError: If it is missing, no regular file, or differs from the manifest.
        """
        where = self.path / name
        entry = self.manifest.files.get(name)
        if entry is None:
            raise BundleError(f"{self.path}: the manifest lists no file {name!r}")
        data = read_file(where, entry.size)
        digest = hashlib.sha256(data).hexdigest()
        if len(data) != entry.size or digest != entry.sha256:
            raise IntegrityError(
                f"{where}: the file is not the one that the manifest lists "
                f"({len(data)} bytes, sha256 {digest[:12]}…; "
                f"expected {entry.size}, {entry.sha256[:12]}…): copy it again"
            )
        return data

    def golden(self) -> Golden | None:
        """Return the golden pack, or None where the bundle was made without one.

        Raises:
            BundleError: If it is damaged, or doesn't fit the manifest.
            IntegrityError: If it is not the file that the manifest lists.
        """
        from runtime.bundle.golden import Golden  # imports archives' libraries, which no prediction needs

        if GOLDEN not in self.manifest.files:
            return None
        where, spec = str(self.path / GOLDEN), self.manifest.model
        golden = Golden.decode(self.bytes(GOLDEN), where)
        for name, batch, tensors in (
            ("inputs", golden.inputs, spec.input.tensors),
            ("outputs", golden.outputs, spec.output.tensors),
        ):
            arrays = by_name(batch, [tensor.name for tensor in tensors])
            if arrays.keys() != {tensor.name for tensor in tensors}:
                raise BundleError(f"{where}: its {name} {', '.join(arrays)} are not the manifest's")
            for tensor in tensors:
                array = arrays[tensor.name]
                if not fits(array.shape[1:], tensor.sizes) or array.dtype != tensor.dtype:
                    raise BundleError(
                        f"{where}: its {name} {array.dtype} {list(array.shape)} don't fit the manifest's {tensor}"
                    )
        return golden

    def inputs(self) -> Tensors:
        """Return a batch of inputs to run the model with: the golden pack's real ones, else made-up ones.

        Raises:
            BundleError: See `golden`.
        """
        golden = self.golden()
        return self.manifest.model.input.edge_cases() if golden is None else select(golden.inputs, slice(golden.real))

    def check(self) -> None:
        """Read and check every file, and that the folder holds nothing else but perhaps a signature.

        Whether the signature is right takes a public key; see `zoo.catalogue.signing`.

        Raises:
            IntegrityError: Names the first offender.
        """
        for name in self.manifest.files:
            self.bytes(name)
        for path in sorted(self.path.iterdir()):
            if path.name == SIGNATURE:
                read_signature(self.path)
            elif path.name not in self.manifest.files and path.name != MANIFEST:
                raise IntegrityError(f"{path}: the manifest lists no such file: remove it")


def identify(data: bytes) -> FileEntry:
    """Return the identity of a file's content."""
    return FileEntry(hashlib.sha256(data).hexdigest(), len(data))


def read_signature(bundle: Path) -> bytes:
    """Return the content of a bundle's signature, which is not checked.

    Raises:
        IntegrityError: If there is none, or it is no regular file or too large.
    """
    return read_file(bundle / SIGNATURE, MAX_SIGNATURE)


def read_model_file(path: Path) -> bytes:
    """Return the content of a model file that stands alone.

    Raises:
        BundleError: If there is no such file or it is too large.
    """
    return read_file(path, MAX_FILE)


def read_file(path: Path, limit: int = MAX_FILE) -> bytes:
    """Return the content of a regular file of at most `limit` bytes; links, devices and pipes are refused.

    Raises:
        IntegrityError: If it is anything else, or can't be read.
    """
    try:
        return read_regular(path, limit, follow_links=False)
    except (OSError, ValueError) as problem:
        raise IntegrityError(f"{path}: can't be read ({one_line(problem)})") from None
