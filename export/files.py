"""One file of a bundle: a converted graph in a precision, verified against PyTorch in its real engine."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np

from export.formats import Format
from export.graphs import Steps, Whole, limits
from export.precision import CALIBRATED, Request
from export.precision.calibration import Calibrated, Method, Statistics, batches, observe
from runtime.bundle import ModelFile, Parity, Quantization, identify
from runtime.candidates import Candidate, open_candidate
from runtime.compare import FP32_TOLERANCE, difference
from runtime.errors import CalibrationError, EngineError, ExportError, ExportNote, MissingExtraError
from runtime.isolation.probe import Probe
from runtime.loading import load
from runtime.native_output import suppress_output
from runtime.progress import Progress
from runtime.runner import BATCH
from runtime.spec import METADATA_KEY, PER_TENSOR, FileSpec, Precision, encode_metadata
from runtime.tensors import by_name, concatenate, select, size

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from runtime.model import Model
    from runtime.tensors import Tensors

BATCHES = (2, 3, 5, BATCH, BATCH + 1)
"""Sizes of batches that a file of any batch is proved with, besides 1."""
MIXED_SAMPLES = 16
"""How many real samples tell how sensitive a layer is."""


@dataclass(frozen=True)
class Variant:
    """The precision of a file and its options.

    Args:
        precision: Its precision.
        method: How ranges of activations are taken, where they are.
        kept: The layers that stay in fp32, with the share of noise that each would cause.
    """

    precision: Precision
    method: Method = "min-max"
    kept: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class ConvertedGraph:
    """A graph in a format, from which files of every precision are built.

    Args:
        format: The format's name.
        writer: The format.
        engine: The engine that its files are verified in.
        part: The graph, and what PyTorch answers.
        golden: The inputs of the golden pack.
        calibrated: Where the ranges of activations come from; None if there are no calibration samples.
        on_progress: See `export.parity.Progress`.
    """

    format: str
    writer: Format
    engine: str
    part: Whole | Steps
    golden: Tensors
    calibrated: Callable[[], Calibrated] | None
    on_progress: Progress = field(repr=False)
    _statistics: dict[Method, Statistics] = field(default_factory=dict, repr=False)

    @property
    def data(self) -> bytes:
        """The file in fp32, without metadata.

        Raises:
            ExportError: If the format can't be written.
        """
        return self._converted[1]

    @property
    def final(self) -> Whole | Steps:
        """The graph as the file has it: of one length where no file is right for all that the module takes."""
        return self._converted[0]

    @cached_property
    def _converted(self) -> tuple[Whole | Steps, bytes]:
        part, problems = self.part, []
        if not self.writer.DYNAMIC:
            return part, self._convert(part)
        for closed in part.closed():
            try:
                data = self._convert(closed)
                branches = self.writer.branches(closed.graph)
                final = closed.with_branches(branches) if isinstance(closed, Whole) else closed
                self._check_lengths(final, data)
            except MissingExtraError:
                raise
            except ExportError as problem:
                problems.append(problem)
            else:
                if problems:
                    name = self.file_name("fp32")
                    warnings.warn(f"{name} takes {limits(final)}: {problems[0]}", ExportNote, stacklevel=2)
                return final, data
        raise problems[0]

    def _convert(self, part: Whole | Steps) -> bytes:
        self.on_progress(f"convert to {part.suffix[1:] and part.suffix[1:] + '.'}{self.format}", 0, 1)
        return self.writer.convert(part.graph)

    def _check_lengths(self, part: Whole | Steps, data: bytes) -> None:
        """Run the file on sequences of other lengths.

        Raises:
            ExportError: If it answers one of them otherwise than PyTorch.
        """
        if not part.others:
            return
        model = self.open(data, part.file_spec(self.format, self.writer, "fp32"))
        for other in part.others:
            try:
                gap = difference(other.outputs, model.forward(other.inputs), part.spec.output).maximum
                if gap <= FP32_TOLERANCE:
                    continue
                failure = f"the difference is max {gap:.3g} of the output's scale"
            except EngineError as problem:
                failure = str(problem)
            ((axis, length),) = other.lengths.items()
            lines = dict.fromkeys(each.line for each in self.writer.branches(part.graph) if each.turns(length, axis))
            why = f": {', '.join(lines)} decides by the length" if lines else ""
            what = f"{length} steps" if axis == "time" else f"{axis} {length}"
            raise ExportError(f"format {self.format!r}: of {what} {failure}{why}")

    def file_name(self, precision: Precision) -> str:
        """Return what a file of the graph is called in a bundle."""
        kind = "" if precision == "fp32" else f".{precision}"
        return f"model{self.part.suffix}{kind}.{self.format}"

    def statistics(self, method: Method) -> Statistics:
        """Return those of the activations on the calibration inputs.

        Raises:
            CalibrationError: If there are none, or too few.
        """
        if self.calibrated is None:
            raise CalibrationError("int8 and int16x8 need calibration samples, from what it was trained on")
        if method in self._statistics:
            return self._statistics[method]
        inputs, precision = self.calibrated().inputs, self.writer.precision
        names = [tensor.name for tensor in self.part.spec.input.tensors]
        spec = self.final.file_spec(self.format, self.writer, "fp32")

        def activations() -> Iterator[dict[str, NDArray[np.float32]]]:
            seen = 0
            types = spec.dtypes if spec.input_dtype is None else {names[0]: spec.input_dtype}
            arrays = {
                name: array.astype(types.get(name, array.dtype)) for name, array in by_name(inputs, names).items()
            }
            for values in precision.activations(self.data, batches(arrays)):
                self.on_progress(f"calibrate {self.format}, {method}", seen, size(inputs))
                seen = min(seen + len(next(iter(values.values()))), size(inputs))
                yield values

        self._statistics[method] = observe(activations, method, precision.CHANNEL_AXIS)
        return self._statistics[method]

    def quantize(self, variant: Variant) -> bytes:
        """Return the file in a precision, without metadata.

        Raises:
            ExportError: If the tools refuse it.
        """
        self.on_progress(f"quantize {self.format} to {variant.precision}", 0, 1)
        request = Request(lambda: self.statistics(variant.method), tuple(variant.kept))
        return self.writer.precision.quantize(self.data, variant.precision, request)

    def saturated(self, data: bytes) -> dict[str, str]:
        """Return what a quantized file can't hold, by layer; see `export.formats.PrecisionModule.saturated`."""
        return self.writer.precision.saturated(self.data, data)

    def open(self, data: bytes, spec: FileSpec) -> Model:
        """Open a file without metadata in the engine that proves it.

        Raises:
            EngineError: If the engine refuses it.
        """
        choice = Candidate(self.part.spec, Path(f"model.{self.format}"), spec, lambda: data)
        with suppress_output():
            return open_candidate(choice, self.engine, device="cpu", trusted=True)


