"""A part of a network that is marked stays in fp32 in files of every precision: its constants and its activations."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
import torch
from torch import nn

import export
from export.formats import Graph, format_module, format_names
from export.formats._litert.schema import operator_kind, unpacked
from export.precision import FULL_PRECISION, Request
from export.precision.calibration import batches, observe
from runtime.engines import tflm

INPUTS = np.random.default_rng(0).normal(size=(16, 12)).astype(np.float32)


class Levels(export.FullPrecision):
    """Logarithms of energies, which span more than 8 bits tell apart."""

    def __init__(self):
        super().__init__()
        self.mix = nn.Linear(12, 16)

    def forward(self, values):
        first, second = self.mix(values).chunk(2, dim=1)
        return torch.log(1 + 1e6 * (first * first + second * second))


def network():
    torch.manual_seed(0)
    head = nn.Sequential(nn.Linear(8, 96), nn.ReLU(), nn.Linear(96, 80))
    return nn.Sequential(nn.ModuleDict({"levels": nn.Sequential(Levels())})["levels"], head).eval()


@pytest.fixture(scope="module", params=format_names())
def converted(request):
    axes = {"x": {0: "batch"}, "y": {0: "batch"}}
    return request.param, format_module(request.param).convert(Graph(network(), {"x": INPUTS[:2]}, ("y",), axes))


def quantized(format_name, data, precision):
    module = format_module(format_name).precision
    calibration = lambda: module.activations(data, batches({"x": INPUTS}))  # noqa: E731
    statistics = observe(calibration, "min-max", module.CHANNEL_AXIS)
    return module.quantize(data, precision, Request(lambda: statistics))


def onnx_operators(data):
    """Return each node's name, kind, and the types of what it takes and gives."""
    model = onnx.shape_inference.infer_shapes(onnx.load_from_string(data))
    types = {tensor.name: tensor.data_type for tensor in model.graph.initializer}
    values = (*model.graph.value_info, *model.graph.input, *model.graph.output)
    types |= {value.name: value.type.tensor_type.elem_type for value in values}
    names = {value: onnx.TensorProto.DataType.Name(number) for value, number in types.items()}
    makers = {output: node for node in model.graph.node for output in node.output}
    rows = []
    for node in model.graph.node:
        # what comes straight from a smaller type counts as that type
        sources = [makers[each].input[0] if _widens(makers.get(each)) else each for each in node.input if each]
        rows.append((node.name, node.op_type, [names.get(each) for each in (*sources, *node.output)]))
    return rows


def _widens(node):
    return node is not None and node.op_type in ("DequantizeLinear", "Cast")


def tflite_operators(data):
    from ai_edge_litert.schema_py_generated import TensorType

    model = unpacked(data)
    graph = model.subgraphs[0]
    names = {number: name for name, number in vars(TensorType).items() if isinstance(number, int)}
    makers = {int(output): operator for operator in graph.operators for output in operator.outputs}
    kinds = {id(each): operator_kind(model.operatorCodes[each.opcodeIndex]) for each in graph.operators}
    rows = []
    for each in graph.operators:
        sources = [int(i) for i in each.inputs if i >= 0]
        sources = [
            int(makers[i].inputs[0]) if i in makers and kinds[id(makers[i])] == "DEQUANTIZE" else i for i in sources
        ]
        types = [names[graph.tensors[i].type] for i in (*sources, *map(int, each.outputs))]
        rows.append((graph.tensors[each.outputs[0]].name.decode(), kinds[id(each)], types))
    return rows


def operators(format_name, data):
    return onnx_operators(data) if format_name == "onnx" else tflite_operators(data)


SMALL = {"FLOAT16", "INT8", "UINT8", "INT16", "UINT16", "INT4"}


def test_marked_operators_stay_in_fp32_in_every_precision(converted):
    format_name, data = converted
    marked = {name: kind for name, kind, _ in operators(format_name, data) if name.startswith(FULL_PRECISION)}
    assert {"LOG", "MUL"} <= {kind.upper() for kind in marked.values()}
    precision_module = format_module(format_name).precision
    assert len(precision_module.layers(data)) == 2  # those of the head; the marked one is no candidate for fp32
    for precision in [each for each in precision_module.QUANTIZERS if each != "fp32"]:
        rows = operators(format_name, quantized(format_name, data, precision))
        kept = [row for row in rows if row[0].startswith(FULL_PRECISION) and "QUANTIZE" not in row[1].upper()]
        assert len(kept) >= len(marked), precision
        for name, kind, types in kept:
            assert not SMALL.intersection(types), (precision, name, kind, types)
        assert any(SMALL.intersection(types) for _, _, types in rows), precision


def test_a_part_behind_quantized_layers_stays_in_fp32():
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(12, 96), nn.ReLU(), nn.Linear(96, 12), Levels(), nn.Linear(8, 80)).eval()
    axes = {"x": {0: "batch"}, "y": {0: "batch"}}
    for name in ("onnx", "tflite"):
        data = format_module(name).convert(Graph(module, {"x": INPUTS[:2]}, ("y",), axes))
        marked = {each for each, _, _ in operators(name, data) if each.startswith(FULL_PRECISION)}
        rows = operators(name, quantized(name, data, "int8"))
        inner = [types for each, kind, types in rows if each in marked and kind.upper() in ("LOG", "MUL")]
        assert inner and not any(SMALL.intersection(types) for types in inner)


def test_tflm_takes_floats_where_the_first_part_does():
    pytest.importorskip("tflite_micro", reason="has builds for Linux on x86-64 only")
    data = format_module("tflm").convert(Graph(network(), {"x": INPUTS[:2]}, ("y",), {"x": {}, "y": {}}))
    model = tflm.open_numbered(quantized("tflm", data, "int8"))
    assert [tensor.dtype for tensor in (*model.takes, *model.gives)] == [np.float32, np.int8]
    outputs = model.run({"0": INPUTS[:1]})["0"]
    with torch.no_grad():
        wanted = network()(torch.from_numpy(INPUTS[:1])).numpy()
    assert np.abs(outputs - wanted).max() < 0.03 * np.abs(wanted).max()
