"""The fastest file here: each file of a bundle on each engine, timed and proved once on this machine, and remembered.

`runtime.measurements` keeps the result until the machine, a library, a file or a setting is another.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from runtime.bundle import MANIFEST, MAX_MANIFEST, Bundle, read_file
from runtime.candidates import Candidate, candidates, open_candidate
from runtime.concurrency.threads import usable_cpus
from runtime.engines import engine_module, engine_names
from runtime.errors import DeviceError, EngineError, InputError, UnsupportedError
from runtime.frozen_dataclass import frozen_dataclass
from runtime.measurements import hash_of, measured, opened_by
from runtime.progress import Progress, silent
from runtime.spec import encode_metadata
from runtime.tensors import select, size
from runtime.timing import timings
from runtime.verify import NO_GOLDEN, replay

if TYPE_CHECKING:
    from typing import Unpack

    from runtime.bundle.golden import Golden
    from runtime.candidates import OpenSettings
    from runtime.model import Model
    from runtime.tensors import Tensors

MEASURE_VERSION = "2"
"""Raised with every change to what is measured, so that earlier results don't count any more."""
SECONDS = 0.6
"""Of timing, and as many of proofs, for all files and engines together: slow models take as long as a proof and a few
runs do."""
TURN_SECONDS = 0.01
"""How long a model runs in a round, at least."""
ROUNDS = 8
CUTS = ((4, 1), (2, ROUNDS))
"""How many times as long as the fastest one's a model's quickest run may take, so that it is timed in that many rounds
more: what is clearly slower is timed no longer."""
NOISE = 0.05
"""Two times that differ by less are the same: the next measurement may well swap them."""
QUARTILE = 25
"""The percentile of the runs that counts: whatever else the machine does makes runs longer, and none shorter."""


@frozen_dataclass
class Speed:
    """One model file on one engine.

    Args:
        file: The file's name.
        precision: What its weights and activations are.
        engine: The engine's name.
        version: The engine's library with its version; empty where the file could not be opened.
        device: Where it ran; empty where it could not be opened.
        seconds: What one input takes; None where it did not run.
        passed: Whether it gives the answers of the golden pack; None where that was not tried.
        drift: Why the file does not keep PyTorch's answer, from the manifest; empty where it does.
        note: Why it did not run or pass; empty otherwise.
    """

    file: str
    precision: str
    engine: str
    version: str
    device: str
    seconds: float | None
    passed: bool | None
    drift: str
    note: str

    @property
    def rank(self) -> tuple[bool, bool]:
        """How much of what the bundle promises it keeps, the best first."""
        return self.passed is not True, bool(self.drift)


