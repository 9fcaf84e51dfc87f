"""Bundles side by side: accuracy, size and latency of each file."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from runtime import Bundle, OptionError, load
from runtime.quiet import quiet
from zoo.assess import assess
from zoo.timing import ROUND_SECONDS, ROUNDS, timings

if TYPE_CHECKING:
    from export.parity import Progress


@dataclass(frozen=True)
class Row:
    """One model file.

    Args:
        bundle: Its bundle.
        file: Its name.
        engine: What ran it, with version.
        quality: The task's metric.
        samples: On how many samples.
        size: In bytes.
        latency: Of one sample, without reading it, in seconds: the median.
    """

    bundle: str
    file: str
    engine: str
    quality: float
    samples: int
    size: int
    latency: float


@dataclass(frozen=True)
class Comparison:
    """Rows, the metric that they have in common, whether ``max`` or ``min`` of it is better, and what to be wary of."""

    rows: tuple[Row, ...]
    metric: str
    better: str
    notes: tuple[str, ...]


def compare(
    paths: Sequence[str | os.PathLike[str]],
    data: str | None = None,
    target: str | None = None,
    on_progress: Progress = lambda what, done, total: None,
) -> Comparison:
    """Compare every file of several bundles; their latencies are measured in turns, so that noise hits all alike.

    Args:
        paths: Bundles.
        data: The data set to measure all of them on; by default each has the figure of its own validation split.
        target: The column to tell from the others, of data with columns.
        on_progress: Called with what is being done, how much is done, and how much there is.

    Raises:
        OptionError: If their tasks have different metrics, or one has no figure and no data is given.
        BundleError: If a bundle can't be trusted or read.
        EngineError: If a file can't be run here.
    """
    bundles = [Bundle.read(path) for path in paths]
    outputs = [bundle.manifest.model.output for bundle in bundles]
    if len({output.metric for output in outputs}) > 1:
        found = ", ".join(f"{b.path.name} {o.metric}" for b, o in zip(bundles, outputs, strict=True))
        raise OptionError(f"these bundles can't be compared, their metrics differ: {found}")
    files = [
        (bundle, name, entry)
        for bundle in bundles
        for name, entry in bundle.manifest.models.items()
        if not entry.spec.state
    ]
    with quiet():
        models = [load(bundle.path / name) for bundle, name, _ in files]
    qualities = []
    for bundle, name, entry in files:
        if data is not None:
            found_data = assess(bundle.path / name, data, target=target, on_progress=on_progress)
            qualities.append((found_data.found["metrics"][outputs[0].metric], found_data.found["samples"]))
        elif entry.parity is None or entry.parity.exported is None:
            raise OptionError(f"{bundle.path}: has no figure of its own; give data to measure on: --data NAME:PATH")
        else:
            qualities.append((entry.parity.exported, entry.parity.samples))
    samples = [model.spec.input.hard()[:1] for model in models]
    times = timings(
        models, samples, seconds=ROUND_SECONDS, on_round=lambda turn: on_progress("measure latency", turn, ROUNDS)
    )
    rows = tuple(
        Row(
            bundle.path.name, name, model.engine.version, quality, count, bundle.manifest.files[name].size,
            float(np.median(runs)),
        )
        for (bundle, name, _), model, (quality, count), runs in zip(files, models, qualities, times, strict=True)
    )  # fmt: skip
    notes = []
    fingerprints = {b.manifest.card.data.fingerprint if b.manifest.card.data else str(b.path) for b in bundles}
    if data is None and len(fingerprints) > 1:
        notes.append("measured on different data sets, each on its own validation split: give --data to measure on one")
    return Comparison(rows, outputs[0].metric, outputs[0].better, tuple(notes))


def picture(found: Comparison) -> bytes:
    """Draw the comparison, as PNG."""
    from zoo import plots

    names = [f"{row.bundle} {Path(row.file).suffix}" for row in found.rows]
    return plots.comparison(
        names,
        [row.quality for row in found.rows],
        found.metric,
        [row.size / 1000 for row in found.rows],
        [row.latency * 1000 for row in found.rows],
    )
