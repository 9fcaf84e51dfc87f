"""The files of a site: the app's files and the bundles', each under its path. Nothing else can be served or written.

Every file is in memory, as it was when its SHA-256 was checked: what changes on the disk afterwards is not served.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from export.platforms import PLATFORMS
from runtime.atomic import check_writable, staged_folder
from runtime.bundle import MANIFEST, Bundle, Manifest, identify, parse_manifest
from runtime.errors import BundleError, IntegrityError, OutputError, one_line
from zoo.resolve import display_name, resolve

Site = Mapping[str, bytes]
"""Contents by path below the site's address, without a leading slash."""

APP = "app.json"
WORKER = "sw.js"
BUNDLES = "bundles/index.json"
_PATH = re.compile(r"(?!\.)[\w@.-]+(/(?!\.)[\w@.-]+)*", re.ASCII)
APP_FORMAT = 3
"""The newest version of the contract that the app reads: `FORMAT_VERSION` in the package's `model/manifest.ts`."""
PLAYED = PLATFORMS["web"].formats
"""The formats that an engine of the browser runs."""


def make_site(app: Path, bundles: Sequence[Path]) -> Site:
    """Return a site of a built app's folder and of bundles.

    Raises:
        BundleError: If one is no bundle, or holds no file that a browser can run.
        IntegrityError: If a file differs from what its list promises.
        OutputError: If the app isn't whole.
    """
    site = dict(_app_files(app))
    entries: list[dict[str, Any]] = []
    for path in bundles:
        bundle = Bundle.read(resolve(path))
        _check_playable(bundle)
        folder = f"bundles/{_name(bundle.path, [entry['name'] for entry in entries])}/"
        contents = {name: bundle.bytes(name) for name in bundle.manifest.files}
        contents[MANIFEST] = _manifest(bundle)
        site |= {folder + name: content for name, content in contents.items()}
        manifest = identify(contents[MANIFEST])
        entries.append(
            {
                "name": PurePosixPath(folder).name,
                "path": folder,
                "manifest": {"sha256": manifest.sha256, "size": manifest.size},
            }
        )
    site[BUNDLES] = (json.dumps({"bundles": entries}, indent=2) + "\n").encode()
    return site


def listens(site: Site) -> bool:
    """Tell whether one of a site's bundles takes audio."""
    manifests = [path for path in site if path.startswith("bundles/") and path.endswith(f"/{MANIFEST}")]
    return any(parse_manifest(site[path], path).model.input.kind == "audio" for path in manifests)


def write_site(site: Site, folder: Path, overwrite: bool = False) -> None:
    """Write a site into a folder, whole or not at all.

    Raises:
        OutputError: If something else is there, or a site without `overwrite`, or it can't be written.
    """
    check_site(folder, overwrite)
    with staged_folder(folder) as stage:
        for name, content in site.items():
            (stage / name).parent.mkdir(parents=True, exist_ok=True)
            (stage / name).write_bytes(content)


def _app_files(app: Path) -> dict[str, bytes]:
    try:
        listed = (app / APP).read_bytes()
        entries: dict[str, Any] = json.loads(listed)["files"]
        if any(not _PATH.fullmatch(name) for name in entries):
            raise ValueError(f"{APP} names a file outside")
        files = {name: (app / name).read_bytes() for name in entries}
        for name, content in files.items():
            if identify(content).sha256 != entries[name]["sha256"]:
                raise IntegrityError(f"{app / name}: the file is not the one that {APP} lists: build or install again")
        return {**files, APP: listed, WORKER: (app / WORKER).read_bytes()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as problem:
        raise OutputError(f"{app}: not the built web app ({one_line(problem)}): build or install it again") from None


def _check_playable(bundle: Bundle) -> None:
    manifest: Manifest = bundle.manifest
    if manifest.format > APP_FORMAT:
        raise BundleError(f"{bundle.path}: the web app reads formats up to {APP_FORMAT}, not {manifest.format}")
    if not any(file.spec.format in PLAYED and not file.spec.state for file in manifest.models.values()):
        raise BundleError(
            f"{bundle.path}: no file that a browser can run ({', '.join(manifest.models)}): "
            "export it as onnx or tflite, too"
        )


def _manifest(bundle: Bundle) -> bytes:
    content = (bundle.path / MANIFEST).read_bytes()
    if parse_manifest(content, str(bundle.path / MANIFEST)) != bundle.manifest:
        raise IntegrityError(f"{bundle.path / MANIFEST}: changed while it was read: try again")
    return content


def address_name(path: Path) -> str:
    """Return what a bundle is called in an address: its folder's name, or the model's if it was pulled."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", display_name(path)).strip(".-") or "bundle"


def _name(path: Path, used: Sequence[str]) -> str:
    """Return the last part of a bundle's address: what it is called, with a number if that is taken."""
    name = numbered = address_name(path)
    number = 1
    while numbered.casefold() in map(str.casefold, (*used, "index.json")):
        number += 1
        numbered = f"{name}-{number}"
    return numbered


def check_site(folder: Path, overwrite: bool) -> None:
    """Refuse to replace anything but an empty folder or, if that is wanted, a site and nothing besides.

    Raises:
        OutputError: If `folder` is taken, or can't be written.
    """
    if not folder.exists() and not folder.is_symlink():
        check_writable(folder)
        return
    try:
        there = {each.name for each in folder.iterdir()}
        if not there:
            return
        listed = json.loads((folder / APP).read_bytes())["files"]
        ours = {PurePosixPath(name).parts[0] for name in (*listed, APP, WORKER, BUNDLES)}
        ours_alone = (folder / BUNDLES).is_file() and there <= ours
    except (OSError, ValueError, KeyError, TypeError, IndexError):
        ours_alone = False
    if not ours_alone:
        raise OutputError(f"{folder}: exists and is not a site of zoo demo alone; name another folder or remove it")
    if not overwrite:
        raise OutputError(f"{folder}: exists; --overwrite replaces it")
