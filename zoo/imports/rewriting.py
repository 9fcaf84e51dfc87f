"""Files that can't stay as they are: inputs become constants, and audio with a state becomes two graphs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from runtime.spec import State
from zoo.imports.constants import with_constants
from zoo.imports.facts import ModelFacts
from zoo.imports.graphs import Graph
from zoo.imports.stream_graphs import step_graph, whole_graph
from zoo.imports.streams import stream_of


@dataclass(frozen=True)
class Step:
    """The step graph of a file that streams, and what it remembers."""

    data: bytes
    state: tuple[State, ...]


@dataclass(frozen=True)
class Rewritten:
    """A file as the bundle has it.

    Args:
        data: The file, byte for byte the one that was read where nothing had to change.
        graph: Its graph.
        reported: The facts that the caller knows, with those of the change.
        step: Its step graph; None where it does not stream.
    """

    data: bytes
    graph: Graph
    reported: ModelFacts
    step: Step | None = None


def rewrite(data: bytes, suffix: str, read: Callable[[bytes], Graph], reported: ModelFacts) -> Rewritten:
    """Return a file as the bundle has it.

    Args:
        data: The file.
        suffix: Of its name.
        read: What reads the graph of such a file.
        reported: The facts that the caller knows.

    Raises:
        BundleError: If it can't be read.
        ValueError: If a constant doesn't fit it, or it can't be described as a stream.
        MissingExtraError: If onnx is needed and not installed.
    """
    graph = read(data)
    if reported.constants:
        data = with_constants(data, suffix, graph, reported.constants)
        graph = read(data)
    stream = stream_of(graph, reported) if reported.input == "audio" else None
    if stream is None:
        return Rewritten(data, graph, reported)
    if suffix != "onnx":
        raise ValueError(f"files that hand on a state must be .onnx, not .{suffix}")
    step = step_graph(data, stream)
    whole = whole_graph(step, stream)
    # what runs inside the loop is what the file held
    seen = replace(read(whole), precision=graph.precision, ends=graph.ends)
    return Rewritten(whole, seen, replace(reported, hop=stream.input.hop), Step(step, stream.states))
