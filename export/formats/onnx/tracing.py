"""A graph as the program that torch's ONNX exporter takes."""

from __future__ import annotations

from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import torch

from export.formats.onnx.decompositions import decomposed
from export.formats.onnx.recurrent import as_operators
from export.tracing import Traced, trace

if TYPE_CHECKING:
    from export.formats import Graph

_TRACED: WeakKeyDictionary[Graph, Traced] = WeakKeyDictionary()
"""The programs of graphs in use: tracing takes seconds, and the converter and the gate need the same program."""


def traced(graph: Graph) -> Traced:
    """Return a graph's module as a program, with the graph's axes open.

    Raises:
        ExportError: If one of them can't be.
        Exception: The error that the module raises.
    """
    if graph not in _TRACED:
        examples = {name: torch.from_numpy(array.copy()) for name, array in graph.inputs.items()}
        with decomposed():
            _TRACED[graph] = trace(as_operators(graph.module), examples, graph.axes)
    return _TRACED[graph]
