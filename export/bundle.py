"""A trained module and real samples -> a bundle of verified files."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

import torch

from export.activation import with_activation
from export.adapter import adapted
from export.disclosure import SHOWS_SAMPLES
from export.dispatch import last_operator
from export.files import ConvertedGraph, Variant, VerifiedFile, build
from export.folder import check_place, write
from export.formats import choose_precisions, format_module, format_names
from export.golden import MADE_UP, NONE, Pack, Wanted, choose, inputs_of
from export.graphs import Steps, graphs
from export.inference_copy import inference_copy
from export.platforms import ANY, Platform, find_platform
from export.precision import CALIBRATED
from export.precision.calibration import Calibration
from export.precision.calibration import choose as calibrate
from export.reference import Reference, answers, check_calls, described, hard_inputs, reference, steady_answer
from export.validation import as_names, as_sequence, as_targets, check_keywords, check_types
from runtime.atomic import staged_folder
from runtime.bundle import MANIFEST, Bundle, Card, GoldenSource, check_pictures
from runtime.bundle.golden import Golden
from runtime.compare import FP32_TOLERANCE, input_tolerance
from runtime.data_frames import each_row
from runtime.engines import engine_for
from runtime.errors import ExportError, OptionError, ParityError
from runtime.progress import Progress, silent
from runtime.spec import ModelSpec
from runtime.tasks import Detection, Raw
from runtime.tensors import concatenate, select, single

if TYPE_CHECKING:
    from numpy.typing import NDArray


class _Destination(TypedDict):
    out: str | os.PathLike[str]


class ExportOptions(_Destination, total=False):
    """The keywords of `export`, of which `out` alone is required."""

    precisions: Sequence[str]
    targets: Sequence[Any] | NDArray[Any] | None
    calibration: Calibration | None
    golden: Wanted
    allow_drift: bool
    platform: str | None
    card: Card | None
    pictures: Mapping[str, bytes] | None
    overwrite: bool
    on_progress: Progress


def export(
    module: torch.nn.Module,
    spec: ModelSpec,
    samples: Sequence[Any],
    formats: Sequence[str] = ("onnx", "tflite"),
    **options: Unpack[ExportOptions],
) -> Bundle:
    """Export a module, verify every file against it, and write a bundle.

    Every file is run in its real engine on all `samples` and on hard inputs, sequences at other lengths too. A causal
    network becomes one file more in each format, which takes one step at a time. A file that differs from PyTorch is
    not in the bundle. If any file fails, the others are still written where `out` is free, but an earlier bundle is
    only replaced by a complete one.

    Args:
        module: Takes ``[batch, *spec.input.shape]``, raw, and gives ``float32 [batch, *spec.output.shape]``; wrap
            networks that want scaled inputs in `NormalizePixels` or `NormalizeFeatures`, and those that give scaled
            values in `DenormalizeTargets`. It may be a `Streamable`. It is copied, not changed.
        spec: What the model takes and gives. Where the module contains a softmax or sigmoid for its output, the
            bundle's says so in the output's `activation`, and the runtime does not apply it again.
        samples: Real inputs that it was not trained on, as ``spec.input.read`` takes them: paths, encoded bytes,
            Pillow images or uint8 arrays; rows of a table, as a data frame too; sequences, of the input's length.
        formats: Names of `export.formats`.
        **options: Keywords:

            - out: The bundle's folder. Required.
            - precisions: Names of `runtime.spec.Precision`; by default each format's first, fp32. Where a smaller one
              loses the answer, the layers that lose most stay in fp32. Step graphs are not written in those that need
              calibration.
            - targets: The right answer to each sample, as ``spec.output.measure`` takes it, to compare the metric too.
            - calibration: Real training inputs, for precisions that need them.
            - golden: The samples that a user of the bundle can replay, and see: samples, or a folder of them;
              ``made-up`` inputs, or ``none``. By default some of `samples`; metadata of pictures is left out.
            - allow_drift: Write files of smaller precisions that lose the answer all the same, if it is finite: their
              metadata, the manifest and the card say so. False by default.
            - platform: One of `export.platforms.PLATFORMS`: what is of no use there is left out, with an `ExportNote`.
            - card: What a person needs to trust the model.
            - pictures: PNG files for the model card, by file name; of `export.disclosure.SHOWS_SAMPLES` none where
              `golden` is given.
            - overwrite: Replace an earlier bundle in `out`, in one step, once all files are verified. False by default.
            - on_progress: Called with what is being done, how much is done, and how much there is.

    Raises:
        ParityError: If a file differs from PyTorch.
        ExportError: If a format can't be written, or the module ends in another activation than `spec` says, or in
            the logarithm of a probability.
        OptionError: If a format's name is unknown or none is given, or a picture's name can't be a file of a bundle, or
            there is no such platform, or it runs none of the formats.
        OutputError: If `out` holds a bundle already, or something else, or can't be written.
        InputError: If a sample can't be read.
        TypeError: If there is no keyword of a name, or `out` is missing.
    """
    check_keywords("export", options, ExportOptions)
    calibration, card, pictures = options.get("calibration"), options.get("card"), options.get("pictures") or {}
    check_types(spec=(spec, ModelSpec), calibration=(calibration, Calibration), card=(card, Card))
    platform = find_platform(options.get("platform"))
    formats, precisions = platform.choose(as_names(formats)), as_names(options.get("precisions", ()))
    out = Path(options["out"])
    path = out if out.is_symlink() and not out.exists() else out.resolve()
    check_place(path, options.get("overwrite", False))
    try:
        check_pictures(pictures)
    except ValueError as problem:
        raise OptionError(str(problem)) from None
    method = calibration.method if calibration else "min-max"
    chosen = choose_precisions(formats, precisions)
    variants = {name: [Variant(each, method) for each in names] for name, names in chosen.items()}
    converted, pack = prepare(
        module, spec, samples, formats, targets=options.get("targets"), calibration=calibration,
        golden=options.get("golden"), on_progress=options.get("on_progress", silent),
    )  # fmt: skip
    with staged_folder(path) as stage:
        verified, failures = _build(converted, variants, stage, allow_drift=options.get("allow_drift", False))
        earlier = (path / MANIFEST).exists()
        if failures and (not verified or earlier):
            _raise(failures, "nothing was written" + (f"; {path} stays as it was" if earlier else ""))
        fill(stage, converted[0].part.spec, verified, pack, card or Card(), pictures, platform)
    bundle = Bundle.read(path)
    if failures:
        _raise(failures, f"{path} holds {', '.join(bundle.manifest.models)} only")
    return bundle


def _build(
    converted: Sequence[ConvertedGraph], variants: Mapping[str, Sequence[Variant]], stage: Path, *, allow_drift: bool
) -> tuple[list[VerifiedFile], dict[str, ExportError]]:
    """Build the variants of each graph; return those that keep the answer, and why there are no others.

    The failures go by format and precision; a failure of fp32 ends its format.
    """
    verified: list[VerifiedFile] = []
    failures: dict[str, ExportError] = {}
    for graph in converted:
        if graph.format in failures:
            continue  # no steps without the whole
        for variant in variants[graph.format]:
            if isinstance(graph.part, Steps) and variant.precision in CALIBRATED:
                continue  # there are no calibration inputs for its states
            try:
                file = build(graph, variant, stage)
                if file.problems and not (allow_drift and file.may_drift):
                    raise ParityError("; ".join(file.problems))
            except ExportError as problem:
                if variant.precision == "fp32":
                    failures[graph.format] = problem
                    break
                failures[f"{graph.format} {variant.precision}"] = problem
            else:
                verified.append(file)
    return verified, failures


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
) -> tuple[tuple[ConvertedGraph, ...], Pack]:
    """Run PyTorch on all samples, and return the graphs in each format and the golden pack; see `export`."""
    writers = {name: format_module(name) for name in dict.fromkeys(formats)}
    samples = as_sequence(each_row(samples))
    if not writers:
        raise OptionError(f"name at least one format: {', '.join(format_names())}")
    engines = {name: engine_for(name) for name in writers}
    if not len(samples):
        raise ExportError("no samples to prove the files with: give real inputs that the model was not trained on")
    original = adapted(inference_copy(module), spec)
    chosen = None if golden is None else choose(spec.input, samples, golden)
    real = reference(original, spec, samples, as_targets(targets, spec.output, len(samples)), on_progress)
    check_calls(original, spec, real)
    spec = described(spec, real)
    spec = _with_activation(original, spec, real)
    raw, source = chosen or choose(spec.input, samples)
    hard = hard_inputs(original, spec, real)
    pack = _golden_pack(original, spec, raw, source, hard)
    calibrated = None if calibration is None else cache(lambda: calibrate(calibration, spec))
    parts = graphs(original, spec, real, hard, on_progress)
    converted = tuple(
        ConvertedGraph(name, writer, engines[name], part, pack.golden.inputs, calibrated, on_progress)
        for name, writer in writers.items()
        for part in parts
    )
    return converted, pack


def _golden_pack(
    module: torch.nn.Module, spec: ModelSpec, raw: tuple[bytes, ...], source: GoldenSource, hard: Reference
) -> Pack:
    """Return the golden pack with PyTorch's answers; made-up inputs without a steady answer are left out."""
    if source.kind == MADE_UP:
        raw = tuple(
            data for data in raw if steady_answer(module, None, spec, select(spec.input.read(data), None)) is not None
        )
        source = GoldenSource(MADE_UP, len(raw)) if raw else GoldenSource(NONE)
    inputs = inputs_of(spec.input, raw, hard.inputs)
    real = [answers(module, spec, select(inputs, slice(len(raw))))] if raw else []
    outputs = concatenate([*real, hard.outputs])
    return Pack(Golden(raw, inputs, outputs, len(raw), FP32_TOLERANCE, input_tolerance(spec.input)), source)


