"""The activation at a graph's end: none, which leaves logits, or a softmax or sigmoid, which makes probabilities.

One rule serves modules in PyTorch (`export.dispatch`) and files of other projects (`zoo.imports.graphs`). Neither a
graph nor its outputs suffice: logits may happen to lie between 0 and 1, and a softmax may stand inside attention or run
over another axis. So the graph says whether its outputs can be probabilities, and its outputs for real samples say
whether they are.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from runtime.tasks import CTC, Activation, Binary, Classification, MultiLabel, Output

if TYPE_CHECKING:
    from numpy.typing import NDArray

T = TypeVar("T", bound=Hashable)

UNIT = 1e-3
"""How far the sum of probabilities may be from 1."""
LAYERS = ("conv", "mm", "matmul", "fullyconnected", "einsum", "attention", "lstm", "gru", "rnn", "norm")
"""Parts of the names of operators whose values have no bounds, whatever they take."""
SQUASHES = {"softmax": "softmax", "sigmoid": "sigmoid", "logistic": "sigmoid"}
"""Parts of the names of operators that give probabilities, and what they are called here."""
OPAQUE = {"if", "loop", "scan", "while", "call", "custom", "stablehlocomposite"}
"""Operators whose inside is not looked into."""


@dataclass(frozen=True, eq=False)
class Operator:
    """An operator of a graph, or the graph's input.

    Args:
        kind: Its name in small letters alone: ``logsoftmax``.
        inputs: What made those of its inputs that depend on the graph's input; constants are left out.
    """

    kind: str
    inputs: tuple[Operator, ...] = ()


class Tape:
    """The operators of a graph, added in the order in which they run.

    Args:
        inputs: What the tensors go by that the graph takes.
    """

    def __init__(self, inputs: Iterable[Hashable]) -> None:
        self._made: dict[Hashable, Operator] = {name: Operator("input") for name in inputs}

    def add(self, kind: str, inputs: Iterable[Hashable], outputs: Iterable[Hashable]) -> None:
        """Add an operator with what its tensors go by."""
        computed = dict.fromkeys(self._made[name] for name in inputs if name in self._made)
        if computed:
            plain = "".join(char for char in kind.lower() if char.isalnum()).removeprefix("qlinear")
            self._made.update(dict.fromkeys(outputs, Operator(plain, tuple(computed))))

    def makers(self, names: Iterable[T]) -> dict[T, Operator]:
        """Return what made each tensor; those of which the graph doesn't tell are left out."""
        return {name: self._made[name] for name in names if name in self._made}


def with_activation(output: Output, end: Operator | None, raw: NDArray[np.float32], step: float = 0.0) -> Output:
    """Return an output that says what its graph ends in. An activation that it names already is checked.

    Args:
        output: The task.
        end: The operator that makes the graph's output; None where it is unknown.
        raw: The graph's outputs for real samples, ``float32 [samples, *output.shape]``.
        step: How far two neighbouring values are apart where the outputs are rounded to integers.

    Raises:
        ValueError: If the graph ends in the logarithm of a probability, or in something else than `output` says.
    """
    if not isinstance(output, Classification | Binary | MultiLabel | CTC):
        return output
    activation = _activation(output, end, raw, step)
    if output.activation == "none":
        return replace(output, activation=activation)
    if not _inside(raw, step) or (output.activation == "softmax" and not _sums_to_one(raw, step)):
        raise ValueError(
            f"the output says that the graph contains a {output.activation}, but its values for the samples lie from "
            f"{raw.min():.4g} to {raw.max():.4g}" + (" and don't sum to 1" if output.activation == "softmax" else "")
        )
    return output


def _activation(
    output: Classification | Binary | MultiLabel | CTC, end: Operator | None, raw: NDArray[np.float32], step: float
) -> Activation:
    one_of_several = isinstance(output, Classification | CTC)
    tail = {"unknown"} if end is None else _tail(end)
    if "log" in tail:
        if not tail & {"softmax", "sigmoid"} or raw.max() > UNIT + step:
            return "none"
        if one_of_several and _sums_to_one(np.exp(raw), step):
            return "none"  # a softmax makes the same probabilities of a log-softmax as of its logits
        raise ValueError(
            "the graph ends in the logarithm of a probability: leave out the logarithm, or end it in logits"
        )
    if not tail or not _inside(raw, step):
        return "none"
    if one_of_several and _sums_to_one(raw, step):
        return "softmax"
    squashes = tail - {"div"}
    if one_of_several:
        by_itself = isinstance(output, Classification) and squashes and squashes <= {"sigmoid", "exp"}
        return "sigmoid" if by_itself else "none"
    return "softmax" if squashes == {"softmax"} else "sigmoid" if squashes else "none"


def _tail(end: Operator) -> set[str]:
    """Return what comes behind the last layers of a graph: ``softmax``, ``sigmoid``, ``exp``, ``div``, ``log``.

    ``div`` is a division by something computed, perhaps by a sum; ``unknown`` is what may be any of them.
    """
    kinds, seen, rest = set[str](), set[Operator](), [end]
    while rest:
        operator = rest.pop()
        if operator in seen:
            continue
        seen.add(operator)
        kind = operator.kind
        squash = next((name for part, name in SQUASHES.items() if part in kind), "exp" if kind == "exp" else None)
        if kind.startswith("log") and kind != "logistic":
            kinds.add("log")
        if kind == "div" and len(operator.inputs) > 1:
            kinds.add("div")
        if squash or kind in OPAQUE:
            kinds.add(squash or "unknown")
        elif kind == "mul" and len(operator.inputs) > 1:
            continue  # gates and attention weigh values that have no bounds
        elif not any(name in kind for name in LAYERS):
            rest += operator.inputs
    return kinds


def _inside(raw: NDArray[np.float32], step: float) -> bool:
    slack = max(UNIT, step)
    return bool(raw.min() >= -slack and raw.max() <= 1 + slack)


def _sums_to_one(raw: NDArray[np.float32], step: float) -> bool:
    slack = UNIT + min(0.25, step * raw.shape[-1] / 2)  # each is rounded by itself
    return raw.shape[-1] > 1 and bool(np.abs(raw.sum(axis=-1) - 1).max() <= slack)
