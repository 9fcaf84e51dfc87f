"""`engine="fastest"` against `auto` and against the best that one finds by hand: time of an input, and of the start."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import runtime
from benchmarks.measure import Row, alternate, ratio_row, seconds
from runtime.bundle import Bundle
from runtime.candidates import candidates, open_candidate
from runtime.engines import engine_module, engine_names
from runtime.tensors import select
from runtime.timing import latencies

NEAR = 1.1
"""How much slower than the best by hand the choice may be: what is within 5 % counts as equal, and noise is added."""
BUDGET = 2.0
"""Seconds that measuring may take, once on a machine, beside opening the files."""


def rows(*bundles: Path) -> Iterator[Row]:
    """Measure each bundle with a cache folder of its own."""
    for bundle in bundles:
        with tempfile.TemporaryDirectory() as cache:
            before, os.environ["EDGEZOO_CACHE"] = os.environ.get("EDGEZOO_CACHE"), cache
            try:
                yield from _rows(bundle)
            finally:
                os.environ.pop("EDGEZOO_CACHE")
                if before is not None:
                    os.environ["EDGEZOO_CACHE"] = before


def _rows(bundle: Path) -> Iterator[Row]:
    sample = select(Bundle.read(bundle).inputs(), slice(1))
    auto, best = runtime.load(bundle), by_hand(bundle)
    start, computed = time.perf_counter(), time.process_time()
    ours = runtime.load(bundle, engine="fastest")
    once, computed = time.perf_counter() - start, time.process_time() - computed
    name = f"{bundle.name}: {ours.file.name} on {ours.engine_name}"
    yield ratio_row(f"{name}, against auto", *latencies([ours, auto], sample), 1 + (NEAR - 1) / 2)
    choice = f"{best.file.name} on {best.engine_name}"
    yield ratio_row(f"{name}, against the best by hand ({choice})", *latencies([ours, best], sample), NEAR)
    yield Row(
        f"{bundle.name}: measured once", seconds(once), "", f"{seconds(computed)} of CPU", f"≤ {seconds(BUDGET)}",
        once <= BUDGET,
    )  # fmt: skip
    starts = alternate(
        lambda: runtime.load(bundle, engine="fastest"),
        lambda: runtime.load(bundle, engine=ours.engine_name, trusted=True),
        rounds=15,
    )
    yield ratio_row(f"{bundle.name}: load as measured, against the same engine by name", *starts, 2.0)


def by_hand(bundle: Path) -> runtime.Model:
    """Open every file that keeps the answer on every engine, and return the one that is fastest, in turns."""
    manifest = Bundle.read(bundle).manifest
    models = [
        open_candidate(choice, name)
        for choice in candidates(bundle)
        for name in engine_names()
        if choice.file_spec.format == engine_module(name).FORMAT
        and not manifest.models[choice.file.name].spec.drift
        and not choice.file_spec.state
    ]
    sample = select(Bundle.read(bundle).inputs(), slice(1))
    times = latencies(models, sample)
    return models[times.index(min(times))]
