"""`zoo card`: the model card written anew from the manifest, with each file's speed on this machine if that is wanted.

An export writes the same card for the same run, so that card has no speed; here the speed goes into a file of its own.
"""

from __future__ import annotations

import os
from dataclasses import replace

import numpy as np

from export.card import Speed, model_card
from export.disclosure import disclosure_of
from runtime import load
from runtime.atomic import check_writable, staged_folder
from runtime.bundle import CARD, MANIFEST, SIGNATURE, Bundle, identify, write_manifest
from runtime.errors import EngineError, IntegrityError, OutputError
from runtime.native_output import suppress_output
from runtime.progress import Progress, silent
from runtime.schema import build, parse_json, to_json
from runtime.tensors import map_tensors, select
from runtime.timing import latencies
from zoo.doctor import machine
from zoo.resolve import resolve

SPEED = "speed.json"


def renew(
    path: str | os.PathLike[str],
    *,
    measure: bool = True,
    overwrite: bool = False,
    trusted: bool = False,
    on_progress: Progress = silent,
) -> Bundle:
    """Write a bundle's card anew. A signature goes with `overwrite`, for what was signed is no more: sign it again.

    Args:
        path: The bundle's folder.
        measure: Whether to measure each file's latency; else what was measured before stays.
        overwrite: Whether a signature may go.
        trusted: See `runtime.load`.
        on_progress: Called with what is being done, how much is done, and how much there is.

    Raises:
        BundleError: If the bundle can't be read or is damaged.
        OutputError: If it is signed and `overwrite` is not said, or can't be written.
    """
    bundle = Bundle.read(resolve(path))
    if (bundle.path / SIGNATURE).exists() and not overwrite:
        raise OutputError(f"{bundle.path}: is signed; --overwrite drops the signature, which a new card makes void")
    check_writable(bundle.path)
    bundle.check()
    manifest = bundle.manifest
    files = {name: bundle.bytes(name) for name in manifest.files if name != CARD}
    if measure:
        on_progress("measure the files", 0, 1)
        files[SPEED] = (to_json(_measured(bundle, trusted), indent=1) + "\n").encode()
    where = f"{bundle.path / SPEED}"
    speed = None
    if SPEED in files:
        speed = build(Speed, parse_json(files[SPEED], where, IntegrityError), where, IntegrityError)
    pictures = [name for name in files if name.endswith(".png")]
    files[CARD] = model_card(
        manifest.model, manifest.models, files, manifest.card, pictures, disclosure_of(manifest), speed
    ).encode()
    renewed = replace(manifest, files={name: identify(content) for name, content in files.items()})
    with staged_folder(bundle.path) as stage:
        for name, content in {**files, MANIFEST: write_manifest(renewed)}.items():
            (stage / name).write_bytes(content)
        Bundle.read(stage).check()
    return Bundle.read(bundle.path)


def _measured(bundle: Bundle, trusted: bool) -> Speed:
    """Measure one sample at a time on each file, in turns, on the CPU with the engine that `auto` takes."""
    inputs = bundle.inputs()
    models = {}
    with suppress_output():
        for name, file in bundle.manifest.models.items():
            if file.spec.state:
                continue  # takes steps, not samples
            try:
                models[name] = load(bundle.path / name, device="cpu", trusted=trusted)
            except EngineError:
                continue  # no engine for it here
        medians = latencies(list(models.values()), map_tensors(np.ascontiguousarray, select(inputs, slice(1))))
    return Speed(machine()["CPU"], dict(zip(models, medians, strict=True)))
