"""The model files that a path names, and how an engine opens one of them."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from threading import Thread
from typing import TypedDict

from runtime.bundle import MANIFEST, Bundle, read_model_file
from runtime.concurrency.forks import native
from runtime.concurrency.threads import default_threads, usable_cpus
from runtime.concurrency.workers import Job
from runtime.engines import Settings, engine_module, engine_names
from runtime.errors import BundleError
from runtime.frozen_dataclass import frozen_dataclass
from runtime.isolation.probe import Probe
from runtime.model import Model
from runtime.opened_file import ISOLATED, OpenedFile, Opening, check_supported
from runtime.spec import FileSpec, ModelSpec, decode_metadata, tensor_names


@frozen_dataclass
class Candidate:
    """A model file that an engine could open."""

    spec: ModelSpec
    file: Path
    file_spec: FileSpec
    read: Callable[[], bytes]
    sha256: str = ""
    """Of what `read` gives, where it is known already."""


class OpenSettings(TypedDict, total=False):
    """How to open a model file; see `open_candidate`."""

    device: str
    threads: int | None
    options: Mapping[str, str] | None
    trusted: bool
    keep: bool
    limit: float | None


def candidates(path: str | os.PathLike[str]) -> tuple[Candidate, ...]:
    """Return the model files of a bundle, step graphs too, or the one file that `path` names.

    Raises:
        BundleError: If the bundle or file can't be trusted or read.
    """
    file = Path(path)
    formats = {engine_module(name).FORMAT: engine_module(name) for name in engine_names()}
    if file.suffix[1:] not in formats or file.is_dir():
        if file.is_file():
            raise BundleError(f"{file}: not a bundle's folder, nor a file that ends in .{' or .'.join(formats)}")
        return _listed(Bundle.read(file))
    data = read_model_file(file)
    try:
        text = formats[file.suffix[1:]].metadata(data)
    except BundleError as problem:
        raise BundleError(f"{file}: {problem}") from None
    if not text:
        beside = _listed(Bundle.read(file.parent)) if (file.parent / MANIFEST).exists() else ()
        if chosen := tuple(choice for choice in beside if choice.file.name == file.name):
            return chosen
        raise BundleError(
            f"{file}: the file carries no edgezoo metadata, so its labels and preprocessing are unknown: "
            "make a bundle of it with zoo import"
        )
    metadata = decode_metadata(text, f"{file}'s metadata")
    return (Candidate(metadata.model, file, metadata.file, lambda: data),)


def _listed(bundle: Bundle) -> tuple[Candidate, ...]:
    return tuple(
        Candidate(
            bundle.manifest.model,
            bundle.path / name,
            model.spec,
            partial(bundle.bytes, name),
            bundle.manifest.files[name].sha256,
        )
        for name, model in bundle.manifest.models.items()
    )


def open_candidate(
    choice: Candidate,
    engine: str,
    *,
    device: str = "auto",
    threads: int | None = None,
    options: Mapping[str, str] | None = None,
    trusted: bool = False,
    keep: bool = False,
    limit: float | None = None,
) -> Model:
    """Open one model file on one engine; see `runtime.loading.load`.

    Args:
        choice: The file.
        engine: The engine's name.
        device: See `runtime.loading.load`.
        threads: See `runtime.loading.load`.
        options: See `runtime.loading.load`.
        trusted: See `runtime.loading.load`.
        keep: Let the engine keep what it derives from the file in the user's cache folder, unless `limit` is given.
        limit: Seconds of each call in a child process of its own (`runtime.isolation.engine`); None to run in this
            process.

    Raises:
        BundleError: If the file differs from its manifest.
        EngineError: If the engine is not installed or refuses the file, or it fails its trial
            (`runtime.isolation.probe`).
    """
    check_supported(engine, choice.file_spec, choice.file.name)
    reading = Job(choice.read)  # and hashing, which take about as long as the import of a library
    thread = Thread(target=reading, name="edgezoo-read")
    thread.start()
    try:
        native(engine_module(engine).library)
    finally:
        thread.join()
    data = reading.result()
    sha256 = choice.sha256 or (hashlib.sha256(data).hexdigest() if keep or not trusted else "")
    limit = ISOLATED.get(engine) if limit is None else limit
    isolated, probe = limit is not None, Probe(choice.spec, choice.file_spec, engine, data, sha256)
    note = "" if trusted or isolated else probe.check(choice.file.name)
    inputs, outputs = tensor_names(choice.spec, choice.file_spec)
    identity = sha256 if keep and not isolated else ""
    settings = Settings(device, threads or default_threads(len(data)), dict(options or {}), identity)
    start = time.perf_counter()
    opened = OpenedFile(Opening(engine, data, inputs, outputs, settings, limit))
    seconds = time.perf_counter() - start
    return Model(
        choice.spec,
        choice.file.absolute(),
        choice.file_spec,
        engine,
        opened,
        (*opened.skipped, *([note] if note else [])),
        load_seconds=seconds,
        workers=threads or usable_cpus(),
        opening=opened.opening,
    )
