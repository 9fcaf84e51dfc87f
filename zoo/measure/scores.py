"""A trained network's answers, and what they are worth."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

    from runtime.tasks import Output
    from zoo.tasks import Task

BATCH = 64


def outputs(module: torch.nn.Module, inputs: NDArray[Any]) -> NDArray[np.float32]:
    """Return a network's raw outputs ``float32 [samples, ...]`` in evaluation mode on the CPU.

    Args:
        module: Takes ``[batch, *input.shape]`` as a device gives it.
        inputs: ``[samples, *input.shape]``.
    """
    import torch

    def forward(batch: NDArray[Any]) -> NDArray[np.float32]:
        return np.asarray(module(torch.from_numpy(batch)).float().numpy())

    with torch.inference_mode():
        return batched(forward, inputs)


def batched(forward: Callable[[NDArray[Any]], NDArray[np.float32]], inputs: NDArray[Any]) -> NDArray[np.float32]:
    """Return what `forward` gives for all inputs, some at a time."""
    return np.concatenate([forward(np.array(inputs[at : at + BATCH])) for at in range(0, len(inputs), BATCH)])


def score(
    known: Task, output: Output, raw: NDArray[np.float32], targets: NDArray[Any], train_targets: NDArray[Any] | None
) -> dict[str, Any]:
    """Measure answers.

    Args:
        known: The task.
        output: The task's output.
        raw: Raw outputs ``float32 [samples, *output.shape]``.
        targets: What is right, ``[samples, ...]``.
        train_targets: What the network was trained on, to know what an answer that ignores the input is worth; None
            takes that from `targets`.

    Returns:
        ``samples``, ``metrics`` (name: value), ``baseline`` (the task's metric of such an answer), and for tasks with
        labels ``classes`` and perhaps ``confusion`` (rows are targets, columns answers).
    """
    constant = known.baseline(output, targets if train_targets is None else train_targets)
    baseline = output.measure(np.repeat(constant[None], len(targets), 0), targets)
    return {"samples": len(targets), "baseline": float(baseline), **known.report(output, raw, targets)}
