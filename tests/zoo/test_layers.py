"""Layers: what options name is what is built, weights start as the scheme says, and too small images are refused."""

from __future__ import annotations

import math
from typing import get_args

import numpy as np
import pytest
import torch
from torch import nn

import export
from runtime.errors import OptionError
from runtime.inputs import NumericColumn, TableInput
from zoo.recipes._blocks import EveryStep, Maxout
from zoo.recipes._layers import Activation, convolution, dense, initialize, shape_after

ACTIVATIONS = get_args(Activation)


def test_maxout_is_the_larger_of_two_linear_pieces():
    torch.manual_seed(0)
    linear, maxout = dense([3, 5], "maxout")
    x = torch.randn(7, 3)
    one, other = x @ linear.weight[:5].T + linear.bias[:5], x @ linear.weight[5:].T + linear.bias[5:]
    torch.testing.assert_close(maxout(linear(x)), torch.maximum(one, other))
    assert isinstance(maxout, Maxout)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("batch_norm", [False, True])
def test_layers_have_the_outputs_that_were_asked_for(activation, batch_norm):
    hidden = nn.Sequential(*dense([3, 5, 4], activation, batch_norm=batch_norm, dropout=0.1))
    assert hidden(torch.randn(2, 3)).shape == (2, 4)
    shapes = {(1, "same"): (9, 7), (2, "same"): (5, 4), (1, "valid"): (7, 5), (2, "valid"): (4, 3)}
    for (stride, padding), size in shapes.items():
        layers = convolution(3, 4, 3, activation, stride=stride, padding=padding, batch_norm=batch_norm)
        assert nn.Sequential(*layers)(torch.randn(2, 3, 9, 7)).shape == (2, 4, *size)
        assert any(isinstance(layer, nn.BatchNorm2d) for layer in layers) == batch_norm


@pytest.mark.slow
def test_every_activation_survives_every_format(tmp_path):
    """One network with all of them; export raises where a file differs from PyTorch by more than 1e-5."""
    torch.manual_seed(0)
    layers = [layer for name in ACTIVATIONS for layer in (*dense([6, 6], name), nn.LayerNorm(6))]
    columns = tuple(NumericColumn("numeric", f"c{i}", 0.0, 1.0, -3.0, 3.0) for i in range(6))
    labels = tuple(f"l{i}" for i in range(6))
    spec = export.ModelSpec(
        "all", TableInput("table", "features", columns), export.Classification("classification", "logits", labels)
    )
    rows = [tuple(row) for row in np.random.default_rng(0).normal(0, 2, (20, 6)).tolist()]
    network = export.NormalizeFeatures(nn.Sequential(*layers), [0.0] * 6, [1.0] * 6)
    bundle = export.export(network, spec, rows, out=tmp_path / "bundle")
    assert set(bundle.manifest.models) == {"model.onnx", "model.tflite"}


class Everything(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.norm, self.dense = nn.Conv2d(3, 64, 3), nn.BatchNorm2d(64), nn.Linear(64, 32)
        self.lstm, self.gru = nn.LSTM(8, 8, 2, bidirectional=True), nn.GRU(8, 8)
        nn.init.constant_(self.norm.weight, 0.5)


@pytest.mark.parametrize("scheme", ["xavier", "kaiming", "orthogonal"])
def test_a_scheme_gives_every_weight_a_new_start(scheme):
    torch.manual_seed(0)
    network = Everything()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    initialize(network, scheme)
    for name, value in network.state_dict().items():
        if "norm" in name:
            assert torch.equal(value, before[name]), name
        elif value.ndim > 1:
            assert not torch.equal(value, before[name]), name
        elif "lstm.bias_ih" in name:
            assert value.tolist() == [0] * 8 + [1] * 8 + [0] * 16, name  # input, forget, cell, output gate
        else:
            assert not value.any(), name


def test_schemes_have_the_spread_of_their_papers():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(400, 300), nn.Conv2d(40, 200, 3))
    inputs, outputs = (400, 40 * 9), (300, 200 * 9)
    for scheme, variances in {
        "xavier": [2 / (i + o) for i, o in zip(inputs, outputs, strict=True)],
        "kaiming": [2 / i for i in inputs],
    }.items():
        initialize(network, scheme)
        for layer, variance in zip(network, variances, strict=True):
            assert float(layer.weight.detach().var()) == pytest.approx(variance, rel=0.05)


def test_each_gate_is_a_matrix_of_its_own():
    network = EveryStep(nn.LSTM(8, 8, 2, batch_first=True))
    initialize(network, "orthogonal")
    for name, weight in network.named_parameters():
        for gate in weight.split(8) if weight.ndim > 1 else ():
            torch.testing.assert_close(gate @ gate.T, torch.eye(8), msg=name)
    initialize(network, "xavier")
    limit = math.sqrt(6 / 16)  # of one gate; of all four in one it would be smaller
    assert float(network.recurrent.weight_hh_l0.detach().abs().max()) > 0.9 * limit


def test_default_leaves_every_layer_its_own_start():
    torch.manual_seed(0)
    network = Everything()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    initialize(network, "default")
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_layers_that_leave_nothing_of_an_image_are_refused():
    layers = nn.Sequential(*[nn.MaxPool2d(2) for _ in range(3)])
    assert shape_after(layers, (1, 8, 10), "depth") == (1, 1, 1)
    with pytest.raises(OptionError, match=r"^depth: .* an image of 10x7 to nothing .*\(--set size=64\)$") as caught:
        shape_after(layers, (1, 7, 10), "depth")
    assert "\n" not in str(caught.value)
