"""Graphs that loop, take memory or break their manifest's promises, behind manifests that vouch for them."""

from __future__ import annotations

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from onnx import TensorProto, helper

from tests.runtime.edits import replace_file


def hostile(bundle, nodes, constants=(), **shape):
    """Put a graph into a bundle whose manifest vouches for it."""
    batch = shape.get("batch", "batch")
    graph = helper.make_graph(
        nodes, "hostile",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, [batch, 12, 10, 3])],
        [helper.make_tensor_value_info("logits", shape.get("dtype", TensorProto.FLOAT), shape.get("logits"))],
        list(constants),
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    replace_file(bundle, "model.onnx", model.SerializeToString())


def constant(name, *values, dtype=TensorProto.INT64):
    return helper.make_tensor(name, dtype, [len(values)], values)


def scalar(name, value, dtype):
    return helper.make_tensor(name, dtype, [], [value])


ALWAYS = (helper.make_node("Identity", ["yes"], ["hit"]),)


def at_gray(value):
    """Nodes that tell whether an image of the one grey value is in the batch."""
    return (
        helper.make_node("Constant", [], ["grey"], value=scalar("grey", value, TensorProto.FLOAT)),
        helper.make_node("Equal", ["logits_", "grey"], ["same"]),
        helper.make_node("Cast", ["same"], ["numbers"], to=TensorProto.INT64),
        helper.make_node("ReduceMax", ["numbers"], ["most"], keepdims=0),
        helper.make_node("Cast", ["most"], ["hit"], to=TensorProto.BOOL),
    )


def at_batch(size):
    """Nodes that tell whether a batch has the one size."""
    return (
        helper.make_node("Shape", ["image"], ["batch"], start=0, end=1),
        helper.make_node("Squeeze", ["batch"], ["images"]),
        helper.make_node("Constant", [], ["size"], value=scalar("size", size, TensorProto.INT64)),
        helper.make_node("Equal", ["images", "size"], ["hit"]),
    )


def for_ever(bundle, condition=ALWAYS):
    """Give the mean colour of each image, after 2**62 turns of a loop where the condition's `hit` holds."""
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["going"], ["still"]),
            helper.make_node("Add", ["value", "zero"], ["next"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("turn", TensorProto.INT64, []),
            helper.make_tensor_value_info("going", TensorProto.BOOL, []),
            helper.make_tensor_value_info("value", TensorProto.FLOAT, ["batch", 3]),
        ],
        [
            helper.make_tensor_value_info("still", TensorProto.BOOL, []),
            helper.make_tensor_value_info("next", TensorProto.FLOAT, ["batch", 3]),
        ],
    )
    nodes = [
        helper.make_node("Cast", ["image"], ["values"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["values", "axes"], ["logits_"], keepdims=0),
        *condition,
        helper.make_node("Where", ["hit", "turns", "none"], ["count"]),
        helper.make_node("Loop", ["count", "yes", "logits_"], ["logits"], body=body),
    ]
    numbers = [scalar("turns", 2**62, TensorProto.INT64), scalar("none", 0, TensorProto.INT64)]
    floats = [scalar("zero", 0.0, TensorProto.FLOAT), scalar("yes", True, TensorProto.BOOL)]
    hostile(bundle, nodes, [constant("axes", 1, 2), *numbers, *floats], logits=["batch", 3])


def greedy(bundle):
    """Fill half a terabyte, a gigabyte at a time."""
    nodes = [helper.make_node("ConstantOfShape", ["size"], ["big"])]
    nodes += [helper.make_node("Add", ["big", "big"], ["sum"]), helper.make_node("ReduceSum", ["sum"], ["logits"])]
    hostile(bundle, nodes, [constant("size", 2**27 * 1000)])


def for_ever_in_tflm():
    """Return a TFLM file of images of 12 by 10 pixels whose WHILE has a condition that always holds."""
    operators, types, options = schema.BuiltinOperator, schema.TensorType, schema.BuiltinOptions
    model = schema.ModelT(version=3)
    for data in (None, np.array([1, 2], np.int32).view(np.uint8), np.array([True]).view(np.uint8)):
        model.buffers = [*(model.buffers or []), schema.BufferT(data=data)]
    for operator in (operators.MEAN, operators.WHILE, operators.ABS):
        code = schema.OperatorCodeT(builtinCode=operator, deprecatedBuiltinCode=min(operator, 127), version=1)
        model.operatorCodes = [*(model.operatorCodes or []), code]

    def tensor(name, *shape, dtype=types.FLOAT32, buffer=0):
        return schema.TensorT(name=name, shape=list(shape), type=dtype, buffer=buffer)

    def operator(code, inputs, outputs, kind, operator_options):
        return schema.OperatorT(
            opcodeIndex=code, inputs=inputs, outputs=outputs, builtinOptionsType=kind, builtinOptions=operator_options
        )

    image, axes = tensor("image", 1, 12, 10, 3), tensor("axes", 2, dtype=types.INT32, buffer=1)
    going = tensor("going", dtype=types.BOOL, buffer=2)
    mean = operator(0, [0, 1], [2], options.ReducerOptions, schema.ReducerOptionsT(keepDims=False))
    loop = schema.WhileOptionsT(condSubgraphIndex=1, bodySubgraphIndex=2)
    turns = operator(1, [2], [3], options.WhileOptions, loop)
    step = operator(2, [0], [1], options.AbsOptions, schema.AbsOptionsT())
    model.subgraphs = [
        schema.SubGraphT(
            tensors=[image, axes, tensor("mean", 1, 3), tensor("logits", 1, 3)],
            operators=[mean, turns], inputs=[0], outputs=[3],
        ),
        schema.SubGraphT(tensors=[tensor("value", 1, 3), going], operators=[], inputs=[0], outputs=[1]),
        schema.SubGraphT(
            tensors=[tensor("value", 1, 3), tensor("next", 1, 3)], operators=[step], inputs=[0], outputs=[1]
        ),
    ]  # fmt: skip
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())
