"""A speech detector as other projects make them: samples with a context, a state whose batch axis is second, a rate."""

from __future__ import annotations

import numpy as np
import onnx.helper as oh

from tests.zoo.test_import_tensors import FLOAT, INT64, graph

RATE, HOP, CONTEXT, WIDTH = 16_000, 512, 64, 8
RANDOM = np.random.default_rng(4)
STREAM = {
    "input": "audio",
    "rate": RATE,
    "hop": HOP,
    "context": CONTEXT,
    "constants": {"sr": "16000"},
    "task": "binary",
    "labels": ("silence", "speech"),
}


def bursts(seconds=1.5):
    """Return noise that is loud in the second third, ``float32 [samples]``."""
    count = int(seconds * RATE) // HOP * HOP
    loudness = np.where((np.arange(count) * 3 // count) == 1, 0.5, 0.003)
    return (loudness * RANDOM.standard_normal(count)).clip(-1, 1).astype(np.float32)


def detector(path, batch="batch", samples="samples", state=(2, "batch", WIDTH)):
    """Write a file as speech detectors are: a recurrent network whose rate decides about a branch.

    The branch takes the samples from outside, and a tensor is called like the state of our own.
    """
    weights = {
        "loudness": (RANDOM.normal(1, 0.2, (1, WIDTH)) * 12).astype(np.float32),
        "recurrent": RANDOM.normal(0, 0.3, (WIDTH, WIDTH)).astype(np.float32),
        "readout": (np.ones((WIDTH, 1)) * 3).astype(np.float32),
        "offset": np.array([-6], np.float32),
        "known": np.array(RATE, np.int64),
        "decay": np.array(0.2, np.float32),
        "ends": np.array([HOP + CONTEXT], np.int64),
        "starts": np.array([0], np.int64),
        "axis": np.array([1], np.int64),
    }

    def branch(name, kind):
        nodes = [oh.make_node(kind, ["sound"], [f"{name} context"]), oh.make_node("Abs", [f"{name} context"], [name])]
        return oh.make_graph(nodes, name, [], [oh.make_tensor_value_info(name, FLOAT, None)])

    then, otherwise = branch("then", "Identity"), branch("else", "Neg")
    nodes = [
        oh.make_node("Equal", ["sr", "known"], ["is known"]),
        oh.make_node("If", ["is known"], ["level"], then_branch=then, else_branch=otherwise),
        oh.make_node("Slice", ["level", "starts", "ends", "axis"], ["context"]),
        oh.make_node("ReduceMean", ["context", "axis"], ["mean"], keepdims=1),
        oh.make_node("MatMul", ["mean", "loudness"], ["seen"]),
        oh.make_node("Split", ["state"], ["h", "c"], num_outputs=2, axis=0),
        oh.make_node("Squeeze", ["h", "starts"], ["hidden"]),
        oh.make_node("Squeeze", ["c", "starts"], ["cell"]),
        oh.make_node("MatMul", ["hidden", "recurrent"], ["remembered"]),
        oh.make_node("Add", ["seen", "remembered"], ["sum"]),
        oh.make_node("Tanh", ["sum"], ["next hidden"]),
        oh.make_node("Mul", ["cell", "decay"], ["decayed"]),
        oh.make_node("Add", ["decayed", "next hidden"], ["next cell"]),
        oh.make_node("Unsqueeze", ["next hidden", "starts"], ["first"]),
        oh.make_node("Unsqueeze", ["next cell", "starts"], ["second"]),
        oh.make_node("Concat", ["first", "second"], ["stateN"], axis=0),
        oh.make_node("MatMul", ["next cell", "readout"], ["read"]),
        oh.make_node("Add", ["read", "offset"], ["logit"]),
        oh.make_node("Sigmoid", ["logit"], ["output"]),
    ]  # fmt: skip
    inputs = [("sound", FLOAT, [batch, samples]), ("state", FLOAT, state), ("sr", INT64, [])]
    return graph(path, nodes, inputs, [("output", FLOAT, [batch, 1]), ("stateN", FLOAT, state)], **weights)
