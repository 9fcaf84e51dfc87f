"""Whether micro-batches make a model faster on this machine: many callers at once, with them and without."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from runtime.candidates import open_candidate
from runtime.concurrency.threads import usable_cpus
from runtime.frozen_dataclass import frozen_dataclass
from runtime.inputs import ImageInput
from runtime.measurements import measured, opening
from runtime.tensors import select

if TYPE_CHECKING:
    from runtime.candidates import Candidate, OpenSettings
    from runtime.model import Model

MEASURE_VERSION = "1"
"""Raised with every change to what is measured, so that earlier results don't count any more."""
CALLERS = 8
ROUNDS = 3
SECONDS = 0.08
"""How long the callers call in a round."""
GAIN = 1.05
"""How many times as many answers micro-batches must give: less is noise."""


@frozen_dataclass
class BatchingSpeed:
    """How many inputs a second `CALLERS` get answered.

    Args:
        single: Each input run by itself.
        batched: The inputs of callers that wait at the same time run as one batch.
    """

    single: float
    batched: float


def with_batching_if_faster(model: Model, choice: Candidate, settings: OpenSettings) -> Model:
    """Return a model that merges the inputs of several callers where that measures faster here, else `model` itself.

    Args:
        model: The model as it was opened.
        choice: Its file.
        settings: How it was opened.

    Raises:
        EngineError: If the engine fails.
    """
    if model.file_spec.batch is not None or model.spec.input.kind == "sequence":
        return model  # batches of one size can't be merged, and sequences seldom have one length
    wider: OpenSettings = {**settings, "threads": settings.get("threads") or usable_cpus()}

    @cache
    def merging() -> Model:
        return replace(open_candidate(choice, model.engine_name, **wider), batching=True)

    depends = (MEASURE_VERSION, opening(choice, model.engine_name, settings))
    speed = measured(BatchingSpeed, depends, lambda: _measure(model, merging()))
    return merging() if speed.batched > GAIN * speed.single else model


def _measure(model: Model, merging: Model) -> BatchingSpeed:
    """Let callers call both in turns; what counts is each one's best round, which others disturbed least."""
    sample: Any = select(model.spec.input.edge_cases(), 0)
    if isinstance(model.spec.input, ImageInput):
        sample = model.spec.read(np.asarray(sample))  # with its placement, where the task needs that
    with ThreadPoolExecutor(CALLERS) as pool:
        rates = [(_rate(model, sample, pool), _rate(merging, sample, pool)) for _ in range(1 + ROUNDS)][1:]
    single, batched = zip(*rates, strict=True)
    return BatchingSpeed(max(single), max(batched))


def _rate(model: Model, sample: Any, pool: ThreadPoolExecutor) -> float:
    """Return how many answers a second the callers get."""
    together = threading.Barrier(CALLERS)

    def calls(_: int) -> int:
        together.wait()
        end, count = time.perf_counter() + SECONDS, 0
        while not count or time.perf_counter() < end:
            model.predict_sample(sample)
            count += 1
        return count

    start = time.perf_counter()
    count = sum(pool.map(calls, range(CALLERS)))
    return count / (time.perf_counter() - start)