@dataclass(frozen=True)
class VerifiedFile:
    """A file that was compared with PyTorch in its real engine.

    Args:
        name: Its name.
        data: Its content, with metadata.
        model: What the manifest says of it.
        problems: Why it does not keep PyTorch's answer; empty where it does.
        answers: What it answers to the inputs of the golden pack.
        companions: What goes with it, by file name.
    """

    name: str
    data: bytes
    model: ModelFile
    problems: tuple[str, ...]
    answers: Tensors
    companions: dict[str, bytes]

    @property
    def parity(self) -> Parity:
        """The figures of the comparison."""
        return cast(Parity, self.model.parity)  # every verified file has them

    @property
    def may_drift(self) -> bool:
        """Whether somebody could want it although it loses the answer: fp32 never does, and NaN is no answer."""
        finite = np.isfinite([self.parity.max_difference, self.parity.hard_max_difference]).all()
        return self.model.spec.precision != "fp32" and bool(finite)


def verify(converted: ConvertedGraph, variant: Variant, data: bytes, folder: Path) -> VerifiedFile:
    """Run a file in its real engine and compare it with PyTorch.

    Args:
        converted: The graph that it was built from.
        variant: Its precision and options.
        data: The file, without metadata.
        folder: The folder that it is written to, under its name.

    Raises:
        ExportError: If the engine refuses it, or its batch axis is frozen although the format leaves it open.
    """
    part, writer, precision = converted.final, converted.writer, variant.precision
    file = folder / converted.file_name(precision)
    spec = part.file_spec(converted.format, writer, precision)
    spec = replace(spec, batch=_batch(converted, data, spec))
    if part.spec.format >= PER_TENSOR:
        spec = replace(spec, quantization=writer.scales(data, part.spec))
    content = writer.embed(data, METADATA_KEY, encode_metadata(part.spec, spec))
    file.write_bytes(content)
    try:
        with suppress_output():
            model = load(file, engine=converted.engine, device="cpu", trusted=True)
        verdict = part.check(model, converted.on_progress)
        answers = model.forward(converted.golden)
    except EngineError as problem:
        raise ExportError(f"{file.name}: {problem}") from None
    saturated = converted.saturated(data) if precision != "fp32" else {}
    problems = (*verdict.problems, *(f"{file.name}, {name!r}: {what}" for name, what in saturated.items()))
    if problems and precision != "fp32":
        spec = replace(spec, drift="; ".join(problems))
        content = writer.embed(data, METADATA_KEY, encode_metadata(part.spec, spec))
        file.write_bytes(content)
    Probe(part.spec, spec, converted.engine, content, identify(content).sha256).remember()
    entry = ModelFile(spec, verdict.parity, _quantization(converted, variant), writer.footprint(content))
    companions = {} if part.suffix else writer.companions(content, part.spec)
    return VerifiedFile(file.name, content, entry, problems, answers, companions)


