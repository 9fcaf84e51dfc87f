"""Run mutated files through the library, in processes whose death is a failure.

A case is told by kind, seed and number; ``--only NUMBER`` runs one again and keeps its file.
"""

from __future__ import annotations

import argparse
import json
import os
import select
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from tests.fuzz.cases import FIXTURES, KILLER, KINDS, outcome

LIMIT = 60
"""Seconds by the clock without a sign of life, on a busy machine too; `Report.slowest` has the tighter measure."""


@dataclass
class Report:
    """What became of the cases of one kind.

    Args:
        counts: How many were answered, and how many refused with each error.
        failures: What should never be, by case.
        killers: The cases whose file killed the child that tried it, as is its purpose.
        slowest: The longest case, in seconds of computing of the process that must not hang.
    """

    counts: Counter[str] = field(default_factory=Counter)
    failures: dict[int, str] = field(default_factory=dict)
    killers: list[int] = field(default_factory=list)
    slowest: float = 0.0


def run(kind: str, count: int, seed: int, bundles: list[Path], workers: int = 2) -> Report:
    """Run `count` cases in worker processes, each with every `workers`-th case."""
    report = Report()
    with tempfile.TemporaryDirectory() as folder:
        slots = [_Worker(kind, seed, range(first, count, workers), bundles, Path(folder)) for first in range(workers)]
        running = list(slots)
        while running:
            ready, _, _ = select.select([slot.output for slot in running], [], [], 1)
            for slot in [*running]:
                if not slot.listen(slot.output in ready, report):
                    running.remove(slot)
    return report


class _Worker:
    """A process that says before each case which it is, and after it what became of it."""

    def __init__(self, kind: str, seed: int, numbers: range, bundles: list[Path], folder: Path) -> None:
        self.kind, self.seed, self.bundles, self.folder = kind, seed, bundles, folder
        self._start(numbers)

    def _start(self, numbers: range) -> None:
        self.numbers, self.at = numbers, numbers.start
        words = [self.kind, self.seed, numbers.start, numbers.stop, numbers.step, *self.bundles]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.fuzz.worker", *map(str, words)], stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, env={**os.environ, "TMPDIR": str(self.folder), "OMP_NUM_THREADS": "1"},
        )  # fmt: skip
        self.output, self.rest = self.process.stdout.fileno(), b""
        self.last = time.monotonic() + LIMIT  # importing takes its time

    def listen(self, ready: bool, report: Report) -> bool:
        """Take the lines that are there; tell whether more will come."""
        if ready:
            part = os.read(self.output, 65536)
            if part:
                self.last = time.monotonic()
                *lines, self.rest = (self.rest + part).split(b"\n")
                for line in lines:
                    self._note(json.loads(line), report)
                return True
            status = self.process.wait()
            if status == 0:
                return False
            report.failures[self.at] = f"the process ended with status {status}"
        elif time.monotonic() - self.last > LIMIT:
            self.process.kill()
            self.process.wait()
            report.failures[self.at] = f"no sign of life for {LIMIT} s"
        else:
            return True
        rest = range(self.at + self.numbers.step, self.numbers.stop, self.numbers.step)
        if rest:
            self._start(rest)
        return bool(rest)

    def _note(self, said: dict[str, object], report: Report) -> None:
        self.at = int(str(said["case"]))
        if "failure" in said:
            report.failures[self.at] = str(said["failure"])
        elif "outcome" in said:
            report.counts[str(said["outcome"])] += 1
            if said["outcome"] == KILLER:
                report.killers.append(self.at)
            report.slowest = max(report.slowest, float(str(said["seconds"])))


def main() -> None:
    """Fuzz one kind or all."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--kind", choices=KINDS, action="append", help="default: all")
    parser.add_argument("--count", type=int, default=1000, help="cases of each kind (default 1000)")
    parser.add_argument("--seed", type=int, default=0, help="default 0")
    parser.add_argument("--bundle", type=Path, action="append", default=[], help="one more bundle to mutate")
    parser.add_argument("--only", type=int, help="run this case alone, in this process")
    options = parser.parse_args()
    bundles = [*sorted(FIXTURES.glob("format-*")), *options.bundle]
    failed = False
    for kind in options.kind or KINDS:
        if options.only is not None:
            folder = Path(tempfile.mkdtemp())
            made = KINDS[kind](folder, bundles)
            data, extra = made.mutate(Random(f"{kind} {options.seed} {options.only}"))
            (folder / "case").write_bytes(data)
            print(f"{folder / 'case'}: {len(data)} bytes, with {extra}", flush=True)
            try:
                print(outcome(made, data, extra))
            except Exception:
                traceback.print_exc()
            continue
        start = time.monotonic()
        report = run(kind, options.count, options.seed, bundles)
        took = time.monotonic() - start
        shown = ", ".join(f"{name} {number}" for name, number in report.counts.most_common())
        print(f"{kind}: {options.count} in {took:.0f} s, slowest {report.slowest:.1f} s: {shown}", flush=True)
        if report.killers:
            print(f"  {KILLER}: --only {', '.join(map(str, sorted(report.killers)[:20]))}", flush=True)
        for case, why in sorted(report.failures.items()):
            print(f"  FAILED --kind {kind} --seed {options.seed} --only {case}: {why}", flush=True)
        failed = failed or bool(report.failures)
    sys.exit(failed)


if __name__ == "__main__":
    main()
