"""ONNX files that take audio hop by hop and hand on a state, as their graphs and the caller describe them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from runtime.errors import unknown
from runtime.inputs import AudioInput
from runtime.spec import State
from zoo.imports.facts import ModelFacts
from zoo.imports.graphs import Graph, Tensor

CONTEXT = "context"
"""The state that holds the last samples before a hop."""
CLIP = 0.125
"""Seconds that a clip has at least; few, for its answer is that after its last hop, and `zoo predict` listens to longer
recordings."""


@dataclass(frozen=True)
class Link:
    """A state of the file: its input, the output that holds the next value, and where its batch axis is."""

    input: Tensor
    following: str
    batch_axis: int

    @property
    def state(self) -> State:
        """The state as the contract has it, batch axis first."""
        sizes = [size for axis, size in enumerate(self.input.shape or ()) if axis != self.batch_axis]
        return State(self.input.name, tuple(size or 0 for size in sizes))

    @property
    def to_file(self) -> list[int]:
        """The order of axes that puts the batch axis where the file has it."""
        order = list(range(1, len(self.input.shape or ())))
        return [*order[: self.batch_axis], 0, *order[self.batch_axis :]]

    @property
    def from_file(self) -> list[int]:
        """The order of axes that puts the batch axis first."""
        return [self.batch_axis, *(axis for axis in range(len(self.input.shape or ())) if axis != self.batch_axis)]


@dataclass(frozen=True)
class Stream:
    """A file that streams.

    Args:
        audio: Its input of samples.
        input: What a clip and a hop of them are.
        answer: Its output that is the answer.
        links: Its states.
        context: How many earlier samples the file takes before a hop.
    """

    audio: Tensor
    input: AudioInput
    answer: Tensor
    links: tuple[Link, ...]
    context: int

    @property
    def states(self) -> tuple[State, ...]:
        """What the step graph remembers."""
        return (*(link.state for link in self.links), *([State(CONTEXT, (self.context,))] if self.context else []))

    @property
    def state_names(self) -> tuple[str, ...]:
        """The names of the step graph's inputs and outputs that hold the states."""
        return tuple(name for state in self.states for name in (state.name, state.following))

    @property
    def batch(self) -> int | str:
        """The size of the batch axis, or its name."""
        tensors = [self.audio, *(link.input for link in self.links)]
        axes = [0, *(link.batch_axis for link in self.links)]
        free = all(tensor.shape and tensor.shape[axis] is None for tensor, axis in zip(tensors, axes, strict=True))
        return "batch" if free else 1


def stream_of(graph: Graph, reported: ModelFacts) -> Stream | None:
    """Return how a file streams; None where it takes whole clips.

    Args:
        graph: The file's graph.
        reported: What the caller says: the rate, and the hop, the context and the output where the graph doesn't tell.

    Raises:
        ValueError: If the graph takes no audio, a state can't be described, or facts are missing or don't fit it.
    """
    audio = audio_of(graph)
    states = [tensor for tensor in graph.inputs if tensor is not audio]
    context = reported.context or 0
    if not states and not context:
        if reported.hop is not None:
            raise ValueError("--hop is for files that hand on a state or take a context: this one takes whole clips")
        return None
    if len(graph.outputs) != len(states) + 1:
        raise ValueError(
            f"it takes {', '.join(map(str, graph.inputs))} and gives {', '.join(map(str, graph.outputs))}: besides one "
            "answer it must give the next value of each state; fix inputs that are none, with --constant NAME=VALUE"
        )
    answer = _answer(graph, reported.output)
    links = _links(states, [tensor for tensor in graph.outputs if tensor is not answer], audio)
    hop = _hop(audio, reported.hop, context)
    clip = hop * max(2, math.ceil(CLIP * (reported.rate or 0) / hop))
    stream = Stream(audio, input_of(audio, reported.rate, clip, hop), answer, links, context)
    names = (audio.name, answer.name, *stream.state_names)
    if len(set(names)) < len(names):
        raise ValueError(f"its step graph would have two tensors of one name, of {', '.join(names)}: rename one before")
    return stream


