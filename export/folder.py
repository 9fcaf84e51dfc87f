"""A bundle's folder: where it may go, and what is in it."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

from export.card import model_card
from runtime.bundle import CARD, GOLDEN, MANIFEST, Bundle, Card, Manifest, ModelFile, identify, write_manifest
from runtime.errors import BundleError, ManifestError, OutputError
from runtime.golden import Golden
from runtime.spec import FORMAT_VERSION, ModelSpec


def check_place(path: Path) -> None:
    """Refuse to replace anything but a bundle or an empty folder."""
    if path.is_dir() and not any(path.iterdir()):
        return
    if path.exists() or path.is_symlink():
        try:
            Bundle.read(path)
        except ManifestError:
            pass  # a bundle of another version, or a damaged one
        except BundleError:
            raise OutputError(f"{path}: exists and is not a bundle; name another folder or remove it") from None


def write(
    stage: Path,
    spec: ModelSpec,
    models: Mapping[str, ModelFile],
    files: Mapping[str, bytes],
    golden: Golden,
    card: Card,
    pictures: Mapping[str, bytes],
) -> None:
    """Write a whole bundle into a folder, in place of what is there.

    Args:
        stage: The folder.
        spec: What the model takes and gives.
        models: The entries of the manifest's model files, by name.
        files: Their contents and those of their companions, by name.
        golden: The golden pack.
        card: What a person needs to trust the model.
        pictures: PNG files for the model card, by file name.
    """
    files = {**files, GOLDEN: golden.encode(), **pictures}
    files[CARD] = model_card(spec, models, files, card, list(pictures)).encode()
    for old in stage.iterdir():
        old.unlink()
    for name, content in files.items():
        (stage / name).write_bytes(content)
    entries = {name: identify(content) for name, content in files.items()}
    manifest = Manifest(FORMAT_VERSION, f"edgezoo {version('edgezoo')}", _now(), spec, dict(models), entries, card)
    (stage / MANIFEST).write_bytes(write_manifest(manifest))
    Bundle.read(stage).check()


def _now() -> str:
    """Return the time in UTC; SOURCE_DATE_EPOCH (reproducible-builds.org) sets it."""
    seconds = int(os.environ.get("SOURCE_DATE_EPOCH") or time.time())
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