def fill(
    stage: Path,
    spec: ModelSpec,
    verified: Sequence[VerifiedFile],
    pack: Pack,
    card: Card,
    pictures: Mapping[str, bytes],
    platform: Platform = ANY,
) -> None:
    """Write a whole bundle into a folder: verified files, golden pack, model card, pictures and manifest.

    Raises:
        ExportError: If no file is of use on the platform.
    """
    verified, pictures = platform.keep(spec, verified), platform.shown(pictures)
    if pack.source.kind != "data":
        pictures = {name: content for name, content in pictures.items() if name not in SHOWS_SAMPLES}
    answers = {file.name: file.answers for file in verified if file.model.spec.precision != "fp32"}
    pack = replace(pack, golden=replace(pack.golden, answers=answers))
    models = {file.name: file.model for file in verified}
    files = {file.name: file.data for file in verified}
    for file in verified:
        files |= file.companions
    write(stage, spec, models, files, pack, card, pictures)


def _with_activation(module: torch.nn.Module, spec: ModelSpec, real: Reference) -> ModelSpec:
    """Return the specification with the activation that the module's output ends in, where its task has one.

    Raises:
        ExportError: See `export.activation.with_activation`.
    """
    if isinstance(spec.output, Raw | Detection):
        return spec
    inputs, outputs = select(real.inputs, slice(2)), single(real.outputs)
    try:
        return replace(spec, output=with_activation(spec.output, last_operator(module, inputs), outputs))
    except ValueError as problem:
        raise ExportError(f"output {spec.output.name!r}: {problem}") from None


def _raise(failures: Mapping[str, ExportError], outcome: str) -> None:
    kinds = {type(problem) for problem in failures.values()}
    kind = ParityError if ParityError in kinds else kinds.pop() if len(kinds) == 1 else ExportError
    raise kind(f"{'; '.join(map(str, failures.values()))}; {outcome}")
