"""What an opened model really runs on."""

from __future__ import annotations

import statistics
import time
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from runtime.opening import OpenedFile
from runtime.record import record

if TYPE_CHECKING:
    from runtime.engines import Part
    from runtime.model import Model

RUNS = 5


@record
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
    parts: tuple[Part, ...]
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


def report(model: Model) -> Report:
    """Measure an opened model; see `runtime.model.Model.report`."""
    if model.opening is None:
        raise ValueError("a model that was put together by hand can't be opened again")
    parts = model.opening.placement()
    fresh = replace(model, engine=OpenedFile(model.opening))
    sample = model.spec.input.hard()[:1]
    sample = sample[:, :1] if model.file_spec.state else sample
    seconds = []
    for _ in range(1 + RUNS):
        start = time.perf_counter()
        fresh.forward(sample)
        seconds.append(time.perf_counter() - start)
    return Report(
        model.file.name,
        model.file_spec.precision,
        model.engine.version,
        model.engine.device,
        model.engine.threads,
        parts,
        model.load_seconds,
        seconds[0],
        statistics.median(seconds[1:]),
        model.skipped,
    )
