"""A network that hears hop by hop: each step gives what the whole audio so far does."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from export.formats import Graph, format_module
from export.precision import Request
from export.precision.calibration import batches, observe
from runtime.engines import engine_for, engine_module
from zoo.options import apply
from zoo.recipes import recipe


def network(rate, samples, **options):
    declared = recipe("keyword-stream")
    torch.manual_seed(0)
    made = declared.build(apply(declared.options(), options, "keyword-stream"), (rate, samples), 5)
    for part in made.modules():
        if isinstance(part, torch.nn.modules.batchnorm._BatchNorm):
            part.running_mean.uniform_(-1, 1)
            part.running_var.uniform_(0.5, 2)
    return made.eval()


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"features": "mfcc", "window": 0.02},
        {"window": 0.04, "widths": [48, 32], "kernels": [3, 5], "dilations": [8, 1]},
        {"kernels": [1, 1, 1, 1]},
    ],
)
@pytest.mark.parametrize(("rate", "hop"), [(8_000, 160), (11_025, 220)])
def test_each_hop_gives_what_the_whole_so_far_does(rate, hop, options):
    made = network(rate, 20 * hop, **options)
    audio = torch.rand(3, 20 * hop, generator=torch.Generator().manual_seed(0)) * 2 - 1
    states = [torch.zeros(3, *shape) for shape in made.state.values()]
    with torch.no_grad():
        for end in range(hop, 20 * hop + 1, hop):
            logits, *states = made.step(audio[:, end - hop : end], *states)
            wanted = made(audio[:, :end])
            np.testing.assert_allclose(logits, wanted, rtol=0, atol=1e-5 * float(wanted.abs().max()))


def static_int8(format_name, data, audio):
    module = format_module(format_name).precision
    calibration = lambda: module.activations(data, batches({"audio": audio}))  # noqa: E731
    statistics = observe(calibration, "min-max", module.CHANNEL_AXIS)
    return module.quantize(data, "int8", Request(lambda: statistics))


@pytest.mark.parametrize("format_name", ["onnx", "tflite"])
def test_features_of_a_stream_stay_in_fp32(format_name):
    """Silence before the first sample belongs to them, or the samples would be integers of 8 bits before it."""
    made = network(8_000, 1_600, widths=[16, 16], kernels=[9, 9], dilations=[1, 2])
    audio = (np.random.default_rng(0).random((2, 1_600), np.float32) - 0.5) / 8
    axes = {"audio": {0: "batch"}, "logits": {0: "batch"}}
    data = format_module(format_name).convert(Graph(made, {"audio": audio}, ("logits",), axes))
    small = static_int8(format_name, data, audio)
    engine = engine_module(engine_for(format_name)).open(small, ("audio",), ("logits",))
    with torch.no_grad():
        wanted = made(torch.from_numpy(audio)).numpy()
    logits = np.concatenate([engine.run({"audio": clip[None]})["logits"] for clip in audio])
    assert np.abs(logits - wanted).max() < 0.05 * np.abs(wanted).max()
