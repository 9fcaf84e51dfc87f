"""Images a second of a Ray cluster on this machine, once it runs: two workers against one, and against one process.

``python -m benchmarks.cluster [BUNDLE]`` runs it where the extra ``cluster`` is installed; the table of
``python -m benchmarks`` goes without.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

import zoo
from benchmarks.measure import Row, rate_row, show
from benchmarks.pipeline import photos
from zoo.cluster import predict
from zoo.cluster.job import connect

SIZE, COUNT, ROUNDS = (640, 480), 2000, 3
SKIPPED = 1000
"""Answers before the clock starts: workers import libraries and open the model, and those of the worker that was ready
first wait for their turn."""


def rate(answers: Iterable[object]) -> float:
    """Return answers a second after the first `SKIPPED`, of which there are `COUNT`."""
    start = 0.0
    for count, _ in enumerate(answers, 1):
        if count == SKIPPED:
            start = time.perf_counter()
    return (count - SKIPPED) / (time.perf_counter() - start)


def rows(bundle: str, folder: Path) -> list[Row]:
    """Measure in alternation."""
    files = list(map(str, photos(folder, SIZE, 500))) * ((COUNT + SKIPPED) // 500)
    model = zoo.load(bundle)
    ways = {
        "two workers": lambda: predict(files, bundle, workers=2).iter_rows(),
        "one worker": lambda: predict(files, bundle, workers=1).iter_rows(),
        "one process": lambda: model.attempt(files),
    }
    rates: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, answers in ways.items():
            rates[name].append(rate(answers()))
    medians = {name: statistics.median(values) for name, values in rates.items()}
    return [
        rate_row(f"{COUNT} JPEGs, two workers against {other}", medians["two workers"], medians[other], bar)
        for other, bar in (("one worker", 1.7), ("one process", 0.9))
    ]


def main() -> None:
    """Print ours, the baseline, the ratio and the bar."""
    connect(None)
    with tempfile.TemporaryDirectory() as folder:
        table = rows(*(sys.argv[1:2] or ["mnist-cnn"]), Path(folder) / "photos")
    show("a Ray cluster on one machine", table, as_json=False)


if __name__ == "__main__":
    main()
