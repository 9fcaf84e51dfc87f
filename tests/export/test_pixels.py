"""FromPixels: scaling inside the graph is (x / 255 - mean) / std."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from export import FromPixels

ALL_PIXELS = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1).repeat(3, axis=3)
channel = st.tuples(st.floats(0, 1), st.floats(0.05, 1))


@given(st.lists(channel, min_size=3, max_size=3))
def test_every_pixel_value(channels):
    mean, std = zip(*channels, strict=True)
    found = FromPixels(nn.Identity(), mean, std)(torch.from_numpy(ALL_PIXELS)).numpy()
    wanted = ((ALL_PIXELS / 255 - np.array(mean)) / np.array(std)).transpose(0, 3, 1, 2)
    assert found.dtype == np.float32
    assert np.abs(found - wanted).max() <= 1e-6 * max(1, np.abs(wanted).max())


def test_channels_keep_their_places():
    pixels = torch.zeros(2, 4, 5, 3, dtype=torch.uint8)
    pixels[1, 3, 2, 0] = 255
    found = FromPixels(nn.Identity(), [0, 0.5, 1], [1, 1, 1])(pixels)
    assert found.shape == (2, 3, 4, 5)
    assert found[0, :, 0, 0].tolist() == [0, -0.5, -1]
    assert found[1, :, 3, 2].tolist() == [1, -0.5, -1]


def test_floats_of_the_same_values_give_the_same():
    module = FromPixels(nn.Identity(), [0.4] * 3, [0.2] * 3)
    pixels = torch.from_numpy(ALL_PIXELS)
    assert torch.equal(module(pixels), module(pixels.float()))


@pytest.mark.parametrize(("mean", "std"), [([0.5], [0.5, 0.5]), ([0.5], [0]), ([0.5], [-1]), ([0.5], [float("nan")])])
def test_values_that_make_no_sense_are_refused(mean, std):
    with pytest.raises(ValueError, match="mean and std need one value a channel"):
        FromPixels(nn.Identity(), mean, std)
