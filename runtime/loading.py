"""From a path to an opened model: which of its files runs on which engine."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Literal

from runtime.candidates import Candidate, OpenSettings, candidates, open_candidate
from runtime.concurrency.threads import check_threads, usable_cpus
from runtime.engines import engine_module, engine_names
from runtime.errors import DeviceError, EngineError, MissingExtraError, OptionError
from runtime.model import Model


def load(
    path: str | os.PathLike[str],
    *,
    engine: str = "auto",
    device: str = "auto",
    threads: int | None = None,
    options: Mapping[str, str] | None = None,
    batching: bool | Literal["auto"] = False,
    trusted: bool = False,
    isolate: bool | float = False,
) -> Model:
    """Open a bundle, or one model file that edgezoo exported, ready to predict.

    Args:
        path: A bundle's folder, or a ``.onnx``, ``.tflite`` or ``.tflm`` file that carries its own metadata.
        engine: An engine's name, ``auto`` for the best that is installed, or ``fastest`` for the file and engine that
            answer fastest here and pass the golden pack, which is measured once; see `runtime.fastest`.
        device: ``auto``, or strictly ``cpu``, ``cuda`` and so on (`zoo doctor` lists them), or on LiteRT any external
            delegate as ``delegate:`` and its library's path: there is no silent fall back.
        threads: CPU threads for the engine; by default one for a small model, unless its inputs come in batches of
            several callers, else as many as the process may use.
            `Model.stream` has so many workers, by default one for each CPU.
        options: For the device's execution provider, plugin or delegate, in that library's own words.
        batching: Run the inputs of callers that wait at the same time together, as one batch; ``auto`` does where that
            answers more of them here, which is measured once (`runtime.batching`).
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
    settings: OpenSettings = {
        "device": device,
        "threads": threads or (usable_cpus() if batching is True else None),
        "options": options,
        "trusted": trusted,
        "keep": True,
        "limit": _time_limit(isolate),
    }
    files = candidates(path)
    choices = [choice for choice in files if not choice.file_spec.state] or list(files)
    skipped: list[str] = []
    if engine == "fastest":
        choices, engine, skipped = _fastest(path, choices, settings)
    names = engine_names() if engine == "auto" else (engine,)
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
                opened = open_candidate(runs[0], name, **settings)
            except EngineError as problem:
                failures.append(problem)
            else:
                skipped += [str(failure) for failure in failures] + list(opened.skipped)
                others = [other for other in names[index + 1 :] if _runs(other, choices)]
                others = [other for other in others if not engine_module(other).missing()]
                skipped += [f"engine {other!r} was not needed: {name!r} comes first" for other in others]
                opened = _with_batching(opened, batching, runs[0], settings)
                steps = _steps_of(opened, files, options, trusted)
                return replace(opened, skipped=tuple(skipped), open_steps=steps)
    if len(failures) == 1:
        raise failures[0]
    kind = DeviceError if any(isinstance(failure, DeviceError) for failure in failures) else EngineError
    raise kind(f"{path}: no engine here can run it: {'; '.join(map(str, failures))}")


def _time_limit(isolate: bool | float) -> float | None:
    if isolate is False:
        return None
    from runtime.isolation.engine import time_limit

    return time_limit(isolate)


def _fastest(
    path: str | os.PathLike[str], choices: list[Candidate], settings: OpenSettings
) -> tuple[list[Candidate], str, list[str]]:
    """Return the file that answers fastest here, its engine, and why each other file and engine is not the one.

    Raises:
        EngineError: If no engine runs a file and passes the golden pack; says why for each.
    """
    from runtime.fastest import fastest_of

    table = fastest_of(choices, path, **settings)
    chosen = table.chosen
    if chosen is None:
        raise EngineError(f"{path}: no engine here runs it and gives its answers: {'; '.join(table.reasons)}")
    return [choice for choice in choices if choice.file.name == chosen.file], chosen.engine, list(table.reasons)


def _with_batching(model: Model, batching: bool | Literal["auto"], choice: Candidate, settings: OpenSettings) -> Model:
    """Return a model that merges the inputs of several callers, if that is asked for.

    Raises:
        OptionError: If the file runs batches of one size only, or `batching` is another word than ``auto``.
    """
    if batching == "auto":
        from runtime.batching import with_batching_if_faster

        return with_batching_if_faster(model, choice, settings)
    if not isinstance(batching, bool):
        raise OptionError(f"batching must be True, False or 'auto', got {batching!r}")
    if batching and model.file_spec.batch is not None:
        raise OptionError(
            f"{model.file.name} runs batches of exactly {model.file_spec.batch}, so callers' inputs can't be merged: "
            "load it without batching, or a file of any batch (see zoo info)"
        )
    return replace(model, batching=batching)


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
