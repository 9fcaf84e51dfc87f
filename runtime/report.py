"""The devices and engines that an opened model really runs on."""

from __future__ import annotations

import statistics
import time
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from runtime.frozen_dataclass import frozen_dataclass
from runtime.opened_file import OpenedFile
from runtime.tensors import select

if TYPE_CHECKING:
    from runtime.engines import NodePlacement
    from runtime.opened_file import Opening
    from runtime.runner import GraphRunner

RUNS = 5


@frozen_dataclass
class Report:
    """What an opened model really runs on.

    Args:
        file: The model file's name.
        precision: Of its weights and activations.
        engine: The library and its version.
        device: Where it was opened.
        threads: CPU threads of the engine.
        parts: What each execution provider or delegate runs.
        load_seconds: What the engine took to open the file.
        warm_up_seconds: What the first run takes.
        run_seconds: What a later run takes, the median of a few.
        skipped: Why each engine and device that ``auto`` passed over is not the one.
    """

    file: str
    precision: str
    engine: str
    device: str
    threads: int
    parts: tuple[NodePlacement, ...]
    load_seconds: float
    warm_up_seconds: float
    run_seconds: float
    skipped: tuple[str, ...]

    @property
    def off_cpu(self) -> float:
        """The share of the compute that is not on the CPU, 0 to 1."""
        return sum(part.share for part in self.parts if part.device != "cpu")

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON values."""
        return {**asdict(self), "off_cpu": self.off_cpu}


def report(runner: GraphRunner, opening: Opening, load_seconds: float, skipped: tuple[str, ...]) -> Report:
    """Measure an opened model file; see `runtime.model.Model.report`.

    Args:
        runner: The opened file.
        opening: How it was opened, so that it can be opened again.
        load_seconds: What the engine took to open it.
        skipped: Why each engine and device that ``auto`` passed over is not the one.
    """
    parts = opening.placement()
    fresh = replace(runner, engine=OpenedFile(opening))
    sample = select(runner.spec.input.edge_cases(), slice(1))
    sample = select(sample, np.s_[:, :1]) if runner.file_spec.state else sample
    seconds = []
    for _ in range(1 + RUNS):
        start = time.perf_counter()
        fresh.forward(sample)
        seconds.append(time.perf_counter() - start)
    return Report(
        runner.file_name,
        runner.file_spec.precision,
        runner.engine.version,
        runner.engine.device,
        runner.engine.threads,
        parts,
        load_seconds,
        seconds[0],
        statistics.median(seconds[1:]),
        skipped,
    )
