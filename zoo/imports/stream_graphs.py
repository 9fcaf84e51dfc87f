"""The contract's two graphs of an ONNX file that streams.

The step graph takes a hop with the states before it, batch axis first, and gives the answer with the states after it.
The whole graph takes a clip, runs the same operators on its hops one after the other (ONNX's Scan), and gives the last
answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from export.formats.onnx.conversion import rename
from zoo.imports.constants import parse
from zoo.imports.streams import CONTEXT, Stream

if TYPE_CHECKING:
    import onnx

INSIDE, STEP = "graph/", "step/"
"""What the names of the file's inputs and outputs begin with in the step graph, and those of the step graph in the
whole."""
MIN_OPSET = 11
"""The first opset whose Scan and Slice are as they are written here."""


def step_graph(data: bytes, stream: Stream) -> bytes:
    """Return the step graph of a file.

    Raises:
        ValueError: If the file's operators are too old.
        BundleError: If it can't be read.
        MissingExtraError: If onnx is not installed.
    """
    model = parse(data)
    from onnx import helper as oh

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
