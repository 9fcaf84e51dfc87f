"""Bundles side by side: accuracy, size and latency of each file."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from runtime import Bundle, EngineError, OptionError, load
from runtime.native_output import suppress_output
from runtime.progress import Progress, silent
from runtime.tensors import select
from runtime.timing import ROUND_SECONDS, ROUNDS, timings
from zoo.measure.evaluate import evaluate
from zoo.resolve import display_name, resolve

if TYPE_CHECKING:
    from runtime import Model
    from runtime.bundle import ModelFile


@dataclass(frozen=True)
class Row:
    """One model file.

    Args:
        bundle: Its bundle.
        file: Its name.
        engine: What ran it, with version; empty where nothing here does.
        quality: The task's metric; None where it is unknown.
        samples: On how many samples.
        size: In bytes.
        latency: Of one sample, without reading it, in seconds: the median; None where nothing here runs it.
        note: Why a figure is missing; empty otherwise.
    """

    bundle: str
    file: str
    engine: str
    quality: float | None
    samples: int
    size: int
    latency: float | None
    note: str = ""


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
    on_progress: Progress = silent,
    *,
    trusted: bool = False,
) -> Comparison:
    """Compare every file of several bundles; their latencies are measured in turns, so that noise hits all alike.

    Args:
        paths: Bundles' folders, or models' names.
        data: The data set to measure all of them on; by default each has the figure of its own validation split.
        target: The column to tell from the others, of data with columns.
        on_progress: Called with what is being done, how much is done, and how much there is.
        trusted: See `runtime.load`.

    Raises:
        OptionError: If their tasks have different metrics, or none has a figure and no data is given.
        BundleError: If a bundle can't be trusted or read.
    """
    bundles = [Bundle.read(resolve(path)) for path in paths]
    outputs = [bundle.manifest.model.output for bundle in bundles]
    if len({output.metric for output in outputs}) > 1:
        metrics = ", ".join(f"{display_name(b.path)} {o.metric}" for b, o in zip(bundles, outputs, strict=True))
        raise OptionError(f"these bundles can't be compared, their metrics differ: {metrics}")
    files = [
        (bundle, name, entry)
        for bundle in bundles
        for name, entry in bundle.manifest.models.items()
        if not entry.spec.state
    ]
    rows = []
    models: dict[int, Model] = {}
    for at, (bundle, name, entry) in enumerate(files):
        on_progress("open the files", at, len(files))
        row = Row(display_name(bundle.path), name, "", None, 0, bundle.manifest.files[name].size, None)
        try:
            with suppress_output():
                models[at] = load(bundle.path / name, trusted=trusted)
            row = replace(row, engine=models[at].engine.version)
        except EngineError as problem:
            row = replace(row, note=str(problem))
        rows.append(_measured(row, entry) if data is None else row)
    if data is None and all(row.quality is None for row in rows):
        raise OptionError("none of these bundles has a figure of its own; give data to measure on: --data NAME:PATH")
    for at in models if data is not None else ():
        bundle, name, _ = files[at]
        path = bundle.path / name
        measured = evaluate(path, str(data), target=target, trusted=trusted, on_progress=on_progress).results
        rows[at] = replace(rows[at], quality=measured["metrics"][outputs[0].metric], samples=measured["samples"])
    times = (
        timings(
            list(models.values()),
            [select(model.spec.input.edge_cases(), slice(1)) for model in models.values()],
            seconds=ROUND_SECONDS,
            on_round=lambda turn: on_progress("measure latency", turn, ROUNDS),
        )
        if models
        else []
    )
    for at, runs in zip(models, times, strict=True):
        rows[at] = replace(rows[at], latency=float(np.median(runs)))
    notes = []
    fingerprints = {b.manifest.card.data.fingerprint if b.manifest.card.data else str(b.path) for b in bundles}
    if data is None and len(fingerprints) > 1:
        notes.append("measured on different data sets, each on its own validation split: give --data to measure on one")
    return Comparison(tuple(rows), outputs[0].metric, outputs[0].better, tuple(notes))


def _measured(row: Row, entry: ModelFile) -> Row:
    """Return a row with the figure that was measured when its file was exported."""
    if entry.parity is None or entry.parity.exported is None:
        return replace(row, note=row.note or "has no figure of its own: give data to measure on")
    return replace(row, quality=entry.parity.exported, samples=entry.parity.samples)


def picture(comparison: Comparison) -> bytes:
    """Draw the comparison of the files with all figures, as PNG; empty where there are none."""
    from zoo.report import plots

    rows = [row for row in comparison.rows if row.quality is not None and row.latency is not None]
    if not rows:
        return b""
    names = [f"{row.bundle} {row.file}" for row in rows]
    return plots.comparison(
        names,
        [row.quality or 0.0 for row in rows],
        comparison.metric,
        [row.size / 1000 for row in rows],
        [(row.latency or 0.0) * 1000 for row in rows],
    )
