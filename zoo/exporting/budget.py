"""A budget, such as ``drop<=0.5% size<=1.5MB``, and the search for the best file inside it."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from export.bundle import fill, prepare
from export.files import ConvertedGraph, Variant, VerifiedFile, mixtures, verify
from export.folder import check_place
from export.formats import formats_in
from export.graphs import Steps
from export.parity import drop
from export.platforms import Platform, find_platform
from export.precision import CALIBRATED, GATES
from export.precision.calibration import METHODS
from runtime.atomic import staged_folder
from runtime.bundle import Bundle
from runtime.errors import EngineError, ExportError
from runtime.loading import load
from runtime.native_output import suppress_output
from runtime.progress import Progress, silent
from runtime.scratch import scratch_folder
from runtime.spec import Precision
from runtime.tensors import select
from runtime.timing import latencies
from zoo.exporting.config import ExportConfig, ExportOptions
from zoo.exporting.golden import resolve_samples
from zoo.exporting.limits import KEYS, parse
from zoo.exporting.preflight import precisions_of
from zoo.exporting.run import finished

if TYPE_CHECKING:
    from runtime.spec import ModelSpec

CHEAP: tuple[Precision, ...] = (
    "fp32", "int8-weights", "int8-dynamic", "fp16", "int4-weights", "int8", "int16x8",
)  # fmt: skip
"""From cheap to dear: the last two need calibration."""
HOPELESS = 1.5
"""A file this many times as slow as the best so far can't become the winner by a better measurement."""
NOISE = 1.1
"""Latencies closer than this are the same: the smaller file wins."""


@dataclass(frozen=True)
class Candidate:
    """A candidate.

    Args:
        file: Its name in a bundle.
        variant: Its options in words; empty where it has none.
        metric: The task's metric; None where it was rejected before it was proved.
        drop: How many points that is worse than PyTorch's.
        agreement: The share of the same decisions as PyTorch.
        size: In bytes.
        latency: The median of one sample on this machine, in seconds.
        rejected: Why it is not the winner; empty for the winner.
        excess: How far outside the budget it is: the sum of relative distances; 0 inside.
    """

    file: str
    variant: str
    metric: float | None = None
    drop: float | None = None
    agreement: float | None = None
    size: int | None = None
    latency: float | None = None
    rejected: str = ""
    excess: float = 0.0


@dataclass(frozen=True)
class SearchResult:
    """The result of a search.

    Args:
        budget: The limits by key, in the measure's own unit.
        metric: The task's metric.
        tried: The candidates, in the order that they were tried.
        winner: The winner; None if no candidate is inside the budget.
        reason: The winner explained, or the nearest miss, in a line.
        bundle: Where the winner was written; None without one.
    """

    budget: dict[str, float]
    metric: str
    tried: tuple[Candidate, ...]
    winner: Candidate | None
    reason: str
    bundle: Path | None


def search(
    folder: str | os.PathLike[str],
    budget: str,
    formats: Sequence[str] | None = None,
    *,
    on_progress: Progress = silent,
    **options: Unpack[ExportOptions],
) -> SearchResult:
    """Search formats, precisions and their options for the fastest file inside a budget, and write it as a bundle.

    Of files that are as fast but for noise the smallest wins. Figures that a budget doesn't limit keep to the
    precision's own promise (`export.precision.GATES`). A candidate that is too large or too slow is not proved.

    Args:
        folder: A finished run.
        budget: See `parse`.
        formats: Names of formats; by default those that have fp32.
        on_progress: Called with what is being done, how much is done, and how much there is.
        options: See `zoo.exporting.config.ExportConfig`; precisions are all that the formats have by default.

    Raises:
        OptionError: If the budget or a name can't be read.
        TrainingError: If the folder holds no finished run.
        DataError: If the data is gone or has changed since training.
        ExportError: If no format can be written at all.
    """
    return run_search(ExportConfig(folder, formats or formats_in("fp32"), **options), budget, on_progress)


def run_search(config: ExportConfig, budget: str, on_progress: Progress = silent) -> SearchResult:
    """Search as configured; see `search`."""
    limits = parse(budget)
    config.check_searchable()
    platform = find_platform(config.platform)
    formats = platform.choose(config.formats)
    known = precisions_of(formats, config.precisions)
    path = config.folder.resolve()
    check_place(path, config.overwrite)
    run = finished(config.run, config.data, config.calibration_samples, on_progress=on_progress)
    run = run.listening_to(config.recordings, on_progress)
    spec = run.run.model
    sources, pack = prepare(
        run.module, spec, run.held.items, formats,
        targets=run.held.targets, calibration=run.calibration, golden=resolve_samples(config.golden, spec.input),
        on_progress=on_progress,
    )  # fmt: skip
    whole = [source for source in sources if not isinstance(source.part, Steps)]
    with scratch_folder() as scratch:
        searcher = _Search(spec, limits, platform, scratch, on_progress)
        wanted = [precision for precision in CHEAP if precision in (config.precisions or known)]
        for number, precision in enumerate(wanted):
            for source in whole:
                if precision in source.writer.precision.QUANTIZERS:
                    on_progress(f"try {source.format} in {precision}", number, len(wanted))
                    searcher.try_precision(source, precision)
        tried, winner = searcher.finish()
        if winner is None:
            return SearchResult(limits, spec.output.metric, tried, None, _miss(tried, limits), None)
        source, variant, proof = searcher.proofs[winner]
        steps = [_steps(each, variant, scratch) for each in sources
                 if isinstance(each.part, Steps) and each.format == source.format]  # fmt: skip
        with staged_folder(path) as stage:
            files = [proof, *(step for step in steps if step)]
            fill(stage, source.part.spec, files, pack, run.card, run.pictures, platform)
    chosen = tried[winner]
    return SearchResult(limits, spec.output.metric, tried, chosen, _explained(chosen, tried), Bundle.read(path).path)


