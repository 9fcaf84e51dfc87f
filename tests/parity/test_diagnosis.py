"""Every recipe in every format: a fault planted in one layer is found in that layer, and in no sound file.

Recipes and formats are found from disk, so a new file is tested. The networks have random weights: nothing is trained.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch

import export
from export.diagnosis import compare, pair
from export.diagnosis.original import Original
from export.formats import format_module, formats_in, reader
from export.graphs import whole
from export.reference import Reference, answers
from tests.faults import FILES, int8
from zoo.options import apply
from zoo.recipes import recipe
from zoo.recipes._layers import initialize
from zoo.registry import descriptions
from zoo.train.network import build

pytestmark = pytest.mark.slow

SEQUENCE = export.SequenceInput("sequence", "sequence", 5, ("heat", "wind"), (20.0, -3.0), (5.0, 1.0))
AUDIO = export.AudioInput("audio", "audio", 4_000, 1_200)
FORECAST = export.Forecasting("forecasting", "values", "load", "MW", 2, 300.0, 40.0)


def image(height, width, channels=3):
    mode = "L" if channels == 1 else "RGB"
    return export.ImageInput("image", "image", (height, width, channels), export.image_steps((height, width), mode))


CLASSES = export.Classification("classification", "logits", ("cat", "dog", "fox"))
BOXES = export.Detection(
    "detection",
    (export.TensorSpec("distances", (21, 4)), export.TensorSpec("scores", (21, 3))),
    ("cat", "dog", "fox"), 32, 32, export.Distances("distances", (8, 16, 32)), 0.5, 0.6,
)  # fmt: skip
SMALL = {
    "autoencoder": (image(8, 8, 1), export.Anomaly("anomaly", "missed", 64, 0.1), {"hidden": [16, 16]}),
    "crnn": (image(16, 16, 1), export.CTC("ctc", "logits", "0123456789"), {"widths": [6, 8], "hidden": 12}),
    "detect": (image(32, 32), BOXES, {"pretrained": False, "backbone": "test_efficientnet", "channels": 8, "depth": 1}),
    "googlenet": (image(16, 16), CLASSES, {"width": 0.125}),
    "gru": (SEQUENCE, FORECAST, {"hidden": 12}),
    "keyword": (AUDIO, CLASSES, {"bands": 12, "widths": [16, 16]}),
    "keyword-stream": (
        AUDIO,
        CLASSES,
        {"bands": 12, "features": "log-mel", "widths": [24, 24], "kernels": [9, 9], "dilations": [1, 2]},
    ),
    "lstm": (SEQUENCE, FORECAST, {"hidden": 12}),
    "rnn": (SEQUENCE, FORECAST, {"hidden": 12}),
    "transfer": (image(32, 32), CLASSES, {"pretrained": False, "backbone": "test_efficientnet"}),
}
"""What recipes take, give and are told, where a small image and the defaults don't do."""


@pytest.fixture(scope="module", params=sorted(descriptions("zoo.recipes")))
def network(request):
    """A recipe's module with random weights and batch statistics, its specification and inputs."""
    input_spec, output_spec, settings = SMALL.get(request.param, (image(16, 16), CLASSES, {}))
    declared, spec = recipe(request.param), export.ModelSpec(request.param, input_spec, output_spec)
    torch.manual_seed(0)
    inner, module = build(declared, apply(declared.options(), settings, request.param), spec)
    initialize(inner, "kaiming")  # keeps the size of activations, so that no layer's answer is its bias alone
    with torch.no_grad():
        for name, values in inner.named_parameters():
            if "bias" in name:
                values.uniform_(0.05, 0.2)
        for part in module.modules():
            if isinstance(part, torch.nn.modules.batchnorm._BatchNorm):
                for values, low, high in (
                    (part.running_mean, -0.3, 0.3), (part.running_var, 0.5, 2), (part.weight, 0.5, 1.5),
                    (part.bias, 0.1, 0.5),
                ):  # fmt: skip
                    if values is not None:
                        values.uniform_(low, high)
    random = np.random.default_rng(0)
    shape = (4, *(size or input_spec.length for size in input_spec.shape))
    if input_spec.dtype is np.uint8:
        inputs = random.integers(0, 256, shape, np.uint8)
    elif input_spec is AUDIO:
        inputs = random.uniform(-1, 1, shape).astype(np.float32)
    else:
        inputs = random.normal((20, -3), (5, 1), shape).astype(np.float32)
    return module.eval(), spec, inputs


@pytest.fixture(scope="module")
def original(network):
    module, _, inputs = network
    return Original(module, inputs[:1])


@pytest.fixture(scope="module", params=formats_in("fp32"))
def converted(request, network, original):
    """A format, the module's file in it, the file as int8, and the tensors that are PyTorch's."""
    module, spec, inputs = network
    real = Reference(inputs, answers(module, spec, inputs))
    data = format_module(request.param).convert(whole(module, spec, real, real).graph)
    pairs = pair(original, reader(request.param).open(data), inputs)
    return request.param, data, int8(request.param, data, inputs), pairs


@pytest.fixture
def look(network, original, converted):
    """Return the diagnosis of a file."""
    format_name, _, _, pairs = converted
    return lambda data: compare(original, pairs, reader(format_name).open(data, pairs), network[2])


def some(sites):
    """Return the first, a middle and the last of the layers whose place in the module is known."""
    known = [site for site in sites if site.path]
    return [known[i] for i in sorted({0, len(known) // 2, len(known) - 1})]


def test_sound_files_have_no_fault(look, converted):
    _, data, quantized, _ = converted
    for name, file in (("fp32", data), ("int8", quantized)):
        diagnosis = look(file)
        assert diagnosis.first is None, f"{name}: {diagnosis.first}"
        assert diagnosis.layers[-1].error < (0.3 if name == "int8" else 1e-5)


def test_changed_weights_are_found(look, converted, network):
    file = FILES[converted[0]](converted[1])
    for site in some(file.sites(network[0])):
        diagnosis = look(file.change(site.weight, lambda values: values * np.float32(1.02)))
        assert diagnosis.first is not None, (site, [layer for layer in diagnosis.layers if layer.path == site.path])
        assert diagnosis.first.path == site.path, (site, diagnosis.first)


def test_changed_biases_are_found(look, converted, network):
    """Most biases here have a batch normalisation folded into them."""
    file = FILES[converted[0]](converted[1])
    for site in some([site for site in file.sites(network[0]) if site.bias]):
        diagnosis = look(file.change(site.bias, lambda values: values + np.float32(0.01)))
        assert diagnosis.first is not None, (site, [layer for layer in diagnosis.layers if layer.path == site.path])
        assert diagnosis.first.path == site.path, (site, diagnosis.first)


def test_corrupted_scales_are_found(look, converted, network):
    sites = FILES[converted[0]](converted[1]).sites(network[0])
    file = FILES[converted[0]](converted[2])
    damaged = [(site, file.rescale(site, 2)) for site in sites if site.path]
    damaged = [(site, data) for site, data in damaged if data is not None]
    assert damaged
    for i in sorted({0, len(damaged) // 2, len(damaged) - 1}):
        site, data = damaged[i]
        diagnosis = look(data)
        assert diagnosis.first is not None, (site, [layer for layer in diagnosis.layers if layer.path == site.path])
        assert diagnosis.first.path == site.path, (site, diagnosis.first)
