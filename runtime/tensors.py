"""Batches of tensors: one array where a model has one tensor, a dict of arrays by name where it has several.

A batch's arrays have the samples on their first axis. These functions do the same to each array, so that code which
only passes batches on needn't know how many tensors there are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Tensors = NDArray[Any] | dict[str, NDArray[Any]]
    """A batch, or one sample: an array, or arrays by name."""

T = TypeVar("T")


def map_tensors(function: Callable[[Any], T], tensors: Any) -> T | dict[str, T]:
    """Return the batch of what a function makes of each array."""
    if isinstance(tensors, dict):
        return {name: function(array) for name, array in tensors.items()}
    return function(tensors)


def select(batch: Tensors, index: Any) -> Tensors:
    """Return some samples of a batch: what indexing each array gives, for a slice or an array of indices."""
    if isinstance(batch, dict):
        return {name: array[index] for name, array in batch.items()}
    selected: NDArray[Any] = batch[index]
    return selected


def size(batch: Tensors) -> int:
    """Return the number of samples in a batch."""
    return len(next(iter(batch.values())) if isinstance(batch, dict) else batch)


def concatenate(batches: Sequence[Tensors]) -> Tensors:
    """Return one batch of the samples of several batches that have the same names and shapes."""
    return combine(np.concatenate, batches)


def stack(samples: Sequence[Tensors]) -> Tensors:
    """Return the batch of some samples that have the same names and shapes.

    Raises:
        ValueError: If their shapes differ.
    """
    return combine(np.stack, samples)


def combine(join: Callable[[Sequence[Any]], NDArray[Any]], parts: Sequence[Tensors]) -> Tensors:
    """Return what a function makes of the arrays of one name, for each name."""
    first = parts[0]
    if isinstance(first, dict):
        return {name: join([part[name] for part in parts]) for name in first}
    return join(parts)


def by_name(tensors: Tensors, names: Sequence[str]) -> dict[str, NDArray[Any]]:
    """Return the arrays by name; an array alone gets the only name."""
    return dict(tensors) if isinstance(tensors, dict) else {names[0]: tensors}


def in_order(tensors: Tensors) -> tuple[NDArray[Any], ...]:
    """Return the arrays in their order."""
    return tuple(tensors.values()) if isinstance(tensors, dict) else (tensors,)


def single(tensors: Tensors) -> NDArray[Any]:
    """Return the array of a model with one tensor, of which it is known that there is no other."""
    if isinstance(tensors, dict):
        raise TypeError(f"expected one tensor, got {', '.join(tensors)}")
    return tensors


def shapes(tensors: Tensors) -> tuple[tuple[int, ...], ...]:
    """Return the shape of each array."""
    return tuple(array.shape for array in tensors.values()) if isinstance(tensors, dict) else (tensors.shape,)
