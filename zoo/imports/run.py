"""`zoo import`: a bundle of a file that another project made.

The file stays as it is, byte for byte, but where inputs become constants, or audio with a state becomes two graphs.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from export.folder import check_place, write
from export.golden import MADE_UP, NONE, Pack, encode, inputs_of, made_up
from runtime.atomic import staged_folder
from runtime.bundle import Bundle, Card, GoldenSource, ModelFile, Origin, read_model_file
from runtime.bundle.golden import Golden
from runtime.candidates import Candidate, open_candidate
from runtime.compare import FP32_TOLERANCE, REPLAY, difference, input_tolerance
from runtime.engines import engine_for
from runtime.errors import BundleError, EngineError, InputError, MissingExtraError, OptionError, one_line, unknown
from runtime.inputs import ImageInput, Input
from runtime.native_output import suppress_output
from runtime.progress import Progress, silent
from runtime.spec import FileSpec, ModelSpec, State
from runtime.tensors import by_name, select, single, size, stack
from zoo.exporting.golden import folder_samples
from zoo.imports.draft import Start
from zoo.imports.facts import MergedFacts, ModelFacts
from zoo.imports.kinds import draft
from zoo.imports.raw import check_lengths
from zoo.imports.rewriting import rewrite
from zoo.registry import descriptions, load_module

if TYPE_CHECKING:
    from runtime.model import Model
    from runtime.tensors import Tensors


@dataclass(frozen=True)
class Imported:
    """A bundle that was made, what was known of the file, and what the golden pack's samples are."""

    bundle: Bundle
    known: MergedFacts
    samples: str


def import_file(
    path: str | os.PathLike[str],
    reported: ModelFacts | None = None,
    *,
    samples: str | os.PathLike[str] | None = None,
    out: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
    trusted: bool = False,
    on_progress: Progress = silent,
) -> Imported:
    """Make a bundle of a third-party ``.onnx`` or ``.tflite`` file; ``.tflm`` is a ``.tflite`` file for TFLM.

    A file that takes one image and gives one list of values becomes a classifier or a regression; other files keep
    their tensors as they are.

    Args:
        path: The file.
        reported: The facts that the caller knows, which override those of other sources.
        samples: What the golden pack holds: a folder of images or ``.npz`` files, or ``made-up`` ones (by default), or
            ``none``.
        out: The bundle's folder; ``bundles/`` and the file's name by default.
        overwrite: Replace a bundle that is there.
        trusted: See `runtime.load`.
        on_progress: Called with what is being done, how much is done, and how much there is.

    Raises:
        BundleError: If the file can't be read.
        OptionError: If it is of a kind that can't be imported, or facts are missing or don't fit it.
        EngineError: If no engine here runs it.
        InputError: If a sample can't be read.
        OutputError: If `out` holds a bundle already, or something else, or can't be written.
    """
    path = Path(path)
    folder = (Path(out) if out else Path("bundles") / path.stem).resolve()
    check_place(folder, overwrite)
    suffix, formats = path.suffix[1:], descriptions("zoo.imports.graphs")
    if suffix not in formats:
        raise OptionError(f"{path}: {unknown('format', suffix, formats)}")
    data = read_model_file(path.resolve())  # model hubs keep files behind links
    try:
        module = load_module("zoo.imports.graphs", suffix)
        content = rewrite(data, suffix, module.read, reported or ModelFacts())
        graph = content.graph
        described = draft(path, content.data, graph, content.reported)
        encoded, source, words = _samples(samples, described.input)
        seen = _seen(described.input, encoded)
        on_progress(f"run {path.name} on the samples", 0, 1)
        opened = partial(_start, engine_for(suffix), trusted, getattr(module, "as_run", lambda file: file))
        start = partial(opened, content.data)
        spec, file, known = described.finish(start, seen)
        if file.batch is None:
            file = replace(file, batch=_batch(partial(start, spec), file, seen))
        model = start(spec, file)
        step = content.step and _step(partial(opened, content.step.data), model, content.step.state, seen)
    except BundleError as problem:
        raise BundleError(f"{path}: {problem}") from None
    except ValueError as problem:
        raise OptionError(f"{path}: {problem}") from None
    except MissingExtraError:
        raise
    except EngineError as problem:
        raise EngineError(f"{path} ({graph.version}): {problem}") from None
    end = f"{'' if graph.precision == 'fp32' else f'.{graph.precision}'}.{suffix}"
    entries, files = {f"model{end}": ModelFile(model.file_spec, None)}, {f"model{end}": content.data}
    if content.step and step:
        entries[f"model.step{end}"], files[f"model.step{end}"] = ModelFile(step, None), content.step.data
    with staged_folder(folder) as stage:
        pack = _pack(model, list(encoded.values()), source)
        write(stage, model.spec, entries, files, pack, _card(path, data, known, words, data is content.data), {})
    return Imported(Bundle.read(folder), known, words)


