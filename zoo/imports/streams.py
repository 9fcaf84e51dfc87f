"""ONNX files that take audio hop by hop and hand on a state, rewritten as the contract's two graphs.

The step graph takes a hop with the states before it, batch axis first, and gives the answer with the states after it.
The whole graph takes a clip, runs the same operators on its hops one after the other (ONNX's Scan), and gives the last
answer.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from export.formats.onnx.conversion import rename
from runtime.errors import BundleError, MissingExtraError, one_line, unknown
from runtime.inputs import AudioInput
from runtime.spec import State
from zoo.imports.facts import ModelFacts
from zoo.imports.graphs import Graph, Tensor

if TYPE_CHECKING:
    import onnx

INSIDE, STEP = "graph/", "step/"
"""What the names of the file's own tensors begin with in the step graph, and those of the step graph in the whole."""
CONTEXT = "context"
"""The state that holds the last samples before a hop."""
MIN_OPSET = 11
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
    names = [audio.name, answer.name, *(state.input.name for state in links), *(link.state.following for link in links)]
    if context and len({*names, CONTEXT, f"next_{CONTEXT}"}) != len(names) + 2:
        raise ValueError(f"an input or output of the graph is called {CONTEXT!r}: rename it before the import")
    clip = hop * max(2, math.ceil(CLIP * (reported.rate or 0) / hop))
    return Stream(audio, input_of(audio, reported.rate, clip, hop), answer, links, context)


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
        ValueError: If nobody says the rate, or a number is out of range.
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
        ValueError: If nobody says, or it doesn't fit the graph.
    """
    length = (audio.shape or ())[1]
    if length is None and wanted is None:
        raise ValueError(f"it takes {audio} and nothing says how many new samples a step has: give --hop 512")
    hop = wanted if wanted is not None else (length or 0) - context
    if hop < 1 or context < 0 or (length is not None and hop + context != length):
        raise ValueError(f"--hop and --context: {hop} new samples and {context} before them for an input {audio}")
    return hop


def step_graph(data: bytes, stream: Stream) -> bytes:
    """Return the step graph of a file.

    Raises:
        ValueError: If the file's operators are too old.
        BundleError: If it can't be read.
        MissingExtraError: If onnx is not installed.
    """
    try:
        import onnx
        from onnx import helper as oh
    except ImportError:
        raise MissingExtraError("onnx, which --input audio needs for files with a state,", "export") from None
    try:
        model = onnx.load_model_from_string(data)
    except Exception as problem:  # the protobuf reader has errors of its own
        raise BundleError(f"not an ONNX file ({one_line(problem)})") from None
    if (opset := next((each.version for each in model.opset_import if not each.domain), 0)) < MIN_OPSET:
        raise ValueError(f"it is of ONNX opset {opset}; streams need {MIN_OPSET}: see onnx.version_converter")
    audio, answer = stream.audio.name, stream.answer.name
    own = [audio, answer, *(link.following for link in stream.links)]
    rename(model, {name: INSIDE + name for name in (*own, *stream.state_names)})
    before, after = [], [oh.make_node("Identity", [INSIDE + answer], [answer])]
    if stream.context:
        window = INSIDE + audio
        before.append(oh.make_node("Concat", [CONTEXT, audio], [window], axis=1))
        after.append(oh.make_node("Slice", [window, "context start", "context end", "time axis"], [f"next_{CONTEXT}"]))
        bounds = {
            "context start": [stream.input.hop],
            "context end": [stream.input.hop + stream.context],
            "time axis": [1],
        }
        model.graph.initializer.extend(_integers(bounds))
    else:
        before.append(oh.make_node("Identity", [audio], [INSIDE + audio]))
    for link in stream.links:
        name, following = link.input.name, link.state.following
        before.append(oh.make_node("Transpose", [name], [INSIDE + name], perm=link.to_file))
        after.append(oh.make_node("Transpose", [INSIDE + link.following], [following], perm=link.from_file))
    graph = oh.make_graph(
        [*before, *model.graph.node, *after],
        "step",
        [
            _value(audio, stream.batch, stream.input.hop),
            *(_value(s.name, stream.batch, *s.shape) for s in stream.states),
        ],
        [_answer_value(stream), *(_value(s.following, stream.batch, *s.shape) for s in stream.states)],
        model.graph.initializer,
        sparse_initializer=model.graph.sparse_initializer,
    )
    return _with_graph(model, graph)


def whole_graph(step: bytes, stream: Stream) -> bytes:
    """Return the graph that takes whole clips, of the step graph."""
    import onnx
    from onnx import helper as oh

    model = onnx.load_model_from_string(step)
    audio, answer = stream.audio.name, stream.answer.name
    rename(model, {name: STEP + name for name in (audio, answer, *stream.state_names)})
    hops = stream.input.samples // stream.input.hop
    inside = {value.name.removeprefix(STEP): value for value in (*model.graph.input, *model.graph.output)}
    body = oh.make_graph(
        model.graph.node,
        "step",
        [*(inside[state.name] for state in stream.states), inside[audio]],
        [*(inside[state.following] for state in stream.states), inside[answer]],
        model.graph.initializer,
        sparse_initializer=model.graph.sparse_initializer,
    )
    constants: dict[str, int | list[int]] = {
        "hops of a clip": [-1, hops, stream.input.hop],
        "index 0": [0],
        "last index": hops - 1,
    }
    nodes = [
        oh.make_node("Reshape", [audio, "hops of a clip"], ["hops by clip"]),
        oh.make_node("Transpose", ["hops by clip"], ["clips by hop"], perm=[1, 0, 2]),
        oh.make_node("Shape", [audio], ["sizes of clips"]),
        oh.make_node("Gather", ["sizes of clips", "index 0"], ["batch size"]),
    ]
    zero = oh.make_tensor("zero", onnx.TensorProto.FLOAT, [1], [0.0])
    for state in stream.states:
        constants[f"sizes of {state.name}"] = list(state.shape)
        shape, first = f"shape of {state.name}", f"first {state.name}"
        nodes += [
            oh.make_node("Concat", ["batch size", f"sizes of {state.name}"], [shape], axis=0),
            oh.make_node("ConstantOfShape", [shape], [first], value=zero),
        ]
    nodes += [
        oh.make_node(
            "Scan",
            [*(f"first {state.name}" for state in stream.states), "clips by hop"],
            [*(f"last {state.name}" for state in stream.states), "all answers"],
            num_scan_inputs=1,
            body=body,
        ),
        oh.make_node("Gather", ["all answers", "last index"], [answer], axis=0),
    ]
    whole = [_value(audio, stream.batch, stream.input.samples)], [_answer_value(stream)]
    graph = oh.make_graph(nodes, "whole", *whole, _integers(constants))
    return _with_graph(model, graph)


def _integers(values: Mapping[str, int | list[int]]) -> list[onnx.TensorProto]:
    """Return constants of int64 by their names."""
    import onnx

    return [onnx.numpy_helper.from_array(np.array(value, np.int64), name) for name, value in values.items()]


def _answer_value(stream: Stream) -> onnx.ValueInfoProto:
    width = (stream.answer.shape or ())[1]
    return _value(stream.answer.name, stream.batch, *([width] if width else ["values"]))


def _value(name: str, *shape: int | str) -> onnx.ValueInfoProto:
    import onnx

    return onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)


def _with_graph(model: onnx.ModelProto, graph: onnx.GraphProto) -> bytes:
    model.graph.CopyFrom(graph)
    return bytes(model.SerializeToString())