class _Search:
    """The candidates so far."""

    def __init__(
        self, spec: ModelSpec, limits: dict[str, float], platform: Platform, folder: Path, on_progress: Progress
    ) -> None:
        self.spec = spec
        self.limits = limits
        self.platform = platform
        self.folder = folder
        self.on_progress = on_progress
        self.candidates: list[Candidate] = []
        self.proofs: dict[int, tuple[ConvertedGraph, Variant, VerifiedFile]] = {}

    def try_precision(self, source: ConvertedGraph, precision: Precision) -> None:
        """Try a precision, and its dearer options where the simple one loses the answer alone."""
        if precision == "int16x8" and any(
            self._fits(index) and variant.precision == "int8" and other.format == source.format
            for index, (other, variant, _) in self.proofs.items()
        ):
            self._add(source, Variant(precision), rejected="int8 keeps the answer, in less time", excess=math.inf)
            return
        for variant in _variants(source, precision, lambda: self.candidates[-1]):
            self._try(source, variant)
            if not self._lost_answer_alone():
                return

    def finish(self) -> tuple[tuple[Candidate, ...], int | None]:
        """Measure those inside the budget side by side; return all candidates and the winner's index."""
        inside = [index for index in self.proofs if self._fits(index)]
        if not inside:
            return tuple(self.candidates), None
        with suppress_output():
            models = [load(self._file(index)) for index in inside]
        sample = select(models[0].spec.input.edge_cases(), slice(1))
        medians = latencies(
            models, sample, on_round=lambda turn: self.on_progress("measure those inside the budget", turn, 15)
        )
        for index, latency in zip(inside, medians, strict=True):
            entry = replace(self.candidates[index], latency=latency)
            self.candidates[index] = self._checked(entry, self.proofs[index][2])
        inside = [index for index in inside if self._fits(index)]
        if not inside:
            return tuple(self.candidates), None
        best = min(self.candidates[index].latency or 0 for index in inside)
        level = [index for index in inside if (self.candidates[index].latency or 0) <= NOISE * best]
        winner = min(level, key=lambda index: (self.candidates[index].size or 0, self.candidates[index].latency or 0))
        for index in inside:
            if index != winner:
                why = "larger" if index in level else "slower"
                self.candidates[index] = replace(
                    self.candidates[index], rejected=f"{why} than {self.candidates[winner].file}"
                )
        return tuple(self.candidates), winner

    def _file(self, index: int) -> Path:
        return self.folder / str(index) / self.candidates[index].file

    def _fits(self, index: int) -> bool:
        return not self.candidates[index].rejected

    def _lost_answer_alone(self) -> bool:
        """Tell whether the last candidate was proved and would be inside but for what it answers."""
        last = self.candidates[-1]
        return (
            bool(last.rejected) and last.agreement is not None and not (self._too_large(last) or self._too_slow(last))
        )

    def _too_large(self, entry: Candidate) -> bool:
        return entry.size is not None and entry.size > self.limits.get("size", math.inf)

    def _too_slow(self, entry: Candidate) -> bool:
        return entry.latency is not None and entry.latency > self.limits.get("latency", math.inf)

    def _add(self, source: ConvertedGraph, variant: Variant, **figures: object) -> int:
        words: str = variant.method if variant.precision in CALIBRATED else ""
        words += f", {len(variant.kept)} layers in fp32" if variant.kept else ""
        entry = Candidate(source.file_name(variant.precision), words.removeprefix(", "))
        self.candidates.append(replace(entry, **figures))  # type: ignore[arg-type]
        return len(self.candidates) - 1

    def _try(self, source: ConvertedGraph, variant: Variant) -> None:
        """Make a candidate, and prove it unless it is too large or too slow anyway."""
        index = self._add(source, variant)
        folder = self.folder / str(index)
        folder.mkdir()
        try:
            data = source.quantize(variant)
            entry = replace(self.candidates[index], size=len(data))
            if not self._too_large(entry):
                entry = replace(entry, latency=self._quick_latency(source, variant, data))
                best = min(
                    (self.candidates[i].latency or math.inf for i in self.proofs if self._fits(i)), default=math.inf
                )
                if (entry.latency or 0) > HOPELESS * best and not self._too_slow(entry):
                    self.candidates[index] = replace(
                        entry, rejected="much slower than the best so far", excess=math.inf
                    )
                    return
            if self._too_large(entry) or self._too_slow(entry):
                self.candidates[index] = self._checked(entry, None)
                return
            proof = verify(source, variant, data, folder)
        except ExportError as problem:
            self.candidates[index] = replace(self.candidates[index], rejected=str(problem), excess=math.inf)
            return
        self.proofs[index] = (source, variant, proof)
        parity = proof.parity
        self.candidates[index] = self._checked(
            replace(
                entry, metric=parity.exported, drop=drop(self.spec.output, parity), agreement=parity.agreement,
                size=len(proof.data),
            ),
            proof,
        )  # fmt: skip

    def _quick_latency(self, source: ConvertedGraph, variant: Variant, data: bytes) -> float:
        """Return the latency of a moment's measurement."""
        spec = replace(source.part.file_spec(source.format, source.writer, variant.precision), batch=1)
        try:
            sample = select(self.spec.input.edge_cases(), slice(1))
            return latencies([source.open(data, spec)], sample, rounds=3, seconds=0.03)[0]
        except EngineError as problem:
            raise ExportError(str(problem)) from None

    def _checked(self, entry: Candidate, proof: VerifiedFile | None) -> Candidate:
        """Say what of the budget a candidate breaks, or of its precision's promise what the budget doesn't limit."""
        measured = {"drop": entry.drop, "agreement": entry.agreement, "size": entry.size, "latency": entry.latency}
        problems, excess = [], 0.0
        for name, limit in self.limits.items():
            value = measured[name]
            key = KEYS[name]
            if value is None or (value <= limit if key.sense == "<=" else value >= limit):
                continue
            problems.append(f"{name} {key.shown(value)}")
            excess += abs(value - limit) / (limit or 1)
        if proof is not None and proof.problems:
            gate, samples = GATES[proof.model.spec.precision], proof.parity.samples
            differ = round((1 - proof.parity.agreement) * samples)
            if "agreement" not in self.limits and differ > gate.may_differ(samples):
                problems.append(f"agreement {proof.parity.agreement:.2%} (promised {gate.agreement:.1%})")
                excess += gate.agreement - proof.parity.agreement
            if "drop" not in self.limits and entry.drop is not None and entry.drop > gate.may_lose(samples):
                problems.append(f"drop {entry.drop:.2f} % (promised {gate.drop:g} %)")
                excess += entry.drop / 100
            if not proof.may_drift:
                problems, excess = [*proof.problems], math.inf
        unfit = proof and self.platform.problem(self.spec, proof.model, len(proof.data))
        if unfit:
            problems, excess = [unfit], math.inf
        return replace(entry, rejected=", ".join(problems), excess=excess)


