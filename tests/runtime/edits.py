"""Changes to a bundle on disk."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from runtime.bundle import MANIFEST, identify


def edit_manifest(bundle: Path, change: Callable[[dict[str, Any]], object]) -> None:
    manifest = json.loads((bundle / MANIFEST).read_text())
    change(manifest)
    (bundle / MANIFEST).write_text(json.dumps(manifest))


def replace_file(bundle: Path, name: str, data: bytes) -> None:
    """Write other content and make the manifest vouch for it."""
    (bundle / name).write_bytes(data)
    edit_manifest(bundle, lambda manifest: manifest["files"].update({name: asdict(identify(data))}))


def remove_model(bundle: Path, name: str) -> None:
    (bundle / name).unlink()
    edit_manifest(bundle, lambda manifest: (manifest["files"].pop(name), manifest["models"].pop(name)))
