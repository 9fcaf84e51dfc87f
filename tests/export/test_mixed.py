"""Mixed precision: one layer that quantisation ruins is found, and stays in fp32."""

from __future__ import annotations

import copy
from dataclasses import replace

import onnx
import pytest
import torch
from ai_edge_litert import schema_py_generated as schema
from torch import nn

import export
from export.bundle import prepare
from export.files import Variant, sensitivity
from export.formats import formats_in, tflite
from export.formats._litert import quantization as tflite_precision
from export.precision import Request
from runtime.errors import ParityError
from tests.export.digits import Case, perceptron

FORMATS = formats_in("fp32")
HUGE = 3e4


@pytest.fixture(scope="module")
def ruined():
    """A perceptron of three layers, the middle one with a huge weight for a unit that is never active.

    The weight changes no answer in fp32, and leaves no steps for the other weights of its channel.
    """
    plain = perceptron()
    first, relu, last = (copy.deepcopy(layer) for layer in plain.module.network)
    middle = nn.Linear(48, 48)
    with torch.no_grad():
        middle.weight.copy_(torch.eye(48) + 0.05 * torch.randn(48, 48, generator=torch.Generator().manual_seed(0)))
        middle.bias.zero_()
        first.weight[0], first.bias[0] = 0, -1
        middle.weight[:, 0] = HUGE
    mean, std = plain.module.mean.tolist(), plain.module.std.tolist()
    network = nn.Sequential(first, relu, middle, nn.ReLU(), last)
    return Case(export.NormalizeFeatures(network, mean, std).eval(), replace(plain.spec, name="ruined"), plain.items)


@pytest.fixture(scope="module", params=FORMATS)
def source(request, ruined):
    known = ruined.known
    (source,), _ = prepare(
        ruined.module, ruined.spec, ruined.held["samples"], [request.param],
        targets=ruined.held["targets"], calibration=known,
    )  # fmt: skip
    return source


def huge_layer(source):
    """Return the layer whose weights are huge, by the name that its format gives it."""
    if source.format == "onnx":
        graph = onnx.load_from_string(source.data).graph
        weights = {each.name: onnx.numpy_helper.to_array(each) for each in graph.initializer}
        constants = {name: values for name, values in weights.items() if values.max() == HUGE}
        names = [node.name for node in graph.node if constants.keys() & set(node.input)]
    else:
        model = schema.Model.GetRootAs(source.data, 0)
        names = []
        for _, input_indices, output_name in tflite_precision._operators(source.data):
            constants = [tflite_precision._constant(model, i) for i in input_indices if i >= 0]
            names += [output_name for values in constants if values is not None and values.max() == HUGE]
    (name,) = names
    return name


@pytest.mark.parametrize("precision", ["int8", "int8-dynamic", "int8-weights"])
def test_the_ruined_layer_is_by_far_the_most_sensitive(source, precision):
    noise = sensitivity(source, Variant(precision), source.writer.precision.layers(source.data))
    assert len(noise) == 3
    worst = max(noise, key=noise.get)
    assert worst == huge_layer(source)
    assert noise[worst] > 0.3
    assert all(share < 0.1 * noise[worst] for name, share in noise.items() if name != worst)


@pytest.mark.parametrize("name", FORMATS)
def test_the_ruined_layer_alone_stays_in_fp32(ruined, name, tmp_path, monkeypatch):
    bundle = ruined.export(tmp_path / "bundle", [name], ["int8", "int8-weights"])
    (sensitive,) = bundle.manifest.models[f"model.int8.{name}"].quantisation.kept
    for model in bundle.manifest.models.values():
        (share,) = model.quantisation.kept.values()
        assert share > 0.3
        assert list(model.quantisation.kept) == [sensitive]
        assert model.parity.agreement >= 0.97
        assert not model.spec.drift
    monkeypatch.setattr("export.files.mixtures", lambda source, variant: iter(()))
    with pytest.raises(ParityError, match=rf"ruined as {name} int8 on .* of 300 decisions differ"):
        ruined.export(tmp_path / "other", [name], ["int8"])


def test_no_layer_that_stays_is_quantized_by_onnx_runtime_itself(cases):
    """It does so, with one scale for all channels, to every layer right behind a DequantizeLinear."""
    case = cases["image"]
    (source,), _ = prepare(
        case.module, case.spec, case.held["samples"], ["onnx"], targets=case.held["targets"], calibration=case.known
    )
    names = source.writer.precision.layers(source.data)
    kept = names[1::2]
    model = onnx.load_from_string(source.quantize(Variant("int8", kept=dict.fromkeys(kept, 0.0))))
    onnx.checker.check_model(model)
    makers = {name: node.op_type for node in model.graph.node for name in node.output}
    stored = {each.name: each.data_type for each in model.graph.initializer}
    for node in model.graph.node:
        if node.name in kept:
            assert makers[node.input[0]] == "Clip"
            assert stored[node.input[1]] == onnx.TensorProto.FLOAT
        elif node.name in names:
            assert [makers[name] for name in node.input[:2]] == ["DequantizeLinear"] * 2


def test_steps_of_an_unrolled_layer_are_one_layer(cases):
    """They share weights: to keep one step alone would store those twice."""
    case = cases["sequence"]
    sources, _ = prepare(case.module, case.spec, case.held["samples"], ["tflite"], calibration=case.known)
    whole = sources[0]
    names = tflite_precision.layers(whole.data)
    assert 2 <= len(names) < 8 < len(list(tflite_precision._operators(whole.data)))
    sizes = {}
    for kept in ((), *((name,) for name in names), names):
        sizes[kept] = len(tflite.precision.quantize(whole.data, "int8-weights", Request(dict, kept)))
    assert sizes[()] == min(sizes.values())
    assert max(sizes.values()) <= 1.01 * len(whole.data)
