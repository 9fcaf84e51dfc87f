"""A trained module and real samples -> a proven bundle."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch

from export.activation import with_activation
from export.arguments import check_kinds, checked, listed, names
from export.dispatched import last_operator
from export.files import Proof, Source, Variant, make
from export.folder import check_place, write
from export.formats import check_precisions, format_module, format_names
from export.golden import MADE_UP, NONE, Pack, Wanted, choose, inputs_of
from export.graphs import Steps, graphs
from export.parity import Reference, answers, check_calls, hard_inputs, reference, steady_answer
from export.plain import plain
from export.precision import CALIBRATED
from export.precision.calibration import Calibration
from export.precision.calibration import choose as calibrate
from export.published import SHOWS_SAMPLES
from runtime.atomic import staged_folder
from runtime.bundle import MANIFEST, Bundle, Card, GoldenSource, check_pictures
from runtime.bundle.golden import Golden
from runtime.compare import FP32_TOLERANCE, input_tolerance
from runtime.data_frames import each_row
from runtime.engines import engine_for
from runtime.errors import ExportError, OptionError, ParityError
from runtime.progress import Progress, silent
from runtime.spec import ModelSpec, Precision

if TYPE_CHECKING:
    from numpy.typing import NDArray


def export(
    module: torch.nn.Module,
    spec: ModelSpec,
    samples: Sequence[Any],
    formats: Sequence[str] = ("onnx", "tflite"),
    *,
    out: str | os.PathLike[str],
    precisions: Sequence[str] = (),
    targets: Sequence[Any] | NDArray[Any] | None = None,
    calibration: Calibration | None = None,
    golden: Wanted = None,
    allow_drift: bool = False,
    card: Card | None = None,
    pictures: Mapping[str, bytes] | None = None,
    overwrite: bool = False,
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
        spec: What the model takes and gives. Where the module contains a softmax or sigmoid for its output, the
            bundle's says so in the output's `activation`, and nobody applies it again.
        samples: Real inputs that it was not trained on, as ``spec.input.read`` takes them: paths, encoded bytes,
            Pillow images or uint8 arrays; rows of a table, as a data frame too; sequences, of the input's length.
        formats: Names of `export.formats`.
        out: The bundle's folder.
        precisions: Names of `runtime.spec.Precision`; by default each format's first, fp32. Where a smaller one loses
            the answer, the layers that lose most stay in fp32. Step graphs are not written in those that need
            calibration.
        targets: The right answer to each sample, as ``spec.output.measure`` takes it, to compare the metric too.
        calibration: Real training inputs, for precisions that need them.
        golden: What whoever gets the bundle can replay, and see: samples, or a folder of them; ``made-up`` inputs, or
            ``none``. By default some of `samples`; metadata of pictures is left out.
        allow_drift: Write files of smaller precisions that lose the answer all the same, if it is finite: their
            metadata, the manifest and the card say so.
        card: What a person needs to trust the model.
        pictures: PNG files for the model card, by file name; of `export.published.SHOWS_SAMPLES` none where `golden`
            is given.
        overwrite: Replace an earlier bundle in `out`, in one step, once all is proved.
        on_progress: Called with what is being done, how much is done, and how much there is.

    Raises:
        ParityError: If a file differs from PyTorch.
        ExportError: If a format can't be written, or the module ends in another activation than `spec` says, or in
            the logarithm of a probability.
        OptionError: If a format's name is unknown or none is given, or a picture's name can't be a file of a bundle.
        OutputError: If `out` holds a bundle already, or something else, or can't be written.
        InputError: If a sample can't be read.
    """
    check_kinds(spec=(spec, ModelSpec), calibration=(calibration, Calibration), card=(card, Card))
    formats, precisions = names(formats), names(precisions)
    path = Path(out) if Path(out).is_symlink() and not Path(out).exists() else Path(out).resolve()
    check_place(path, overwrite)
    try:
        check_pictures(pictures or {})
    except ValueError as problem:
        raise OptionError(str(problem)) from None
    method = calibration.method if calibration else "min-max"
    plan = {name: _precisions(name, precisions) for name in formats}
    sources, pack = prepare(
        module, spec, samples, formats, targets=targets, calibration=calibration, golden=golden, on_progress=on_progress
    )
    proofs: list[Proof] = []
    failures: dict[str, ExportError] = {}
    with staged_folder(path) as stage:
        for source in sources:
            if source.format in failures:
                continue  # no steps without the whole
            for precision in plan[source.format]:
                if isinstance(source.part, Steps) and precision in CALIBRATED:
                    continue  # there are no calibration inputs for its states
                try:
                    proof = make(source, Variant(precision, method), stage)
                    if proof.problems and not (allow_drift and proof.may_drift):
                        raise ParityError("; ".join(proof.problems))
                except ExportError as problem:
                    failures[f"{source.format} {precision}"] = problem
                    if precision == "fp32":
                        failures[source.format] = failures.pop(f"{source.format} {precision}")
                        break
                else:
                    proofs.append(proof)
        if failures and (not proofs or (path / MANIFEST).exists()):
            _raise(
                failures, "nothing was written" + (f"; {path} stays as it was" if (path / MANIFEST).exists() else "")
            )
        fill(stage, sources[0].part.spec, proofs, pack, card or Card(), pictures or {})
    if failures:
        _raise(failures, f"{path} holds {', '.join(proof.name for proof in proofs)} only")
    return Bundle.read(path)


