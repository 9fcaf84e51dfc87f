"""A trained network's answers, and what they are worth."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from runtime.postprocess import measure
from runtime.tensors import concatenate, map_tensors

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

    from runtime.tasks import Output
    from runtime.tensors import Tensors
    from zoo.tasks import Task

BATCH = 64
"""Samples that are answered at a time, at most."""
BATCH_VALUES = 2**20
"""Values of inputs that are answered at a time: twice as many take more than twice as long, for caches overflow."""


def raw_outputs(output: Output, result: Any) -> list[Any]:
    """Return the tensors that a network gives as a task takes them: one alone, several as a dict by their names.

    Args:
        output: The task's output.
        result: A tensor, or a tuple of the task's tensors and then those of auxiliary heads.

    Returns:
        The network's own outputs, and those of each auxiliary head.
    """
    names = [tensor.name for tensor in output.tensors]
    tensors = result if isinstance(result, tuple) else (result,)
    if len(names) == 1:
        return [*tensors]
    heads = range(0, len(tensors), len(names))
    return [dict(zip(names, tensors[at : at + len(names)], strict=True)) for at in heads]


def outputs(module: torch.nn.Module, inputs: NDArray[Any], output: Output) -> Tensors:
    """Return a network's raw outputs ``float32 [samples, ...]`` in evaluation mode on the CPU.

    Args:
        module: Takes ``[batch, *input.shape]`` as a device gives it.
        inputs: ``[samples, *input.shape]``.
        output: The task's output, which names the tensors.
    """
    import torch

    def forward(batch: NDArray[Any]) -> Tensors:
        own, *_ = raw_outputs(output, module(torch.from_numpy(batch)))
        return map_tensors(lambda tensor: np.asarray(tensor.float().numpy()), own)

    with torch.inference_mode():
        return batched(forward, inputs)


def batched(forward: Callable[[NDArray[Any]], Tensors], inputs: NDArray[Any]) -> Tensors:
    """Return what `forward` gives for all inputs, some at a time."""
    size = batch_size(inputs)
    return concatenate([forward(np.array(inputs[at : at + size])) for at in range(0, len(inputs), size)])


def batch_size(inputs: NDArray[Any]) -> int:
    """Return how many of some inputs are answered at a time."""
    return max(1, min(BATCH, BATCH_VALUES // max(1, math.prod(inputs.shape[1:]))))


def score(
    known: Task, output: Output, raw: Tensors, targets: NDArray[Any], train_targets: NDArray[Any] | None
) -> dict[str, Any]:
    """Measure answers.

    Args:
        known: The task.
        output: The task's output.
        raw: Raw outputs ``float32 [samples, ...]``.
        targets: What is right, ``[samples, ...]``.
        train_targets: What the network was trained on, to know what an answer that ignores the input is worth; None
            takes that from `targets`.

    Returns:
        ``samples``, ``metrics`` (name: value), ``baseline`` (the task's metric of such an answer), and for tasks with
        labels ``classes`` and perhaps ``confusion`` (rows are targets, columns answers).
    """
    constant = known.baseline(output, targets if train_targets is None else train_targets)
    guesses = map_tensors(lambda array: np.broadcast_to(array, (len(targets), *array.shape)), constant)
    baseline = measure(output, guesses, targets)
    return {"samples": len(targets), "baseline": float(baseline), **known.report(output, raw, targets)}
