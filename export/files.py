"""One file of a bundle: converted, brought to its precision, and proved in its real engine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from export.formats import Format
from export.graphs import Steps, Whole
from export.parity import Progress
from export.precision import CALIBRATED, Request
from export.precision.calibration import Calibrated, Statistics, batches, observe
from runtime.bundle import ModelFile, Quantisation
from runtime.compare import FP32_TOLERANCE, difference
from runtime.errors import CalibrationError, EngineError, ExportError
from runtime.loading import Candidate, load, open_candidate
from runtime.quiet import quiet
from runtime.spec import METADATA_KEY, FileSpec, Precision, encode_metadata

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from runtime.model import Model

MIXED_SAMPLES = 16
"""How many real samples tell how sensitive a layer is."""


@dataclass(frozen=True)
class Source:
    """A converted graph, from which files of every precision are made.

    Args:
        format: The format's name.
        writer: The format.
        engine: The engine that proves its files.
        part: The graph, and what PyTorch answers.
        golden: The inputs of the golden pack.
        calibrated: Where the ranges of activations come from; None if there are no calibration samples.
        on_progress: See `export.parity.Progress`.
    """

    format: str
    writer: Format
    engine: str
    part: Whole | Steps
    golden: NDArray[Any]
    calibrated: Callable[[], Calibrated] | None
    on_progress: Progress = field(repr=False)

    @cached_property
    def data(self) -> bytes:
        """The file in fp32, without metadata.

        Raises:
            ExportError: If the format can't be written.
        """
        self.on_progress(f"convert to {self.part.suffix[1:] and self.part.suffix[1:] + '.'}{self.format}", 0, 1)
        return self.writer.convert(self.part.graph)

    @cached_property
    def statistics(self) -> Statistics:
        """Of the activations on the calibration inputs.

        Raises:
            CalibrationError: If there are none, or too few.
        """
        if self.calibrated is None:
            raise CalibrationError("int8 and int16x8 need calibration samples, from what it was trained on")
        chosen, precision = self.calibrated(), self.writer.precision
        name, count = self.part.spec.input.name, len(chosen.inputs)
        dtype = self.part.file_spec(self.format, self.writer, "fp32").input_dtype

        def activations() -> Any:
            seen = 0
            for values in precision.activations(self.data, name, batches(chosen.inputs.astype(dtype, copy=False))):
                self.on_progress(f"calibrate {self.format}", seen, count)
                seen = min(seen + len(next(iter(values.values()))), count)
                yield values

        return observe(activations, chosen.method, precision.CHANNEL_AXIS)

    def quantise(self, precision: Precision, keep: Sequence[str] = ()) -> bytes:
        """Return the file in a precision, without metadata; the layers in `keep` stay in fp32.

        Raises:
            ExportError: If the tools refuse it.
        """
        return self.writer.precision.quantise(self.data, precision, Request(lambda: self.statistics, tuple(keep)))


@dataclass(frozen=True)
class Proof:
    """A file with its proof.

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
    answers: NDArray[np.float32]
    companions: dict[str, bytes]


def prove(source: Source, precision: Precision, data: bytes, folder: Path, kept: dict[str, float]) -> Proof:
    """Run a file in its real engine and compare it with PyTorch.

    Args:
        source: What it was made from.
        precision: Its precision.
        data: The file, without metadata.
        folder: Where it is put, under its name.
        kept: Its layers in fp32, and the noise that each would cause.

    Raises:
        ExportError: If the engine refuses it, or its batch axis is frozen although the format leaves it open.
    """
    part, writer = source.part, source.writer
    suffix = "" if precision == "fp32" else f".{precision}"
    file = folder / f"model{part.suffix}{suffix}.{source.format}"
    spec = part.file_spec(source.format, writer, precision)
    spec = replace(spec, batch=_batch(source, data, spec))
    file.write_bytes(writer.embed(data, METADATA_KEY, encode_metadata(part.spec, spec)))
    try:
        with quiet():
            model = load(file, engine=source.engine, device="cpu")
        verdict = part.check(model, source.on_progress)
        answers = model.forward(source.golden)
    except EngineError as problem:
        raise ExportError(f"{file.name}: {problem}") from None
    if verdict.problems and precision != "fp32":
        spec = replace(spec, drift="; ".join(verdict.problems))
        file.write_bytes(writer.embed(data, METADATA_KEY, encode_metadata(part.spec, spec)))
    entry = ModelFile(spec, verdict.parity, _quantisation(source, precision, kept), writer.footprint(data))
    content = file.read_bytes()
    companions = {} if part.suffix else writer.companions(content, part.spec)
    return Proof(file.name, content, entry, verdict.problems, answers, companions)


