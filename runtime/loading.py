"""From a path to an opened model: which model files there are, and which engine runs one of them."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from threading import Thread

from runtime.bundle import MANIFEST, Bundle, read_model_file
from runtime.concurrency.forks import native
from runtime.concurrency.threads import check_threads, default_threads, usable_cpus
from runtime.concurrency.workers import Job
from runtime.engines import Settings, engine_module, engine_names
from runtime.errors import BundleError, DeviceError, EngineError, MissingExtraError, OptionError
from runtime.frozen_dataclass import frozen_dataclass
from runtime.isolation.probe import Probe
from runtime.model import Model
from runtime.opened_file import ISOLATED, OpenedFile, Opening, check_supported
from runtime.spec import FileSpec, ModelSpec, decode_metadata, tensor_names


def load(
    path: str | os.PathLike[str],
    *,
    engine: str = "auto",
    device: str = "auto",
    threads: int | None = None,
    options: Mapping[str, str] | None = None,
    batching: bool = False,
    trusted: bool = False,
    isolate: bool | float = False,
) -> Model:
    """Open a bundle, or one model file that edgezoo exported, ready to predict.

    Args:
        path: A bundle's folder, or a ``.onnx``, ``.tflite`` or ``.tflm`` file that carries its own metadata.
        engine: An engine's name, or ``auto`` for the best that is installed.
        device: ``auto``, or strictly ``cpu``, ``cuda`` and so on (`zoo doctor` lists them), or on LiteRT any external
            delegate as ``delegate:`` and its library's path: there is no silent fall back.
        threads: CPU threads for the engine; by default one for a small model, unless its inputs come in batches of
            several callers, else as many as the process may use.
            `Model.stream` has so many workers, by default one for each CPU.
        options: For the device's execution provider, plugin or delegate, in that library's own words.
        batching: Run the inputs of callers that wait at the same time together, as one batch.
        trusted: Skip the trial in a child process that a file gets which was never opened here; see
            `runtime.isolation.probe`.
        isolate: Keep the file's engine in a child process, with a limit on the time of each call: a number of seconds,
            or True for 60. There is no trial then. See `runtime.isolation.engine`; not on Windows.

    Raises:
        BundleError: If the bundle or file can't be trusted or read.
        EngineError: If no engine can run it; says why for each.
        DeviceError: If the engine can't give the device.
        OptionError: If the engine's name is unknown, `threads` or `isolate` is out of range, or the file runs batches
            of one fixed size only and `batching` is asked for.
    """
    check_threads(threads)
    limit = _time_limit(isolate)
    chosen = threads or (usable_cpus() if batching else None)
    names = engine_names() if engine == "auto" else (engine,)
    files = candidates(path)
    choices = [choice for choice in files if not choice.file_spec.state] or files
    skipped: list[str] = []
    failures: list[EngineError] = []
    for index, name in enumerate(names):
        module = engine_module(name)
        runs = _runs(name, choices)
        if not runs:
            present = ", ".join(choice.file.name for choice in choices)
            failures.append(EngineError(f"engine {name!r} runs .{module.FORMAT} files; {path} has only {present}"))
        elif engine == "auto" and module.missing():
            failures.append(MissingExtraError(f"engine {name!r}", module.EXTRA))
        else:
            try:
                opened = open_candidate(
                    runs[0], name, device=device, threads=chosen, options=options, trusted=trusted, keep=True,
                    limit=limit,
                )  # fmt: skip
            except EngineError as problem:
                failures.append(problem)
            else:
                skipped += [str(failure) for failure in failures] + list(opened.skipped)
                others = [other for other in names[index + 1 :] if _runs(other, choices)]
                others = [other for other in others if not engine_module(other).missing()]
                skipped += [f"engine {other!r} was not needed: {name!r} comes first" for other in others]
                if batching:
                    _check_batching(opened)
                steps = _steps_of(opened, files, options, trusted)
                return replace(opened, skipped=tuple(skipped), open_steps=steps, batching=batching)
    if len(failures) == 1:
        raise failures[0]
    kind = DeviceError if any(isinstance(failure, DeviceError) for failure in failures) else EngineError
    raise kind(f"{path}: no engine here can run it: {'; '.join(map(str, failures))}")


@frozen_dataclass
class Candidate:
    """A model file that an engine could open."""

    spec: ModelSpec
    file: Path
    file_spec: FileSpec
    read: Callable[[], bytes]
    sha256: str = ""
    """Of what `read` gives, where it is known already."""


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
    """Open one model file on one engine; see `load`.

    Args:
        choice: The file.
        engine: The engine's name.
        device: See `load`.
        threads: See `load`.
        options: See `load`.
        trusted: See `load`.
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


def _time_limit(isolate: bool | float) -> float | None:
    if isolate is False:
        return None
    from runtime.isolation.engine import time_limit

    return time_limit(isolate)


def _check_batching(model: Model) -> None:
    if model.file_spec.batch is not None:
        raise OptionError(
            f"{model.file.name} runs batches of exactly {model.file_spec.batch}, so callers' inputs can't be merged: "
            "load it without batching, or a file of any batch (see zoo info)"
        )


def _runs(engine: str, choices: list[Candidate] | tuple[Candidate, ...]) -> list[Candidate]:
    return [choice for choice in choices if choice.file_spec.format == engine_module(engine).FORMAT]


def _steps_of(
    model: Model, files: tuple[Candidate, ...], options: Mapping[str, str] | None, trusted: bool
) -> Callable[[], Model] | None:
    """Return what opens the step graph of the same format and precision as an opened file, on the same engine."""
    kind = (model.file_spec.format, model.file_spec.precision)
    for choice in files:
        if choice.file_spec.state and (choice.file_spec.format, choice.file_spec.precision) == kind:
            kept = replace(choice, read=partial(bytes, choice.read()))  # the bundle may be gone by the first stream
            device, threads = model.engine.device, model.engine.threads
            return partial(
                open_candidate, kept, model.engine_name, device=device, threads=threads, options=options,
                trusted=trusted, keep=True, limit=model.opening.limit if model.opening else None,
            )  # fmt: skip
    return None