def _samples(wanted: str | os.PathLike[str] | None, read: Input) -> tuple[dict[str, bytes], GoldenSource, str]:
    """Return encoded samples by their names, whose they are in the golden pack, and what they are in words."""
    what = "images" if isinstance(read, ImageInput) else "samples"
    if wanted is None or wanted in (MADE_UP, NONE):
        check_lengths(read)
        made = {f"made-up sample {seed}": sample for seed, sample in enumerate(made_up(read))}
        if wanted == NONE:
            return made, GoldenSource(NONE), NONE
        return made, GoldenSource(MADE_UP, len(made)), f"{len(made)} made-up {what}"
    samples = {os.fspath(name): read.encode(name) for name in folder_samples(wanted, read)}
    return samples, GoldenSource("chosen", len(samples)), f"{len(samples)} {what} of {Path(wanted).name}"


def _seen(read: Input, samples: dict[str, bytes]) -> Tensors:
    """Return the batch of what is read of samples."""
    arrays = []
    for name, sample in samples.items():
        try:
            arrays.append(read.read(sample))
        except InputError as problem:
            raise InputError(f"{name}: {problem}") from None
    try:
        return stack(arrays)
    except ValueError as problem:
        raise OptionError(f"golden: the samples have different shapes ({one_line(problem)})") from None


def _start(
    engine: str,
    trusted: bool,
    as_run: Callable[[FileSpec], FileSpec],
    data: bytes,
    spec: ModelSpec,
    file: FileSpec,
) -> Model:
    choice = Candidate(spec, Path(f"model.{file.format}"), as_run(file), lambda: data)
    with suppress_output():
        return open_candidate(choice, engine, device="cpu", trusted=trusted)


def _batch(start: Callable[[FileSpec], Model], file: FileSpec, seen: Tensors) -> int | None:
    """Return None if the graph answers three samples at once as it does one by one, else 1."""
    inputs = select(seen, np.arange(3) % size(seen))
    one_by_one = start(replace(file, batch=1))
    singles = one_by_one.forward(inputs)
    try:
        with suppress_output():
            together = start(replace(file, batch=None)).forward(inputs)
    except EngineError:
        return 1
    gap = difference(singles, together, one_by_one.spec.output).maximum
    return None if gap <= FP32_TOLERANCE else 1


def _step(start: Start, whole: Model, state: tuple[State, ...], seen: Tensors) -> FileSpec:
    """Describe the step graph.

    Raises:
        EngineError: If it can't be run, or its last answer to a sample is not that of the whole graph.
    """
    file = replace(whole.file_spec, state=state)
    *_, last = start(whole.spec, file).rollout(single(seen))
    gap = difference(whole.forward(seen), last, whole.spec.output).maximum
    if not gap <= FP32_TOLERANCE:
        raise EngineError(f"step by step it gives other answers than for whole clips: by {gap:.3g} of their scale")
    return file


def _pack(model: Model, samples: list[bytes], source: GoldenSource) -> Pack:
    read = model.spec.input
    raw = tuple(encode(read, sample) for sample in samples) if source.samples else ()
    inputs = inputs_of(read, raw)
    outputs = model.forward(inputs)
    # the samples' answers are finite, but a network may divide by an image's deviation
    arrays = by_name(outputs, [tensor.name for tensor in model.spec.output.tensors]).values()
    finite = np.all([np.isfinite(array).reshape(len(array), -1).all(axis=1) for array in arrays], axis=0)
    tolerance = REPLAY[model.file_spec.precision]
    golden = Golden(raw, select(inputs, finite), select(outputs, finite), len(raw), tolerance, input_tolerance(read))
    return Pack(golden, source)


def _card(path: Path, data: bytes, known: MergedFacts, samples: str, unchanged: bool) -> Card:
    facts = {name: value for name, value in asdict(known.facts).items() if value is not None and name != "labels"}
    record = {
        "file": path.name,
        "sha256": hashlib.sha256(data).hexdigest(),
        "facts": facts,
        "told by": known.origins,
        "notes": list(known.notes),
        "golden pack": samples,
    }
    how = "imported as it is" if unchanged else "its constants and state rewritten"
    origin = Origin(path.name, f"a file of another project, {how}", known.facts.licence or "not known")
    return Card(known.facts.summary or "", weights=origin, training={"imported": record})