def prepare(
    module: torch.nn.Module,
    spec: ModelSpec,
    samples: Sequence[Any],
    formats: Sequence[str],
    *,
    targets: Sequence[Any] | NDArray[Any] | None = None,
    calibration: Calibration | None = None,
    golden: Wanted = None,
    on_progress: Progress = silent,
) -> tuple[tuple[Source, ...], Pack]:
    """Run PyTorch on all samples, and return what files can be made from, and the golden pack; see `export`."""
    writers = {name: format_module(name) for name in dict.fromkeys(formats)}
    samples = listed(each_row(samples))
    if not writers:
        raise OptionError(f"name at least one format: {', '.join(format_names())}")
    engines = {name: engine_for(name) for name in writers}
    if not len(samples):
        raise ExportError("no samples to prove the files with: give real inputs that the model was not trained on")
    original = plain(module)
    chosen = None if golden is None else choose(spec.input, samples, golden)
    real = reference(original, spec, samples, checked(targets, spec.output, len(samples)), on_progress)
    check_calls(original, spec, real)
    spec = _told(original, spec, real)
    raw, source = chosen or choose(spec.input, samples)
    if source.kind == MADE_UP:
        raw = tuple(
            data for data in raw if steady_answer(original, None, spec, spec.input.read(data)[None]) is not None
        )
        source = GoldenSource(MADE_UP, len(raw)) if raw else GoldenSource(NONE)
    hard = hard_inputs(original, spec, real)
    inputs = inputs_of(spec.input, raw, hard.inputs)
    shown = [answers(original, spec, inputs[: len(raw)])] if raw else []
    outputs = np.concatenate([*shown, hard.outputs])
    pack = Pack(Golden(raw, inputs, outputs, len(raw), FP32_TOLERANCE, input_tolerance(spec.input)), source)
    calibrated = None if calibration is None else cache(lambda: calibrate(calibration, spec))
    parts = graphs(original, spec, real, hard, on_progress)
    sources = tuple(
        Source(name, writer, engines[name], part, inputs, calibrated, on_progress)
        for name, writer in writers.items()
        for part in parts
    )
    return sources, pack


def fill(
    stage: Path,
    spec: ModelSpec,
    proofs: Sequence[Proof],
    pack: Pack,
    card: Card,
    pictures: Mapping[str, bytes],
) -> None:
    """Write a whole bundle into a folder: proved files, golden pack, model card, pictures and manifest."""
    if pack.source.kind != "data":
        pictures = {name: content for name, content in pictures.items() if name not in SHOWS_SAMPLES}
    answers = {proof.name: proof.answers for proof in proofs if proof.model.spec.precision != "fp32"}
    pack = replace(pack, golden=replace(pack.golden, answers=answers))
    models = {proof.name: proof.model for proof in proofs}
    files = {proof.name: proof.data for proof in proofs}
    for proof in proofs:
        files |= proof.companions
    write(stage, spec, models, files, pack, card, pictures)


def _precisions(format_name: str, precisions: Sequence[str]) -> list[Precision]:
    """Return the precisions that a format is written in.

    Raises:
        OptionError: If it has no such precision.
    """
    check_precisions(format_name, precisions)
    known = format_module(format_name).precision.QUANTISERS
    return [cast(Precision, name) for name in dict.fromkeys(precisions)] or [next(iter(known))]


def _told(module: torch.nn.Module, spec: ModelSpec, real: Reference) -> ModelSpec:
    """Return the specification with what the module's output ends in.

    Raises:
        ExportError: See `export.activation.with_activation`.
    """
    try:
        return replace(spec, output=with_activation(spec.output, last_operator(module, real.inputs[:2]), real.outputs))
    except ValueError as problem:
        raise ExportError(f"output {spec.output.name!r}: {problem}") from None


def _raise(failures: Mapping[str, ExportError], outcome: str) -> None:
    kinds = {type(problem) for problem in failures.values()}
    kind = ParityError if ParityError in kinds else kinds.pop() if len(kinds) == 1 else ExportError
    raise kind(f"{'; '.join(map(str, failures.values()))}; {outcome}")