def _variants(source: ConvertedGraph, precision: Precision, last: Callable[[], Candidate]) -> Iterator[Variant]:
    """Yield a precision's options from cheap to dear: other ways to calibrate, then layers in fp32."""
    first = Variant(precision)
    yield first
    if precision in ("fp32", "fp16"):
        return
    best, variant = last(), first
    if precision in CALIBRATED:
        for method in METHODS:
            if method != first.method:
                yield (other := replace(first, method=method))
                if (last().agreement or 0, -(last().drop or 0)) > (best.agreement or 0, -(best.drop or 0)):
                    best, variant = last(), other
    yield from mixtures(source, variant)


def _steps(source: ConvertedGraph, variant: Variant, folder: Path) -> VerifiedFile | None:
    """Return the winner's step graph; None where it can't have one or loses the answer step by step."""
    if variant.precision in CALIBRATED:
        return None
    try:
        proof = verify(source, variant, source.quantize(replace(variant, kept={})), folder)
    except ExportError:
        return None
    return None if proof.problems else proof


def _explained(winner: Candidate, tried: Sequence[Candidate]) -> str:
    fit = [each for each in tried if each is winner or each.rejected.startswith(("larger than", "slower than"))]
    among = f"the fastest of {len(fit)} files" if len(fit) > 1 else "the only file"
    plain = next((each for each in tried if each.file == f"model{Path(winner.file).suffix}"), winner)
    against = ""
    if plain is not winner and plain.size and winner.size:
        against = f"; {winner.size / plain.size:.2f}× the size of fp32"
        if plain.latency and winner.latency:
            against += f" in {winner.latency / plain.latency:.2f}× the time"
    return f"{winner.file} is {among} inside the budget (the smallest of those within 10 %){against}"


def _miss(tried: Sequence[Candidate], limits: dict[str, float]) -> str:
    near = min(tried, key=lambda each: each.excess, default=None)
    wanted = ", ".join(f"{name} {KEYS[name].sense} {KEYS[name].shown(value)}" for name, value in limits.items())
    if near is None or not math.isfinite(near.excess):
        return f"no file is inside the budget ({wanted})"
    which = near.file + (f" ({near.variant})" if near.variant else "")
    return f"no file is inside the budget ({wanted}); the nearest is {which}: {near.rejected}"
