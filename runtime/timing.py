"""How long opened models take, measured in turns, so that whatever else the machine does hits all of them alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from runtime.model import Model
    from runtime.tensors import Tensors

ROUNDS = 15
ROUND_SECONDS = 0.05
PAUSE = 0.01
"""After a run ONNX Runtime's threads keep spinning for a moment; this long they are let come to rest, in seconds."""


def timings(
    models: Sequence[Model],
    inputs: Sequence[Tensors],
    *,
    rounds: int = ROUNDS,
    seconds: float = ROUND_SECONDS,
    on_round: Callable[[int], object] = lambda turn: None,
) -> list[list[float]]:
    """Return how long every single run took, in seconds.

    In each round every model runs for a while, one after the other. The first round warms up and doesn't count, nor
    does the first run of a turn: it finds the caches full of another model.

    Args:
        models: Opened models.
        inputs: What each of them runs on, as `Model.forward` takes it.
        rounds: How many rounds, of which one doesn't count.
        seconds: How long the turn of one model lasts, at least.
        on_round: Called with the round's number before it begins.

    Raises:
        EngineError: If an engine fails.
    """
    times: list[list[float]] = [[] for _ in models]
    for turn in range(max(2, rounds)):
        on_round(turn)
        for model, batch, runs in zip(models, inputs, times, strict=True):
            time.sleep(PAUSE)
            model.forward(batch)
            end, count = time.perf_counter() + seconds, len(runs)
            while len(runs) == count or time.perf_counter() < end:
                start = time.perf_counter()
                model.forward(batch)
                runs.append(time.perf_counter() - start)
            if turn == 0:
                runs.clear()
    return times


def latencies(
    models: Sequence[Model],
    sample: Tensors,
    *,
    rounds: int = ROUNDS,
    seconds: float = ROUND_SECONDS,
    on_round: Callable[[int], object] = lambda turn: None,
) -> list[float]:
    """Return the median time of one run of each model on the same sample, in seconds.

    Args:
        models: Opened models that take the same input.
        sample: A batch of one, as `Model.forward` takes it.
        rounds: See `timings`.
        seconds: See `timings`.
        on_round: See `timings`.

    Raises:
        EngineError: If an engine fails.
    """
    times = timings(models, [sample] * len(models), rounds=rounds, seconds=seconds, on_round=on_round)
    return [float(np.median(runs)) for runs in times]
