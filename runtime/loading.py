"""From a path to an opened model: which model files there are, and which engine runs one of them."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from runtime.bundle import MANIFEST, Bundle, read_model_file
from runtime.engines import default_threads, engine_module, engine_names
from runtime.errors import BundleError, DeviceError, EngineError, MissingExtraError, OptionError
from runtime.model import Model
from runtime.spec import FileSpec, ModelSpec, decode_metadata

MAX_THREADS = 1024


def load(
    path: str | os.PathLike[str],
    *,
    engine: str = "auto",
    device: str = "auto",
    threads: int | None = None,
) -> Model:
    """Open a bundle, or one model file that edgezoo exported, ready to predict.

    Args:
        path: A bundle's folder, or a ``.onnx``, ``.tflite`` or ``.tflm`` file that carries its own metadata.
        engine: An engine's name, or ``auto`` for the best that is installed.
        device: ``auto``, or strictly ``cpu``, ``cuda`` and so on: there is no silent fall back.
        threads: CPU threads for the engine; by default one for a small model, else as many as the process may use.

    Raises:
        BundleError: If the bundle or file can't be trusted or read.
        EngineError: If no engine can run it; says why for each.
        DeviceError: If the engine can't give the device.
        OptionError: If the engine's name is unknown or `threads` is out of range.
    """
    check_threads(threads)
    names = engine_names() if engine == "auto" else (engine,)
    found = candidates(path)
    choices = [choice for choice in found if not choice.file_spec.state] or found
    skipped: list[str] = []
    failures: list[EngineError] = []
    for place, name in enumerate(names):
        module = engine_module(name)
        runs = _runs(name, choices)
        if not runs:
            present = ", ".join(choice.file.name for choice in choices)
            failures.append(EngineError(f"engine {name!r} runs .{module.FORMAT} files; {path} has only {present}"))
        elif engine == "auto" and module.missing():
            failures.append(MissingExtraError(f"engine {name!r}", module.EXTRA))
        else:
            try:
                opened = open_candidate(runs[0], name, device=device, threads=threads)
            except EngineError as problem:
                failures.append(problem)
            else:
                skipped += [str(failure) for failure in failures] + list(opened.engine.skipped)
                others = [other for other in names[place + 1 :] if _runs(other, choices)]
                skipped += [f"engine {other!r} was not needed: {name!r} comes first" for other in others]
                return replace(opened, skipped=tuple(skipped), open_steps=_steps_of(opened, found))
    if len(failures) == 1:
        raise failures[0]
    kind = DeviceError if any(isinstance(failure, DeviceError) for failure in failures) else EngineError
    raise kind(f"{path}: no engine here can run it: {'; '.join(map(str, failures))}")


def check_threads(threads: int | None) -> None:
    """Check a number of threads; None is each file's default.

    Raises:
        OptionError: If it is out of range.
    """
    if threads is not None and not (isinstance(threads, int) and 1 <= threads <= MAX_THREADS):
        raise OptionError(f"threads must be 1 to {MAX_THREADS}, got {threads!r}")


@dataclass(frozen=True)
class Candidate:
    """A model file that an engine could open."""

    spec: ModelSpec
    file: Path
    file_spec: FileSpec
    read: Callable[[], bytes]


def candidates(path: str | os.PathLike[str]) -> tuple[Candidate, ...]:
    """Return the model files of a bundle, step graphs too, or the one file that `path` names.

    Raises:
        BundleError: If the bundle or file can't be trusted or read.
    """
    place = Path(path)
    formats = {engine_module(name).FORMAT: engine_module(name) for name in engine_names()}
    if place.suffix[1:] not in formats or place.is_dir():
        if place.is_file():
            raise BundleError(f"{place}: not a bundle's folder, nor a file that ends in .{' or .'.join(formats)}")
        return _listed(Bundle.read(place))
    data = read_model_file(place)
    try:
        text = formats[place.suffix[1:]].metadata(data)
    except BundleError as problem:
        raise BundleError(f"{place}: {problem}") from None
    if not text:
        beside = _listed(Bundle.read(place.parent)) if (place.parent / MANIFEST).exists() else ()
        if chosen := tuple(choice for choice in beside if choice.file.name == place.name):
            return chosen
        raise BundleError(
            f"{place}: the file carries no edgezoo metadata, so its labels and preprocessing are unknown: "
            "make a bundle of it with zoo import"
        )
    found = decode_metadata(text, f"{place}'s metadata")
    return (Candidate(found.model, place, found.file, lambda: data),)


def _listed(bundle: Bundle) -> tuple[Candidate, ...]:
    return tuple(
        Candidate(bundle.manifest.model, bundle.path / name, model.spec, partial(bundle.bytes, name))
        for name, model in bundle.manifest.models.items()
    )


def open_candidate(choice: Candidate, engine: str, *, device: str = "auto", threads: int | None = None) -> Model:
    """Open one model file on one engine.

    Raises:
        BundleError: If the file differs from its manifest.
        EngineError: If the engine is not installed or refuses the file.
    """
    data, state, feed = choice.read(), choice.file_spec.state, choice.file_spec.feed
    module = engine_module(engine)
    if reason := module.refuses(choice.file_spec.precision):
        raise EngineError(f"{choice.file.name}: {reason}")
    taken, given = (feed.input, feed.output) if feed else (choice.spec.input.name, choice.spec.output.name)
    opened = module.open(
        data,
        inputs=(taken, *(part.name for part in state)),
        outputs=(given, *(part.following for part in state)),
        device=device,
        threads=threads or default_threads(len(data)),
    )
    return Model(choice.spec, choice.file, choice.file_spec, engine, opened, opened.skipped)


def _runs(engine: str, choices: list[Candidate] | tuple[Candidate, ...]) -> list[Candidate]:
    return [choice for choice in choices if choice.file_spec.format == engine_module(engine).FORMAT]


def _steps_of(model: Model, found: tuple[Candidate, ...]) -> Callable[[], Model] | None:
    """Return what opens the step graph of the same format and precision as an opened file, on the same engine."""
    kind = (model.file_spec.format, model.file_spec.precision)
    for choice in found:
        if choice.file_spec.state and (choice.file_spec.format, choice.file_spec.precision) == kind:
            device, threads = model.engine.device, model.engine.threads
            return partial(open_candidate, choice, model.engine_name, device=device, threads=threads)
    return None
