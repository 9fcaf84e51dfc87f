"""Time two callables in alternation, so that a noisy machine is equally unfair to both."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class Row:
    """One line of the table; `bar` is what the ratio (or the excess) must not pass."""

    name: str
    ours: str
    baseline: str
    result: str
    bar: str
    met: bool


def alternate(
    ours: Callable[[], object], baseline: Callable[[], object], rounds: int, inner: int = 1, pause: float = 0
) -> tuple[float, float]:
    """Return the median seconds of one call of each, over `rounds` rounds of `inner` calls, after a warm-up.

    Before each turn comes a `pause` in seconds, in which threads of the other that still spin come to rest.
    """
    times: tuple[list[float], list[float]] = ([], [])
    for turn in range(rounds + 2):
        pairs = list(zip((ours, baseline), times, strict=True))
        for function, kept in pairs if turn % 2 else reversed(pairs):
            time.sleep(pause)
            start = time.perf_counter()
            for _ in range(inner):
                function()
            if turn >= 2:
                kept.append((time.perf_counter() - start) / inner)
    return statistics.median(times[0]), statistics.median(times[1])


def seconds(value: float) -> str:
    """Write a time with a fitting unit."""
    return f"{value * 1e6:.1f} µs" if value < 1e-3 else f"{value * 1e3:.2f} ms" if value < 1 else f"{value:.2f} s"


def ratio_row(name: str, ours: float, baseline: float, bar: float) -> Row:
    """Return a row whose bar is a ratio."""
    return Row(name, seconds(ours), seconds(baseline), f"{ours / baseline:.3f}×", f"≤ {bar}×", ours / baseline <= bar)


def excess_row(name: str, ours: float, baseline: float, bar: float) -> Row:
    """Return a row whose bar is a difference in seconds."""
    excess = ours - baseline
    return Row(name, seconds(ours), seconds(baseline), f"+{seconds(excess)}", f"≤ +{seconds(bar)}", excess <= bar)


def rate_row(name: str, ours: float, baseline: float, bar: float) -> Row:
    """Return a row of rates per second, whose ratio must reach the bar."""
    ratio = ours / baseline
    return Row(name, f"{ours:.0f}/s", f"{baseline:.0f}/s", f"{ratio:.2f}×", f"≥ {bar}×", ratio >= bar)


def show(title: str, rows: Iterable[Row], as_json: bool) -> None:
    """Print a table, or JSON for scripts."""
    if as_json:
        print(json.dumps([asdict(row) for row in rows], indent=1, ensure_ascii=False))
        return
    table = Table("what", "ours", "baseline", "ratio", "bar", "met", title=title, box=SIMPLE)
    for row in rows:
        table.add_row(row.name, row.ours, row.baseline, row.result, row.bar, "yes" if row.met else "NO")
    Console(width=110).print(table)
