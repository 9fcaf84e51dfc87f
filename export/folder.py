"""A bundle's folder: where it may go, and what is in it."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

from export.card import model_card
from export.disclosure import disclosure
from export.golden import Pack
from runtime.atomic import check_writable
from runtime.bundle import (
    CARD,
    GOLDEN,
    MANIFEST,
    SIGNATURE,
    Bundle,
    Card,
    Manifest,
    ModelFile,
    identify,
    write_manifest,
)
from runtime.errors import OutputError
from runtime.spec import ModelSpec

_LIKE_OURS = re.compile(r"model[\w.-]*|golden\.npz|README\.md|speed\.json|\w+\.png|main\.cc")


def check_place(path: Path, overwrite: bool = False) -> None:
    """Refuse a place for a bundle that is taken; `overwrite` lets an earlier bundle be replaced, and nothing else.

    Raises:
        OutputError: If it is taken, or can't be written.
    """
    path = Path(path)
    there = path.exists() or path.is_symlink()
    if there and not (path.is_dir() and not any(path.iterdir())):
        strange = _not_ours(path)
        if strange is not None:
            raise OutputError(f"{path}: exists and is not a bundle{strange}; name another folder or remove it")
        if not overwrite:
            signed = ", and a signature" if (path / SIGNATURE).exists() else ""
            raise OutputError(
                f"{path}: holds a bundle already{signed}; replace it with --overwrite, "
                "or name another folder with --out"
            )
    check_writable(path)


def _not_ours(path: Path) -> str | None:
    """Return what of a place is not a bundle's, in words; None if all is."""
    if not (path / MANIFEST).is_file():
        return ""
    try:
        names = set(json.loads((path / MANIFEST).read_bytes())["files"])
    except (OSError, ValueError, KeyError, TypeError):  # damaged, or of something else
        names = {file.name for file in path.iterdir() if _LIKE_OURS.fullmatch(file.name)}
    strange = sorted({file.name for file in path.iterdir()} - names - {MANIFEST, SIGNATURE})
    return f" alone: it holds {strange[0]}" if strange else None


def write(
    stage: Path,
    spec: ModelSpec,
    models: Mapping[str, ModelFile],
    files: Mapping[str, bytes],
    pack: Pack,
    card: Card,
    pictures: Mapping[str, bytes],
) -> None:
    """Write a whole bundle into a folder, in place of what is there.

    Args:
        stage: The folder.
        spec: What the model takes and gives.
        models: The entries of the manifest's model files, by name.
        files: Their contents and those of their companions, by name.
        pack: The golden pack; one of no samples is left out.
        card: What a person needs to trust the model.
        pictures: PNG files for the model card, by file name.
    """
    files = {**files, **({GOLDEN: pack.golden.encode()} if pack.golden.raw else {}), **pictures}
    shown = disclosure(spec.input, card, pack.source, list(pictures))
    files[CARD] = model_card(spec, models, files, card, list(pictures), shown).encode()
    entries = {name: identify(content) for name, content in files.items()}
    generator = f"edgezoo {version('edgezoo')}"
    manifest = Manifest(spec.format, generator, _now(), spec, dict(models), entries, card, pack.source)
    for old in stage.iterdir():
        old.unlink()
    for name, content in files.items():  # the manifest has checked their names
        (stage / name).write_bytes(content)
    (stage / MANIFEST).write_bytes(write_manifest(manifest))
    Bundle.read(stage).check()


def _now() -> str:
    """Return the time in UTC; SOURCE_DATE_EPOCH (reproducible-builds.org) sets it."""
    seconds = int(os.environ.get("SOURCE_DATE_EPOCH") or time.time())
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
