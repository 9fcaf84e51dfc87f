"""A trained module and real samples -> a proven bundle."""

from __future__ import annotations

import copy
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from export.atomic import staged_folder
from export.card import model_card
from export.formats import format_module, format_names
from export.graphs import Steps, Whole, graphs
from export.parity import Progress, Reference, answers, reference, silent
from runtime.bundle import CARD, GOLDEN, MANIFEST, Bundle, Card, Manifest, ModelFile, Parity, identify, write_manifest
from runtime.compare import FP32_TOLERANCE, difference, input_tolerance
from runtime.engines import engine_module, engine_names
from runtime.errors import (
    BundleError,
    EngineError,
    ExportError,
    ManifestError,
    MissingExtraError,
    OptionError,
    OutputError,
    ParityError,
)  # fmt: skip
from runtime.golden import Golden
from runtime.loading import Candidate, load, open_candidate
from runtime.quiet import quiet
from runtime.spec import FORMAT_VERSION, METADATA_KEY, FileSpec, ModelSpec, encode_metadata

if TYPE_CHECKING:
    from numpy.typing import NDArray

GOLDEN_SAMPLES = 8


def export(
    module: torch.nn.Module,
    spec: ModelSpec,
    samples: Sequence[Any],
    formats: Sequence[str] = ("onnx", "tflite"),
    *,
    out: str | os.PathLike[str],
    targets: Sequence[Any] | NDArray[Any] | None = None,
    card: Card | None = None,
    pictures: Mapping[str, bytes] | None = None,
    on_progress: Progress = silent,
) -> Bundle:
    """Export a module, prove every file against it, and write a bundle.

    Every file is run in its real engine on all `samples` and on hard inputs, sequences at other lengths too. A causal
    network becomes one file more in each format, which takes step by step. One that differs from PyTorch is not in the
    bundle. If any file fails, the others are still written where `out` is free, but never take the
    place of a bundle that is there.

    Args:
        module: Takes ``[batch, *spec.input.shape]``, raw, and gives ``float32 [batch, *spec.output.shape]``; wrap
            networks that want scaled inputs in `FromPixels` or `FromFeatures`, and those that give scaled values in
            `ToValues`. It may be a `Streamable`. It is copied, not changed.
        spec: What the model takes and gives.
        samples: Real inputs that it was not trained on, as ``spec.input.read`` takes them: paths, encoded bytes,
            Pillow images or uint8 arrays; rows of a table; sequences, of the input's length.
        formats: Names of `export.formats`.
        out: The bundle's folder. An earlier bundle there is replaced in one step, once all is proved.
        targets: The right answer to each sample, as ``spec.output.measure`` takes it, to compare the metric too.
        card: What a person needs to trust the model.
        pictures: PNG files for the model card, by file name.
        on_progress: Called with what is being done, how much is done, and how much there is.

    Raises:
        ParityError: If a file differs from PyTorch.
        ExportError: If a format can't be written.
        OptionError: If a format's name is unknown or none is given.
        OutputError: If `out` holds something that is no bundle, or can't be written.
        InputError: If a sample can't be read.
    """
    path = Path(out) if Path(out).is_symlink() and not Path(out).exists() else Path(out).resolve()
    writers = {name: format_module(name) for name in dict.fromkeys(formats)}
    if not writers:
        raise OptionError(f"name at least one format: {', '.join(format_names())}")
    engines = {name: _engine(name) for name in writers}
    _check_place(path)
    if not len(samples):
        raise ExportError("no samples to prove the files with: give real inputs that the model was not trained on")
    if targets is not None and len(targets) != len(samples):
        raise ExportError(f"{len(samples)} samples have {len(targets)} targets")
    original = copy.deepcopy(module).cpu().float().eval()
    wanted = None if targets is None else np.asarray(targets)
    real = reference(original, spec, samples, wanted, on_progress)
    golden = _golden(original, spec, samples)
    hard = Reference(golden.inputs[golden.real :], golden.outputs[golden.real :])
    plan = graphs(original, spec, real, hard, on_progress)

    files: dict[str, bytes] = {}
    models: dict[str, ModelFile] = {}
    failures: dict[str, ExportError] = {}
    with staged_folder(path) as stage:
        for name, writer in writers.items():
            for part in plan:
                file = stage / f"model{part.suffix}.{name}"
                try:
                    on_progress(f"convert to {file.name.partition('.')[2]}", 0, 1)
                    data = writer.convert(part.graph)
                    file_spec = part.file_spec(name, writer.DYNAMIC)
                    file_spec = replace(file_spec, batch=_batch(file_spec, engines[name], data, part, writer.DYNAMIC))
                    files[file.name] = writer.embed(data, METADATA_KEY, encode_metadata(spec, file_spec))
                    file.write_bytes(files[file.name])
                    models[file.name] = ModelFile(file_spec, _prove(file, engines[name], part, on_progress))
                except ExportError as problem:
                    failures[file.name] = problem
                    files.pop(file.name, None)
                    file.unlink(missing_ok=True)
                    break  # no steps without the whole
        if failures and (not models or (path / MANIFEST).exists()):
            _raise(
                failures, "nothing was written" + (f"; {path} stays as it was" if (path / MANIFEST).exists() else "")
            )
        files |= {GOLDEN: golden.encode(), **(pictures or {})}
        files[CARD] = model_card(spec, models, files, card or Card(), list(pictures or {})).encode()
        for file_name, content in files.items():
            (stage / file_name).write_bytes(content)
        entries = {file_name: identify(content) for file_name, content in files.items()}
        manifest = Manifest(
            FORMAT_VERSION, f"edgezoo {version('edgezoo')}", _now(), spec, models, entries, card or Card()
        )
        (stage / MANIFEST).write_bytes(write_manifest(manifest))
        Bundle.read(stage).check()
    if failures:
        _raise(failures, f"{path} holds {', '.join(models)} only")
    return Bundle.read(path)


