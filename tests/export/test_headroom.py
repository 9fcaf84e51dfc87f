"""Integers have room for their values: biases of channels whose weights are zero or tiny, and a scan for the rest."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx
import pytest
import torch
from torch import nn

import export
from export.bundle import prepare
from export.files import Variant, build, verify
from export.formats._litert import quantization as tflite_precision
from export.formats.onnx import quantization as onnx_precision
from export.precision.headroom import LARGEST_BIAS, Stored, finest_steps, saturation

SIDE = 8
BIASES = [2.0, -2.0]
"""Of the two channels without weights in each layer."""


class Pruned(nn.Module):
    """Layers of every kind that has biases; the first two channels of each have weights of `left` times their size."""

    def __init__(self, left):
        super().__init__()
        torch.manual_seed(0)
        self.norm = nn.BatchNorm2d(6)
        self.layers = nn.ModuleList([
            nn.Conv2d(3, 6, 3), nn.Conv2d(6, 6, 3, groups=6), nn.ConvTranspose2d(6, 6, 2, stride=2), nn.Linear(6, 6),
        ])  # fmt: skip
        with torch.no_grad():
            for layer in self.layers:
                outputs = layer.weight.transpose(0, 1) if isinstance(layer, nn.ConvTranspose2d) else layer.weight
                outputs[:2] *= left
                layer.bias[:2] = torch.tensor(BIASES)

    def forward(self, image):
        values = torch.relu(self.norm(self.layers[0](image)))
        values = torch.relu(self.layers[2](torch.relu(self.layers[1](values))))
        return self.layers[3](values.mean((2, 3)))


@pytest.fixture(scope="module")
def sources():
    """Return a format's source of a pruned network, each converted once."""
    photos = list(np.random.default_rng(0).integers(0, 256, (40, SIDE, SIDE, 3), np.uint8))
    spec = export.ModelSpec(
        "pruned", export.ImageInput("image", "image", (SIDE, SIDE, 3), export.image_steps((SIDE, SIDE), "RGB")),
        export.MultiLabel("multilabel", "logits", tuple("abcdef")),
    )  # fmt: skip
    made = {}

    def get(name, left=0.0):
        if (name, left) not in made:
            module = export.NormalizePixels(Pruned(left), (0.5,) * 3, (0.25,) * 3)
            (made[name, left],), _ = prepare(
                module, spec, photos[:16], [name], calibration=export.Calibration(photos[16:])
            )
        return made[name, left]

    return get


@pytest.mark.parametrize("left", [0.0, 1e-6])
@pytest.mark.parametrize(("name", "precision"), [
    ("onnx", "int8"), ("onnx", "int16x8"), ("tflite", "int8"), ("tflite", "int16x8"), ("tflite", "int8-dynamic"),
    ("tflm", "int8"),
])  # fmt: skip
def test_channels_without_weights_keep_their_biases(sources, name, precision, left, tmp_path):
    source, variant = sources(name, left), Variant(precision)
    data = source.quantize(variant)
    assert source.saturated(data) == {}
    proof = verify(source, variant, data, tmp_path)
    assert not proof.problems
    assert proof.answers[:, :2] == pytest.approx(np.tile(BIASES, (len(proof.answers), 1)), abs=0.02)
    assert proof.parity.snr > 35


def test_biases_leave_room_for_products():
    biases, output_range = np.array([0.0, 2.0, -1e-3]), (-4.0, 1.0)
    steps = finest_steps(biases, (0.0, 25.5), output_range, 8)
    assert steps == pytest.approx(np.array([4.0, 4.0, 4.0]) / (0.1 * LARGEST_BIAS))
    assert finest_steps(np.array([8.0]), (-1.0, 24.5), output_range, 8) == pytest.approx(8 / (0.1 * LARGEST_BIAS))


WEIGHTS = np.array([[1.0, -0.5], [0.25, 0.125]], np.float32)
SCALE = np.abs(WEIGHTS).max(axis=1, keepdims=True) / 127
SOUND = Stored(np.round(WEIGHTS / SCALE).astype(np.int8), SCALE, np.zeros(1), WEIGHTS)


@pytest.mark.parametrize(("change", "problem"), [
    ({}, ""),
    ({"values": np.array([[90, -64], [127, 64]], np.int8)}, "1 of 4 weights are cut off"),
    ({"values": np.full((2, 2), 127, np.int8)}, "2 of 4 weights are cut off"),
    ({"zero_point": np.array([5])}, "4 of 4 weights are cut off"),
    ({"scale": np.array([[0.0], [1.0]])}, "a step of 0"),
    ({"scale": np.array([np.inf])}, "a step of inf"),
    ({"scale": np.array([np.nan])}, "a step of nan"),
    ({"scale": np.array([1e-40])}, "a step of 1e-40"),
    ({"values": np.array([1, -(2**31)], np.int32)}, "1 of 2 biases overflow"),
    ({"values": np.array([2**31 - 1, 2**40, 5], np.int64)}, "2 of 3 biases overflow"),
    ({"values": np.array([1, np.inf, np.nan], np.float16)}, "2 of 3 values overflow"),
])  # fmt: skip
def test_the_scan_tells_what_integers_miss(change, problem):
    assert saturation(replace(SOUND, **change)) == problem


def test_layers_whose_biases_overflow_stay_in_fp32(sources, tmp_path, monkeypatch):
    monkeypatch.setattr(tflite_precision, "_ranges", lambda data, statistics, bits: statistics.ranges)
    source = sources("tflite")
    lost = source.saturated(source.quantize(Variant("int8")))
    assert set(lost.values()) == {"2 of 6 biases overflow"}
    proof = build(source, Variant("int8"), tmp_path)
    assert not proof.problems
    assert set(proof.model.quantisation.kept) == set(lost)


def test_a_file_with_integers_that_overflow_is_refused(sources, tmp_path, monkeypatch):
    real = onnx_precision.QUANTIZERS["int8"]

    def overflowing(data, request):
        model = onnx.load_from_string(real(data, request))
        bias = next(each for each in model.graph.initializer if each.data_type == onnx.TensorProto.INT32 and each.dims)
        values = onnx.numpy_helper.to_array(bias).copy()
        values[2] = 2**31 - 1
        bias.CopyFrom(onnx.numpy_helper.from_array(values, bias.name))
        return model.SerializeToString()

    monkeypatch.setitem(onnx_precision.QUANTIZERS, "int8", overflowing)
    proof = build(sources("onnx"), Variant("int8"), tmp_path)
    assert any("1 of 6 biases overflow" in problem for problem in proof.problems)