def audio_of(graph: Graph) -> Tensor:
    """Return the input of samples, the first of two axes.

    Raises:
        ValueError: If there is none.
    """
    inputs = [tensor for tensor in graph.inputs if tensor.shape is not None and len(tensor.shape) == 2]
    if not inputs or inputs[0].dtype != "float32" or (inputs[0].shape or ())[0] not in (None, 1):
        raise ValueError(
            f"it takes {', '.join(map(str, graph.inputs)) or 'nothing'}: --input audio needs samples float32 "
            "[batch, samples], of any batch or 1"
        )
    return inputs[0]


def input_of(audio: Tensor, rate: int | None, samples: int, hop: int = 0) -> AudioInput:
    """Return the input of clips; see `AudioInput`.

    Raises:
        ValueError: If the rate is unknown, or a number is out of range.
    """
    if rate is None:
        raise ValueError("nothing says how many samples a second has: give --rate, such as --rate 16000")
    return AudioInput("audio", audio.name, rate, samples, hop=hop)


def _answer(graph: Graph, wanted: str | None) -> Tensor:
    outputs = {tensor.name: tensor for tensor in graph.outputs}
    if wanted is not None and wanted not in outputs:
        raise ValueError(unknown("output", wanted, outputs))
    answer = graph.outputs[0] if wanted is None else outputs[wanted]
    if answer.shape is None or len(answer.shape) != 2 or answer.dtype != "float32":
        raise ValueError(f"its answer is {answer}: a stream needs float32 [batch, values]; choose one with --output")
    return answer


def _links(states: Sequence[Tensor], outputs: Sequence[Tensor], audio: Tensor) -> tuple[Link, ...]:
    """Pair the states with the outputs that begin with their names, or else in their order."""
    named = [[output for output in outputs if output.name.startswith(state.name)] for state in states]
    if all(len(each) == 1 for each in named) and len({each[0].name for each in named}) == len(states):
        outputs = [each[0] for each in named]
    links = []
    for state, output in zip(states, outputs, strict=True):
        link = Link(state, output.name, _batch_axis(state, audio))
        rank = state.shape is not None and output.shape is not None and len(state.shape) == len(output.shape)
        if {state.dtype, output.dtype} != {"float32"} or not rank:
            raise ValueError(f"the state {state} is not of the type and shape of its next value, {output}")
        links.append(link)
    return tuple(links)


def _batch_axis(state: Tensor, audio: Tensor) -> int:
    """Return where a state has its batch axis: its only axis of any length, or the one named like that of the audio.

    Raises:
        ValueError: If nothing tells.
    """
    shape = state.shape or ()
    free = [axis for axis, size in enumerate(shape) if size is None]
    name = audio.axes[0] if audio.axes else ""
    if len(free) > 1:
        free = [axis for axis in free if name and state.axes[axis] == name]
    ones = [axis for axis, size in enumerate(shape) if size == 1]
    axes = free if len(free) == 1 else [] if None in shape else ones[:1]
    if not axes or shape.count(None) > 1:
        raise ValueError(f"the state {state} needs one batch axis, of any length or 1, and fixed sizes besides")
    return axes[0]


def _hop(audio: Tensor, wanted: int | None, context: int) -> int:
    """Return how many new samples a step takes.

    Raises:
        ValueError: If it is unknown, or doesn't fit the graph.
    """
    length = (audio.shape or ())[1]
    if length is None and wanted is None:
        raise ValueError(f"it takes {audio} and nothing says how many new samples a step has: give --hop 512")
    hop = wanted if wanted is not None else (length or 0) - context
    if hop < 1 or context < 0 or (length is not None and hop + context != length):
        raise ValueError(f"--hop and --context: {hop} new samples and {context} before them for an input {audio}")
    return hop