def _check_place(path: Path) -> None:
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


def _engine(format_name: str) -> str:
    """Return the installed engine that proves a format."""
    runs = [name for name in engine_names() if format_name == engine_module(name).FORMAT]
    for name in runs:
        if not engine_module(name).missing():
            return name
    raise MissingExtraError(f"an engine for format {format_name!r}", engine_module(runs[0]).EXTRA)


def _batch(file_spec: FileSpec, engine: str, data: bytes, part: Whole | Steps, dynamic: bool) -> int | None:
    """Return None if the graph answers three samples at once as it does one by one, else 1.

    Raises:
        ExportError: If it doesn't although its format promises a dynamic batch.
    """
    inputs, name = part.probe, file_spec.format
    choice = Candidate(part.spec, Path(f"model.{name}"), file_spec, lambda: data)
    with quiet():
        try:
            model = open_candidate(choice, engine, device="cpu")
        except EngineError as problem:
            raise ExportError(f"format {name!r}: {problem}") from None
    try:
        with quiet():
            singles = np.concatenate([model.forward(inputs[i : i + 1]) for i in range(len(inputs))])
            together = model.forward(inputs)
            same = difference(singles, together, part.spec.output).maximum <= FP32_TOLERANCE
            if not np.isfinite(singles).all() or same:
                return None
        reason = "answers change with the batch size"
    except (EngineError, ValueError) as problem:
        reason = str(problem)
    if dynamic:
        raise ExportError(f"format {name!r}: the batch axis is frozen: two samples at once fail ({reason})")
    return 1


def _prove(file: Path, engine: str, part: Whole | Steps, on_progress: Progress) -> Parity:
    try:
        with quiet():
            model = load(file, engine=engine, device="cpu")
        return part.check(model, on_progress)
    except EngineError as problem:
        raise ExportError(f"{file.name}: {problem}") from None


def _golden(module: torch.nn.Module, spec: ModelSpec, samples: Sequence[Any]) -> Golden:
    chosen = sorted({round(i) for i in np.linspace(0, len(samples) - 1, GOLDEN_SAMPLES)})
    raw = tuple(spec.input.encode(samples[i]) for i in chosen)
    inputs = np.concatenate([np.stack([spec.input.read(data) for data in raw]), spec.input.hard()])
    outputs = answers(module, spec, inputs)
    return Golden(raw, inputs, outputs, len(chosen), FP32_TOLERANCE, input_tolerance(spec.input))


def _raise(failures: Mapping[str, ExportError], outcome: str) -> None:
    kind = ParityError if any(isinstance(problem, ParityError) for problem in failures.values()) else ExportError
    raise kind(f"{'; '.join(map(str, failures.values()))}; {outcome}")


def _now() -> str:
    """Return the time in UTC; SOURCE_DATE_EPOCH (reproducible-builds.org) sets it."""
    seconds = int(os.environ.get("SOURCE_DATE_EPOCH") or time.time())
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