def make(source: Source, precision: Precision, folder: Path) -> Proof:
    """Make a file of a precision; where it loses the answer, with the layers that lose most in fp32.

    Raises:
        ExportError: If the tools or the engine refuse it.
    """
    first = prove(source, precision, source.quantise(precision), folder, {})
    if not first.problems or precision in ("fp32", "fp16"):
        return first
    noise = sensitivity(source, precision)
    worst = sorted(noise, key=lambda name: -noise[name])
    count = 1
    while count <= len(worst) // 2:
        kept = {name: noise[name] for name in worst[:count]}
        source.on_progress(f"{precision} with {count} of {len(worst)} layers in fp32", 0, 1)
        trial = prove(source, precision, source.quantise(precision, tuple(kept)), folder, kept)
        if not trial.problems:
            return trial
        count *= 2
    return first


def sensitivity(source: Source, precision: Precision) -> dict[str, float]:
    """Return the share of noise in the output if one layer alone is quantised, for each layer."""
    names = source.writer.precision.layers(source.data)
    real = source.part.real.first(MIXED_SAMPLES)
    found = {}
    for place, name in enumerate(names):
        source.on_progress(f"sensitivity of layers to {precision}", place, len(names))
        data = source.quantise(precision, [other for other in names if other != name])
        spec = source.part.file_spec(source.format, source.writer, precision)
        with quiet():
            model = _open(source, data, replace(spec, batch=1))
        found[name] = 10 ** (-difference(real.outputs, model.forward(real.inputs), source.part.spec.output).snr / 20)
    return found


def _quantisation(source: Source, precision: Precision, kept: dict[str, float]) -> Quantisation | None:
    if precision == "fp32":
        return None
    if precision not in CALIBRATED or source.calibrated is None:
        return Quantisation(kept)
    chosen = source.calibrated()
    return Quantisation(kept, len(chosen.inputs), chosen.method, chosen.balance)


def _open(source: Source, data: bytes, spec: FileSpec) -> Model:
    choice = Candidate(source.part.spec, Path(f"model.{source.format}"), spec, lambda: data)
    return open_candidate(choice, source.engine, device="cpu")


def _batch(source: Source, data: bytes, spec: FileSpec) -> int | None:
    """Return None if the graph answers three samples at once as it does one by one, else 1.

    Where ranges are measured at every run, the answer to a sample depends on those beside it.

    Raises:
        ExportError: If a file in fp32 doesn't although its format promises a dynamic batch.
    """
    inputs = source.part.probe
    with quiet():
        try:
            model = _open(source, data, spec)
        except EngineError as problem:
            raise ExportError(f"format {spec.format!r}: {problem}") from None
    try:
        with quiet():
            singles = np.concatenate([model.forward(inputs[i : i + 1]) for i in range(len(inputs))])
            together = model.forward(inputs)
            same = difference(singles, together, source.part.spec.output).maximum <= FP32_TOLERANCE
            if not np.isfinite(singles).all() or same:
                return None
        reason = "answers change with the batch size"
    except (EngineError, ValueError) as problem:
        reason = str(problem)
    if source.writer.DYNAMIC and spec.precision == "fp32":
        raise ExportError(f"format {spec.format!r}: the batch axis is frozen: two samples at once fail ({reason})")
    return 1
