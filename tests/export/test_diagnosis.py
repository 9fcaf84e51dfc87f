"""A diagnosis names the first layer that adds an error of its own, and says so when there is none."""

from __future__ import annotations

import math

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from export.diagnosis import Diagnosis, compare, diagnose, pair
from export.diagnosis.original import Original
from export.formats import format_module, formats_in, reader
from export.graphs import whole
from export.reference import Reference, answers
from export.scaling import NormalizePixels
from runtime.errors import EngineError, ExportError, OptionError
from runtime.spec import FileSpec, State
from tests.export.small import SPEC
from tests.faults import FILES, OnnxFile, int8

INPUTS = np.random.default_rng(0).integers(0, 256, (6, 6, 5, 3), np.uint8)
ONNX_ONLY = pytest.mark.parametrize("format_name", ["onnx"], indirect=True)
"""Faults in a constant that other formats fold into its neighbors, or in a tensor that they lack."""


class Branches(nn.Module):
    """A layer that is used twice, one whose output is changed in place, and a sum."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 4, 3, padding=1)
        self.twice = nn.Conv2d(4, 4, 1)
        self.norm = nn.BatchNorm2d(4)
        self.relu = nn.ReLU(inplace=True)
        self.head = nn.Linear(4 * 6 * 5, 3)

    def forward(self, x):
        x = self.relu(self.first(x))
        x = self.relu(self.norm(self.twice(x))) + self.twice(x)
        return self.head(x.flatten(1))


@pytest.fixture(scope="module")
def module():
    torch.manual_seed(0)
    network = Branches()
    network.norm.running_mean.uniform_(-0.3, 0.3)
    network.norm.running_var.uniform_(0.5, 2)
    return NormalizePixels(network, (0.5, 0.4, 0.3), (0.2, 0.25, 0.3)).eval()


@pytest.fixture(scope="module")
def original(module):
    return Original(module, INPUTS[:1])


@pytest.fixture(scope="module", params=formats_in("fp32"))
def format_name(request):
    return request.param


@pytest.fixture(scope="module")
def data(module, format_name):
    real = Reference(INPUTS, answers(module, SPEC, INPUTS))
    return format_module(format_name).convert(whole(module, SPEC, real, real).graph)


@pytest.fixture(scope="module")
def look(original, data, format_name):
    pairs = pair(original, reader(format_name).open(data), INPUTS)

    def run(file: bytes) -> Diagnosis:
        return compare(original, pairs, reader(format_name).open(file, pairs), INPUTS)

    return run


@pytest.fixture(scope="module")
def sites(module, data, format_name):
    return {site.path: site for site in FILES[format_name](data).sites(module)}


def file_spec(format_name, **changes):
    return FileSpec(**({"format": format_name, "precision": "fp32", "input_dtype": "uint8", "batch": 1} | changes))


def test_a_sound_file_has_no_fault(module, data, format_name):
    was = module.training
    seen = []
    diagnosis = diagnose(module, SPEC, data, file_spec(format_name), INPUTS, lambda *step: seen.append(step[0]))
    assert diagnosis.first is None
    assert diagnosis.samples == len(INPUTS)
    last = diagnosis.layers[-1]
    assert last.path == "network.head"
    assert last.error < 1e-6 and last.snr > 120
    outputs = answers(module, SPEC, INPUTS)
    assert last.reference_range == pytest.approx((outputs.min(), outputs.max()))
    assert "compare" in seen
    assert module.training == was


def test_ranges_and_errors_are_those_of_the_layer(look, data, sites, format_name):
    diagnosis = look(FILES[format_name](data).change(sites["network.head"].weight, lambda values: values * 0))
    bias = diagnosis.layers[-1]
    assert diagnosis.first is bias and diagnosis.worst(1) == (bias,)
    assert bias.path == "network.head"
    assert bias.file_range != pytest.approx(bias.reference_range)
    assert bias.error == pytest.approx(bias.own)
    assert bias.snr == pytest.approx(-20 * math.log10(bias.error))


def test_of_two_faults_the_first_is_named_and_both_jump(look, data, sites, format_name):
    once = FILES[format_name](data).change(sites["network.first"].weight, lambda values: values * 1.1)
    both = FILES[format_name](once).change(sites["network.head"].bias, lambda values: values + 0.1)
    diagnosis = look(both)
    assert diagnosis.first.path == "network.first"
    assert [layer.path for layer in diagnosis.layers if layer.jumps][-1] == "network.head"
    between = [layer for layer in diagnosis.layers if not layer.jumps and layer.error > 1e-3]
    assert between, "what comes between carries the error on and adds none"


def test_a_layer_that_is_used_twice_is_found(look, data, sites, format_name):
    diagnosis = look(FILES[format_name](data).change(sites["network.twice"].weight, lambda values: values[::-1]))
    assert diagnosis.first.path == "network.twice"


def test_values_that_are_not_finite_are_the_worst_error(look, data, sites, format_name):
    diagnosis = look(FILES[format_name](data).change(sites["network.twice"].weight, lambda values: values * np.nan))
    assert diagnosis.first.path == "network.twice"
    assert diagnosis.first.own == math.inf and diagnosis.first.snr == -math.inf


@ONNX_ONLY
def test_a_fault_in_the_scaling_is_the_modules_own(look, data):
    file = OnnxFile(data).change("shift", lambda values: values + np.float32(0.1))
    assert look(file).first.path == ""


def test_sound_int8_files_have_none_and_tell_their_bits(look, data, format_name):
    diagnosis = look(int8(format_name, data, INPUTS))
    assert diagnosis.first is None
    assert {layer.bits for layer in diagnosis.layers} <= {8, 24} and diagnosis.layers[-1].bits == 8
    assert 1e-4 < diagnosis.layers[-1].error < 0.1


@ONNX_ONLY
def test_an_activation_scale_is_the_fault_of_the_layer_before(look, data):
    quantized = int8("onnx", data, INPUTS)
    scale = onnx_scale_after(quantized, "network.first.weight")
    assert look(OnnxFile(quantized).change(scale, lambda values: values / 3)).first.path == "network.first"


@ONNX_ONLY
def test_a_zero_point_is_found(look, data):
    quantized = int8("onnx", data, INPUTS)
    point = onnx_scale_after(quantized, "network.head.weight").replace("_scale", "_zero_point")
    assert look(OnnxFile(quantized).change(point, lambda values: values // 2)).first.path == "network.head"


def onnx_scale_after(data, weight):
    """Return the name of the scale that the output of the operator with a weight is rounded with."""
    nodes = onnx.load_from_string(data).graph.node
    output = next(node.output[0] for node in nodes if f"{weight}_DequantizeLinear_Output" in node.input)
    return next(node.input[1] for node in nodes if node.op_type == "QuantizeLinear" and node.input[0] == output)


@ONNX_ONLY
def test_dynamic_int8_files_are_diagnosed_too(look, data, tmp_path):
    from onnxruntime.quantization import quantize_dynamic

    model = onnx.load_from_string(data)
    del model.graph.value_info[:]  # the quantizer transposes weights and trips over the shapes noted before
    onnx.save(model, tmp_path / "a.onnx")
    quantize_dynamic(tmp_path / "a.onnx", tmp_path / "b.onnx", reduce_range=True)  # CPUs without VNNI saturate
    diagnosis = look((tmp_path / "b.onnx").read_bytes())
    assert diagnosis.first is None
    assert diagnosis.layers[-1].path == "network.head"


def test_step_graphs_are_refused(module, data, format_name):
    with pytest.raises(OptionError, match="step graph"):
        diagnose(module, SPEC, data, file_spec(format_name, state=(State("hidden", (3,)),)), INPUTS)


def test_a_format_that_nothing_looks_into_is_refused(module):
    with pytest.raises(OptionError, match="nnef"):
        diagnose(module, SPEC, b"", file_spec("nnef"), INPUTS)


def test_a_file_of_another_model_is_refused_or_at_fault(look, format_name, complete):
    """Which it is depends on whether its tensors happen to have names and sizes of this model's."""
    try:
        diagnosis = look(complete.bytes(f"model.{format_name}"))
    except ExportError as problem:
        assert "fresh conversion" in str(problem)
    else:
        assert diagnosis.first is not None


@pytest.mark.parametrize("content", [b"", b"nothing that any engine reads"])
def test_a_file_that_is_none_is_refused(look, content):
    with pytest.raises(EngineError):
        look(content)
