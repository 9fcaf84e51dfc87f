"""Scaling inside the graph: (x / 255 - mean) / std, (x - mean) / std, x * std + mean."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

import export
import zoo
from export import DenormalizeTargets, NormalizeFeatures, NormalizePixels
from export.streaming import state_of
from tests.networks import Convolution, Recurrent

ALL_PIXELS = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1).repeat(3, axis=3)
channel = st.tuples(st.floats(0, 1), st.floats(0.05, 1))


@given(st.lists(channel, min_size=3, max_size=3))
def test_every_pixel_value(channels):
    mean, std = zip(*channels, strict=True)
    scaled = NormalizePixels(nn.Identity(), mean, std)(torch.from_numpy(ALL_PIXELS)).numpy()
    wanted = ((ALL_PIXELS / 255 - np.array(mean)) / np.array(std)).transpose(0, 3, 1, 2)
    assert scaled.dtype == np.float32
    assert np.abs(scaled - wanted).max() <= 1e-6 * max(1, np.abs(wanted).max())


def test_channels_keep_their_places():
    pixels = torch.zeros(2, 4, 5, 3, dtype=torch.uint8)
    pixels[1, 3, 2, 0] = 255
    scaled = NormalizePixels(nn.Identity(), [0, 0.5, 1], [1, 1, 1])(pixels)
    assert scaled.shape == (2, 3, 4, 5)
    assert scaled[0, :, 0, 0].tolist() == [0, -0.5, -1]
    assert scaled[1, :, 3, 2].tolist() == [1, -0.5, -1]


def test_floats_of_the_same_values_give_the_same():
    module = NormalizePixels(nn.Identity(), [0.4] * 3, [0.2] * 3)
    pixels = torch.from_numpy(ALL_PIXELS)
    assert torch.equal(module(pixels), module(pixels.float()))


@pytest.mark.parametrize(("mean", "std"), [
    ([0.5], [0.5, 0.5]), ([0.5], [0]), ([0.5], [-1]), ([0.5], [float("nan")]), ([float("nan")], [0.5]),
    ([0.5], [float("inf")]), ([], []),
])  # fmt: skip
def test_values_that_make_no_sense_are_refused(mean, std):
    with pytest.raises(ValueError, match="mean and std need one value a channel"):
        NormalizePixels(nn.Identity(), mean, std)


@pytest.mark.parametrize(("mean", "std", "cause"), [
    ([123.7, 116.3, 103.5], [58.4, 57.1, 57.4], "Divide them by 255"),
    ([0.485, 0.456, 0.406], [58.4, 57.1, 57.4], "Divide them by 255"),
    ([123.7, 116.3, 103.5], [0.229, 0.224, 0.225], "Divide them by 255"),
    ([-2.118], [0.229], "Divide them by 255"),
    ([0.0019], [0.0009], "divided by 255 twice"),
    (0.5, 0.5, "lists of numbers, got 0.5"),
    (["a"], ["b"], "lists of numbers"),
])  # fmt: skip
def test_constants_of_another_scale_are_refused_with_the_likely_cause(mean, std, cause):
    with pytest.raises(ValueError, match=cause):
        NormalizePixels(nn.Identity(), mean, std)


@pytest.mark.parametrize(("mean", "std"), [([0.0], [1.0]), ([0.0], [1 / 255]), ([0.485], [0.00392]), ([0.5], [0.5])])
def test_constants_in_use_are_accepted(mean, std):
    NormalizePixels(nn.Identity(), np.array(mean), torch.tensor(std))


feature = st.tuples(st.floats(-1e4, 1e4), st.floats(1e-2, 1e4))


@given(st.lists(feature, min_size=4, max_size=4), st.integers(0, 2**32 - 1))
def test_features_of_tables_and_sequences(features, seed):
    mean, std = (np.array(part) for part in zip(*features, strict=True))
    scaled = np.random.default_rng(seed).standard_normal((3, 5, 4))
    values = (scaled * std + mean).astype(np.float32)
    module = NormalizeFeatures(nn.Identity(), mean.tolist(), std.tolist())
    wanted = (values.astype(np.float64) - mean.astype(np.float32)) / std
    assert np.abs(module(torch.from_numpy(values)).numpy() - wanted).max() <= 1e-5
    assert torch.equal(module(torch.from_numpy(values))[:, 0], module(torch.from_numpy(values[:, 0])))


def test_features_far_from_zero_keep_their_digits():
    years = torch.tensor([[2000.0], [2001.0], [2002.0]])
    assert NormalizeFeatures(nn.Identity(), [2001.0], [0.001])(years).flatten().tolist() == pytest.approx(
        [-1000, 0, 1000]
    )


def test_values_are_in_their_unit_and_so_are_auxiliary_ones():
    scaled = torch.tensor([[-1.0, 0.0, 2.0]])
    assert DenormalizeTargets(nn.Identity(), 100, 10)(scaled).tolist() == [[90, 100, 120]]

    class Heads(nn.Module):
        def forward(self, inputs):
            return inputs, inputs + 1

    main, other = DenormalizeTargets(Heads(), 100, 10)(scaled)
    assert (main.tolist(), other.tolist()) == ([[90, 100, 120]], [[100, 110, 130]])


@pytest.mark.parametrize("network", [Recurrent(2, 3), Convolution(2, 3)], ids=["recurrent", "convolution"])
def test_steps_are_scaled_like_the_whole(network):
    module = NormalizeFeatures(DenormalizeTargets(network, 50, 5), [1.0, -2.0], [3.0, 0.5]).eval()
    assert module.state == network.state
    inputs = torch.randn(4, 7, 2)
    states = [torch.zeros(4, *shape) for shape in module.state.values()]
    with torch.inference_mode():
        for length in range(1, 8):
            output, *states = module.step(inputs[:, length - 1], *states)
            assert torch.allclose(output, module(inputs[:, :length]), atol=1e-4)


def test_what_does_not_stream_has_no_state():
    assert NormalizeFeatures(nn.Identity(), [0.0], [1.0]).state == {}
    assert DenormalizeTargets(Recurrent(2, 1, both_ways=True), 0, 1).state == {}
    assert state_of(NormalizePixels(Recurrent(2, 1), [0.0], [1.0])) == {}

    class Unrelated(nn.Module):
        state = "of Ohio"

    assert state_of(Unrelated()) == {}


def test_features_and_values_that_make_no_sense_are_refused():
    with pytest.raises(ValueError, match="one value a feature"):
        NormalizeFeatures(nn.Identity(), [0.0], [1.0, 2.0])
    with pytest.raises(ValueError, match="std above 0"):
        DenormalizeTargets(nn.Identity(), 0, 0)
    with pytest.raises(ValueError, match="finite"):
        DenormalizeTargets(nn.Identity(), float("inf"), 1)
    with pytest.raises(ValueError, match="overflow in float32"):
        NormalizeFeatures(nn.Identity(), [0.0], [1e-40])
    with pytest.raises(ValueError, match="as from times in seconds since 1970"):
        NormalizeFeatures(nn.Identity(), [1.7e9], [20.0])


@pytest.mark.parametrize("package", [export, zoo], ids=["export", "zoo"])
@pytest.mark.parametrize(
    ("old", "new"),
    [("FromPixels", NormalizePixels), ("FromFeatures", NormalizeFeatures), ("ToValues", DenormalizeTargets)],
)
def test_an_old_name_works_and_warns_of_the_new_one(package, old, new):
    with pytest.warns(
        DeprecationWarning, match=rf"{package.__name__}.{old} is now {package.__name__}.{new.__name__}"
    ) as seen:
        assert getattr(package, old) is new
    assert seen[0].filename == __file__
    assert old not in package.__all__