@frozen_dataclass
class SpeedTable:
    """The files of a bundle on the engines of this machine, in the manifest's order and in that of ``auto``."""

    speeds: tuple[Speed, ...]

    @property
    def chosen(self) -> Speed | None:
        """The fastest of those that keep most of the bundle's promise; None if none runs, or all give other answers.

        Of those that are as fast but for `NOISE`, it is the first.
        """
        fit = [(each.rank, each.seconds, each) for each in self.speeds if each.seconds is not None]
        fit = [(rank, seconds, each) for rank, seconds, each in fit if each.passed is not False]
        best = min((rank for rank, _, _ in fit), default=None)
        limit = min((seconds for rank, seconds, _ in fit if rank == best), default=0) * (1 + NOISE)
        return next((each for rank, seconds, each in fit if rank == best and seconds <= limit), None)

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why each file and engine is not the one that is chosen."""
        return tuple(f"{each.file} on {each.engine}: {_reason(each)}" for each in self.speeds if each != self.chosen)


def fastest(
    path: str | os.PathLike[str], *, on_progress: Progress = silent, **settings: Unpack[OpenSettings]
) -> SpeedTable:
    """Return how fast a bundle's files, or one model file, run on the engines here; step graphs are left out.

    Earlier measurements are not repeated; see `runtime.measurements.measured`.

    Args:
        path: A bundle's folder or a model file; see `runtime.loading.load`.
        on_progress: Called with what is being done, how much is done, and how much there is.
        settings: How the files are opened; see `runtime.candidates.open_candidate`.

    Raises:
        BundleError: If the bundle or file can't be trusted or read.
    """
    files = candidates(path)
    choices = [choice for choice in files if not choice.file_spec.state] or list(files)
    return fastest_of(choices, path, on_progress=on_progress, **settings)


def fastest_of(
    choices: Sequence[Candidate],
    path: str | os.PathLike[str],
    *,
    on_progress: Progress = silent,
    **settings: Unpack[OpenSettings],
) -> SpeedTable:
    """Return what `fastest` does, for files that have been looked up at its path."""
    pairs = [(choice, name) for choice in choices for name in _engines(choice)]
    engines = {name: opened_by(name, settings) for _, name in pairs}
    manifest = Path(path) / MANIFEST
    if manifest.exists():
        described = [hashlib.sha256(read_file(manifest, MAX_MANIFEST)).hexdigest()]
    else:
        described = [encode_metadata(choice.spec, choice.file_spec) for choice in choices]
    depends = [MEASURE_VERSION, *described, *(f"{hash_of(choice)} {engines[name]}" for choice, name in pairs)]
    return measured(SpeedTable, depends, lambda: _measure(path, pairs, on_progress, settings))


def _engines(choice: Candidate) -> list[str]:
    modules = {name: engine_module(name) for name in engine_names()}
    return [name for name, each in modules.items() if choice.file_spec.format == each.FORMAT and not each.missing()]


def _measure(
    path: str | os.PathLike[str], pairs: list[tuple[Candidate, str]], on_progress: Progress, settings: OpenSettings
) -> SpeedTable:
    bundle = Bundle.read(path) if Path(path).is_dir() else None
    golden = bundle.golden() if bundle else None
    sample = select(golden.inputs if golden else pairs[0][0].spec.input.edge_cases(), slice(1)) if pairs else {}
    opened: dict[int, Model] = {}
    speeds: dict[int, Speed] = {}
    for at, ((choice, engine), model) in enumerate(zip(pairs, _opened(pairs, on_progress, settings), strict=True)):
        speeds[at] = Speed(
            choice.file.name, choice.file_spec.precision, engine, "", "", None, None, choice.file_spec.drift, ""
        )
        try:
            if isinstance(model, EngineError):
                raise model
            seconds = _first(model, sample)
        except (EngineError, InputError) as problem:
            failed = None if isinstance(problem, DeviceError | UnsupportedError) else False
            speeds[at] = replace(speeds[at], passed=failed, note=str(problem))
        else:
            opened[at] = model
            speeds[at] = replace(speeds[at], version=model.engine.version, device=model.engine.device, seconds=seconds)
    on_progress("time them in turns", len(pairs), len(pairs) + 2)
    seconds_of = _in_turns(opened, {at: speeds[at].seconds or 0.0 for at in opened}, sample)
    speeds |= {at: replace(speeds[at], seconds=seconds) for at, seconds in seconds_of.items()}
    on_progress("compare their answers with the golden pack", len(pairs) + 1, len(pairs) + 2)
    speeds |= _proved(opened, {at: speeds[at] for at in opened}, golden, bundle)
    return SpeedTable(tuple(speeds.values()))


def _opened(
    pairs: list[tuple[Candidate, str]], on_progress: Progress, settings: OpenSettings
) -> list[Model | EngineError]:
    """Open each file on its engine, or say why that fails; as many at a time as there are CPUs."""
    opened = []

    def attempt(pair: tuple[Candidate, str]) -> Model | EngineError:
        try:
            return open_candidate(*pair, **settings)
        except EngineError as problem:
            return problem

    with ThreadPoolExecutor(usable_cpus(), "edgezoo-open") as pool:
        for at, ((choice, engine), model) in enumerate(zip(pairs, pool.map(attempt, pairs), strict=True)):
            on_progress(f"open {choice.file.name} on {engine}", at, len(pairs) + 2)
            opened.append(model)
    return opened


def _first(model: Model, sample: Tensors) -> float:
    """Return what the quicker of the second and the third run takes, in seconds."""
    model.forward(sample)
    times = [time.perf_counter()]
    for _ in range(2):
        model.forward(sample)
        times.append(time.perf_counter())
    return min(times[1] - times[0], times[2] - times[1])


def _in_turns(opened: dict[int, Model], firsts: dict[int, float], sample: Tensors) -> dict[int, float]:
    """Return what a run takes of each model that may be the fastest, by what their first runs took."""
    times = {at: [first] for at, first in firsts.items()}
    seconds = {}
    for factor, most in CUTS:
        near = [at for at in times if min(times[at]) <= factor * min(map(min, times.values()))]
        if len(near) < 2:
            break
        turn = sum(max(2 * min(times[at]), TURN_SECONDS) for at in near)
        models = [opened[at] for at in near]
        rounds = 1 + max(1, min(most, round(SECONDS / turn)))
        for at, runs in zip(
            near, timings(models, [sample] * len(models), rounds=rounds, seconds=TURN_SECONDS), strict=True
        ):
            times[at] += runs
            seconds[at] = float(np.percentile(runs, QUARTILE))
    return seconds


def _proved(
    opened: dict[int, Model], speeds: dict[int, Speed], golden: Golden | None, bundle: Bundle | None
) -> dict[int, Speed]:
    """Return speeds with the verdicts of the golden pack.

    The fastest come first. Once one is proved to keep the bundle's promise, others are as long as there is time.
    """
    if golden is None or bundle is None:
        return {at: replace(speed, note=NO_GOLDEN) for at, speed in speeds.items()}
    proved: dict[int, Speed] = {}
    end = time.perf_counter() + SECONDS
    for at in sorted(speeds, key=lambda at: (bool(speeds[at].drift), speeds[at].seconds)):
        speed = speeds[at]
        late = time.perf_counter() + size(golden.inputs) * (speed.seconds or 0.0) > end
        if late and any(each.passed and not each.drift for each in proved.values()):
            proved[at] = replace(speed, note="its answers were not compared, since another is faster")
            continue
        try:
            verdict = replay(opened[at], golden, bundle.manifest.models[speed.file].parity)
        except (EngineError, InputError) as problem:
            proved[at] = replace(speed, passed=False, note=str(problem))
        else:
            proved[at] = replace(speed, passed=verdict.passed, note=verdict.note)
    return proved


def _reason(speed: Speed) -> str:
    took = [] if speed.seconds is None else [f"takes {speed.seconds * 1e3:.2f} ms"]
    return ", ".join([*took, *([speed.note] if speed.note else []), *([speed.drift] if speed.drift else [])])
