"""Pairs of a freshly converted file's tensors and PyTorch's operations, matched by values in any order of axes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import permutations
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

TOLERANCE = 1e-4
"""How far the values of one tensor may be apart, relative to its largest: sums in another order, and nothing worse."""
ALIKE = 2e-6
"""Differences below this say nothing: they decide between no two operations."""


@dataclass(frozen=True)
class Match:
    """A tensor of a file that has an operation's values.

    Args:
        node: The operation.
        axes: The order that the file has its axes in.
        shape: The file's shape of it, for a batch of one.
    """

    node: str
    axes: tuple[int, ...]
    shape: tuple[int, ...]

    def laid_out(self, value: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return an operation's value as the file has it."""
        return np.ascontiguousarray(value.transpose(self.axes)).reshape(self.shape)


def match(wanted: Mapping[str, NDArray[np.float32]], tensors: Mapping[str, NDArray[np.float32]]) -> dict[str, Match]:
    """Pair tensors with the operations whose values they hold.

    Args:
        wanted: What each operation gives, in execution order; of those that are alike the first is taken.
        tensors: What the file's tensors hold, for the same sample.
    """
    lengths = {node: float(np.linalg.norm(value)) for node, value in wanted.items()}
    pairs = {}
    for name, value in tensors.items():
        length, best = float(np.linalg.norm(value)), TOLERANCE
        for node, reference in wanted.items():
            near = abs(length - lengths[node]) <= TOLERANCE * lengths[node]
            if reference.size != value.size or not lengths[node] or not near:
                continue
            gap, axes = min((_gap(reference, axes, value), axes) for axes in _orders(reference.shape))
            gap = max(gap, ALIKE)
            if gap < best:
                best, pairs[name] = gap, Match(node, axes, value.shape)
    return pairs


def _orders(shape: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """Return the orders of axes that differ in more than where axes of size 1 stand, the one they have first."""
    short = [axis for axis, size in enumerate(shape) if size == 1]
    for order in permutations(axis for axis, size in enumerate(shape) if size > 1):
        yield (*short, *order)


def _gap(wanted: NDArray[np.float32], axes: tuple[int, ...], tensor: NDArray[np.float32]) -> float:
    return float(np.abs(wanted.transpose(axes).ravel() - tensor.ravel()).max() / np.abs(wanted).max())
