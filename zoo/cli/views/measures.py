"""Views of measurements: evaluations, comparisons, benchmarks, searches within a budget."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from runtime.humanize import ABSENT, figure, kilobytes, number
from zoo.cli.views.cells import bundle_line, finite, share, thousandth
from zoo.cli.views.training import show_scores, worth
from zoo.terminal import say_json
from zoo.terminal.console import console, say
from zoo.terminal.tables import table

if TYPE_CHECKING:
    from zoo.exporting.budget import SearchResult
    from zoo.measure.bench import Bench
    from zoo.measure.compare import Comparison
    from zoo.measure.evaluate import Evaluation
    from zoo.measure.evaluate_listening import ListeningEvaluation


def evaluation(evaluation: Evaluation, written: Sequence[Path]) -> None:
    """Show what a model is worth on data, and the files that say so."""
    model, output = evaluation.model, evaluation.model.spec.output
    title = f"{model.spec.name} ({model.file.name} on {model.engine.version}), {evaluation.data}"
    show_scores(title, output, {evaluation.split: evaluation.results})
    if evaluation.mistakes:
        rows = [(mistake.item, mistake.target, mistake.answer) for mistake in evaluation.mistakes]
        console.print(table("The worst mistakes", "item", "right", "answer", rows=rows))
    if evaluation.skipped:
        console.print(f"skipped  {len(evaluation.skipped)} that could not be read, which the figures leave out:")
        for reason in evaluation.skipped:
            console.print(f"  {reason}", markup=False, soft_wrap=True)
    note = worth(output, evaluation.results)
    if note:
        say(note, "yellow")
    if evaluation.note:
        say(evaluation.note, "yellow")
    say(f"written  {written[0].parent} ({', '.join(file.name for file in written)})")


def listening(evaluation: ListeningEvaluation, written: Sequence[Path]) -> None:
    """Show what a model heard in recordings, label by label, and the file that says so."""
    model, total = evaluation.model, evaluation.total
    rows = [
        (
            name,
            f"{score.words:,}",
            f"{len(score.found):,}",
            share(score.recall),
            f"{len(score.missed):,}",
            f"{len(score.false_alarms):,}",
            number(score.false_alarms_per_hour, 3),
        )
        for name, score in (
            *((label, total.of_label(label)) for label in evaluation.labels),
            ("all labels", total),
        )
    ]
    columns = ("label", "words", "found", "recall", "misses", "false alarms", "false alarms per hour")
    recordings = "1 recording" if len(evaluation.scores) == 1 else f"{len(evaluation.scores)} recordings"
    title = f"{model.spec.name} ({model.file.name} on {model.engine.version}), {recordings}, {total.seconds:,.1f} s"
    console.print(table(title, *columns, rows=rows, right=range(1, len(columns))))
    if total.delays:
        off = np.abs(total.delays)
        say(f"times    off by {np.median(off):.3f} s in the median, {off.max():.3f} s at most")
    say(f"written  {written[0]}")


def comparison(result: Comparison) -> None:
    """Show model files side by side."""
    sign = -1 if result.better == "max" else 1
    rows = [
        (
            row.bundle,
            row.file,
            ABSENT if row.quality is None else figure(result.metric, row.quality),
            ABSENT if row.quality is None else f"{row.samples:,}",
            kilobytes(row.size),
            thousandth(row.latency),
            row.engine,
            row.note,
        )
        for row in sorted(
            result.rows, key=lambda row: (row.latency is None, sign * (row.quality or 0), row.latency or math.inf)
        )
    ]
    columns = ("bundle", "file", result.metric.replace("_", " "), "samples", "kB", "ms a sample", "engine", "note")
    console.print(table("Best first", *columns, rows=rows, right=(2, 3, 4, 5)))
    for note in result.notes:
        say(note, "yellow")


def budget(result: SearchResult, json_wanted: bool) -> None:
    """Show what a search tried and what it chose."""
    if json_wanted:
        say_json(finite(asdict(result) | {"bundle": None if result.bundle is None else str(result.bundle)}))
        return
    rows = [
        (
            each.file,
            each.variant,
            ABSENT if each.metric is None else figure(result.metric, each.metric),
            ABSENT if each.drop is None else f"{each.drop:.2f}",
            share(each.agreement),
            ABSENT if each.size is None else kilobytes(each.size),
            thousandth(each.latency),
            each.rejected or "winner",
        )
        for each in result.tried
    ]
    columns = ("file", "options", result.metric.replace("_", " "), "drop %", "agreement", "kB", "ms", "why not")
    console.print(table("Tried, from cheap to dear", *columns, rows=rows, right=range(2, 7)))
    say(result.reason)
    if result.bundle is not None:
        bundle_line(result.bundle)


def bench(result: Bench) -> None:
    """Show what each file of a bundle costs here and what it is worth."""
    timed = [row for row in result.rows if row.latency is not None]
    rows = [
        (
            row.file,
            ABSENT if row.quality is None else figure(result.metric, row.quality),
            share(row.agreement),
            kilobytes(row.size),
            thousandth(row.load),
            ABSENT if row.memory is None else number(row.memory / 1e6, 3),
        )
        for row in result.rows
    ]
    metric = result.metric.replace("_", " ")
    columns = ("file", metric, "agreement", "kB", "load ms", "MB")
    on = f" on {result.data}" if result.data else ""
    console.print(table(f"What each file is worth{on}, and what it takes", *columns, rows=rows, right=range(1, 6)))
    speed = [
        (
            row.file,
            thousandth(row.latency),
            thousandth(row.p95),
            *(ABSENT if value is None else number(value, 3) for value in (row.throughput, row.throughput_8)),
            "recommended" if row.file == result.recommended else "slower than fp32" if row.slower else "",
        )
        for row in timed
    ]
    columns = ("file", "ms", "p95 ms", "a second", "in 8s", "here")
    console.print(
        table(
            "Median time of one sample; samples a second, one by one and in batches of 8",
            *columns,
            rows=speed,
            right=range(1, 5),
        )
    )
    for row in result.rows:
        for note in filter(None, (row.note, row.drift)):
            say(f"{row.file}: {note}", "yellow")
    for note in result.notes:
        say(note, "yellow")
    console.print(f"on       {', '.join(dict.fromkeys(row.engine for row in result.rows))}, CPU", soft_wrap=True)