def build(converted: ConvertedGraph, variant: Variant, folder: Path) -> VerifiedFile:
    """Build a file, with those layers in fp32 that overflow; where it loses the answer, also those that lose most.

    Raises:
        ExportError: If the tools or the engine refuse it.
    """
    data = converted.quantize(variant)
    saturated = converted.saturated(data) if variant.precision != "fp32" else {}
    if saturated:
        overflowing = [name for name in converted.writer.precision.layers(converted.data) if name in saturated]
        variant = replace(variant, kept=sensitivity(converted, variant, overflowing))
        data = converted.quantize(variant)
    first = verify(converted, variant, data, folder)
    if not first.problems or variant.precision in ("fp32", "fp16"):
        return first
    try:
        for mixed in mixtures(converted, variant):
            file = verify(converted, mixed, converted.quantize(mixed), folder)
            if not file.problems:
                return file
    except ExportError:  # TFLM has no inputs or outputs in fp32
        return first
    return first


def mixtures(converted: ConvertedGraph, variant: Variant) -> Iterator[Variant]:
    """Yield variants with more and more layers in fp32, the most sensitive first, up to half of them."""
    noise = sensitivity(converted, variant, converted.writer.precision.layers(converted.data))
    most_sensitive = sorted(noise, key=lambda name: -noise[name])
    count = 1
    while count <= len(most_sensitive) // 2:
        yield replace(variant, kept=variant.kept | {name: noise[name] for name in most_sensitive[:count]})
        count *= 2


def sensitivity(converted: ConvertedGraph, variant: Variant, names: Sequence[str]) -> dict[str, float]:
    """Return, for each named layer, the noise in the output if it alone is quantized, as a share of the signal."""
    layers = converted.writer.precision.layers(converted.data)
    real, task = converted.final.real.first(MIXED_SAMPLES), converted.final.spec.output
    spec = replace(converted.final.file_spec(converted.format, converted.writer, variant.precision), batch=1)
    noise = {}
    for index, name in enumerate(names):
        alone = replace(variant, kept={other: 0.0 for other in layers if other != name})
        model = converted.open(converted.quantize(alone), spec)
        converted.on_progress(f"sensitivity of layers to {variant.precision}", index, len(names))
        noise[name] = 10 ** (-difference(real.outputs, model.forward(real.inputs), task).snr / 20)
    return noise


def _quantization(converted: ConvertedGraph, variant: Variant) -> Quantization | None:
    if variant.precision == "fp32":
        return None
    if variant.precision not in CALIBRATED or converted.calibrated is None:
        return Quantization(variant.kept)
    chosen = converted.calibrated()
    return Quantization(variant.kept, size(chosen.inputs), variant.method, chosen.balance)


def _batch(converted: ConvertedGraph, data: bytes, spec: FileSpec) -> int | None:
    """Return None if the graph answers three samples at once as it does one by one, else 1.

    Where ranges are measured at every run, the answer to a sample depends on those beside it.

    Raises:
        ExportError: If a file in fp32 doesn't although its format promises a dynamic batch.
    """
    part, every = converted.final, converted.writer.DYNAMIC and spec.precision == "fp32"
    if every and not part.graph.axes[part.spec.input.tensors[0].name]:
        return 1
    try:
        model = converted.open(data, spec)
    except EngineError as problem:
        raise ExportError(f"format {spec.format!r}: {problem}") from None
    try:
        with suppress_output():
            count = size(part.probe)
            singles = concatenate([model.forward(select(part.probe, slice(at, at + 1))) for at in range(count)])
            finite = all(np.isfinite(array).all() for array in by_name(singles, [""]).values())
            for batch in BATCHES if every else (count,):
                turns = np.arange(batch) % count
                together = model.forward(select(part.probe, turns))
                same = difference(select(singles, turns), together, part.spec.output).maximum <= FP32_TOLERANCE
                if finite and not same:
                    raise EngineError(f"answers change with the batch size, of {batch} samples")
            return None
    except (EngineError, ValueError) as problem:
        reason = str(problem)
    if converted.writer.DYNAMIC and spec.precision == "fp32":
        raise ExportError(f"format {spec.format!r}: the batch axis is frozen: several samples at once fail ({reason})")
    return 1
