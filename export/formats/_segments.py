"""Segments of a file's graph: the operators that lead from one tensor with known values to the next."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

FULL, HALF = 24, 11
"""Digits, in bits, of floating-point numbers of 32 and of 16 bits; integers have all their bits."""


@dataclass(frozen=True)
class Operator:
    """An operator of a file.

    Args:
        kind: The format's name of it.
        inputs: The tensors that it takes.
        outputs: The tensors that it gives.
        bits: Of the numbers that it works with; see `FULL`.
    """

    kind: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    bits: int


@dataclass(frozen=True)
class Segment:
    """The operators that compute a known tensor from other known tensors.

    Args:
        name: The tensor that it gives.
        kinds: Its operators in execution order, without those that only work on constants.
        starts: The known tensors that it takes; empty where it starts from the graph's inputs.
        bits: The fewest that one of its operators works with, those on constants included.
    """

    name: str
    kinds: tuple[str, ...]
    starts: tuple[str, ...]
    bits: int


def segments(
    operators: Sequence[Operator], ends: Mapping[str, str], starts: Mapping[str, str], graph_inputs: Iterable[str]
) -> tuple[Segment, ...]:
    """Cut a graph at known tensors.

    Args:
        operators: In execution order.
        ends: The tensors that a segment ends with, and their names.
        starts: The tensors that a segment starts from, and their names.
        graph_inputs: The graph's inputs.

    Returns:
        The segments in execution order.
    """
    maker = {tensor: index for index, operator in enumerate(operators) for tensor in operator.outputs}
    live = {*graph_inputs, *starts}  # what depends on the inputs; the rest are constants
    for operator in operators:
        if live.intersection(operator.inputs):
            live.update(operator.outputs)
    all_segments = []
    for tensor in sorted(live.intersection(ends), key=lambda end: maker.get(end, -1)):
        inside: set[int] = set()
        begun: dict[str, None] = {}
        waiting = [tensor] if tensor in maker else []
        while waiting:
            index = maker[waiting.pop()]
            if index in inside:
                continue
            inside.add(index)
            for source in operators[index].inputs:
                if source in starts:
                    begun[starts[source]] = None
                elif source in maker:
                    waiting.append(source)
        if inside:
            parts = [operators[index] for index in sorted(inside)]
            kinds = tuple(part.kind for part in parts if live.intersection(part.inputs))
            all_segments.append(Segment(ends[tensor], kinds, tuple(begun), min(part.bits for part in parts)))
    return tuple(all_segments)
