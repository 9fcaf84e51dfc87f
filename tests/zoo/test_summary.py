"""`zoo summary`: parameters and multiply-accumulate operations are those counted by hand."""

from __future__ import annotations

import json

import pytest

from runtime.errors import OptionError
from zoo.recipes import descriptions, recipe
from zoo.train.summary import summarize


def layers(summary, *kinds):
    return [(each.kind, each.output, each.parameters, each.macs) for each in summary.layers if each.kind in kinds]


def test_a_perceptron_by_hand():
    summary = summarize("mlp", "4", 3, {"hidden": [8], "linear": False}, depth=9)
    assert layers(summary, "Linear") == [("Linear", (8,), 4 * 8 + 8, 4 * 8), ("Linear", (3,), 8 * 3 + 3, 8 * 3)]
    assert (summary.recipe, summary.input, summary.outputs) == ("mlp", (4,), 3)
    assert (summary.parameters, summary.macs) == (40 + 27, 32 + 24)


def test_a_convolutional_network_by_hand():
    settings = {"widths": [4], "hidden": 6, "convolutions": 1, "kernel": 3, "batch_norm": True, "dropout": 0}
    summary = summarize("cnn", "8x6x3", 5, settings)
    assert layers(summary, "Conv2d", "BatchNorm2d", "Linear") == [
        ("Conv2d", (4, 8, 6), 3 * 4 * 9, 3 * 4 * 9 * 8 * 6),
        ("BatchNorm2d", (4, 8, 6), 8, 0),
        ("Linear", (6,), 4 * 4 * 3 * 6 + 6, 4 * 4 * 3 * 6),
        ("Linear", (5,), 6 * 5 + 5, 6 * 5),
    ]
    assert summary.input == (8, 6, 3)
    assert summary.parameters == sum(each.parameters for each in summary.layers)
    assert summary.macs == sum(each.macs for each in summary.layers)


@pytest.mark.parametrize(("name", "gates"), [("rnn", 1), ("gru", 3), ("lstm", 4)])
def test_a_recurrent_network_counts_every_step(name, gates):
    summary = summarize(name, "10x3", 2, {"hidden": 5, "layers": 1})
    matrices = gates * 5 * (3 + 5)
    assert (summary.layers[0].macs, summary.layers[0].parameters) == (10 * matrices, matrices + gates * 2 * 5)
    assert summary.macs == 10 * matrices + 5 * 2


def test_a_readout_of_each_step_counts_every_step():
    summary = summarize("crnn", "32x64x1", 11)
    readout = summary.layers[-1]
    inputs = (readout.parameters - 11) // 11
    assert (readout.kind, readout.macs) == ("Linear", readout.output[0] * inputs * 11)


@pytest.mark.parametrize("depth", [1, 2, 9])
def test_the_sums_are_the_same_at_any_depth(depth):
    summary, whole = (summarize("mobilenet", "32x32x3", 10, depth=each) for each in (depth, 4))
    assert (summary.parameters, summary.macs) == (whole.parameters, whole.macs)
    assert sum(each.parameters for each in summary.layers) == summary.parameters


def test_the_data_of_the_recipe_gives_shape_and_outputs():
    summary = summarize("mlp", None, 0)
    assert (summary.input, summary.outputs) == ((8, 8, 1), 10)
    assert summary.parameters == summarize("mlp", "8x8x1", 10).parameters
    assert summarize("mlp", None, 3).outputs == 3


@pytest.mark.parametrize("name", sorted(descriptions("zoo.recipes")))
def test_every_recipe_can_be_summed_up(name):
    if recipe(name).data is None:
        with pytest.raises(OptionError, match=f"{name} has no data of its own: give --shape"):
            summarize(name, None, 0)
        return
    summary = summarize(name, None, 0)
    assert summary.macs > summary.parameters / 4 > 0


@pytest.mark.parametrize("shape", ["0x8x1", "8x8x1x1", "8*8", "-8x8x1", "8x8x", "9999x9999x3", "eight", "123456"])
def test_a_shape_that_is_none_is_refused(shape):
    with pytest.raises(OptionError, match="a shape is HEIGHTxWIDTHxCHANNELS, TIMExFEATURES or FEATURES up to 4096"):
        summarize("mlp", shape, 10)


@pytest.mark.parametrize(
    ("name", "shape", "settings", "message"),
    [
        ("cnn", "8", {}, "cnn can't be built for an input of 8"),
        ("cnn", "4x4x3", {"widths": [4, 4, 4, 4]}, "shrink an image of 4x4 to nothing"),
        ("gru", "8", {}, "gru can't be built for an input of 8"),
        ("mlp", "8", {"hiden": [3]}, r"unknown option 'hiden' \(did you mean 'hidden'"),
        ("mlp", "8", {"hidden": [0]}, "hidden units must be above 0"),
        ("mpl", "8", {}, r"unknown recipe 'mpl' \(did you mean 'mlp'"),
    ],
)
def test_a_network_that_cannot_be_built_is_one_line(name, shape, settings, message):
    with pytest.raises(OptionError, match=message) as caught:
        summarize(name, shape, 10, settings)
    assert "\n" not in str(caught.value)


def test_the_command_shows_the_same(cli):
    words = ("summary", "mlp", "--shape", "4", "--outputs", 3, "--set", "hidden=[8]", "--set", "linear=false")
    shown = cli(*words, "--depth", 9)
    assert shown.status == 0, shown.err
    assert "mlp: input 4, 3 outputs" in shown.out
    assert "67 parameters (0.3 kB in float32), 56 MACs" in shown.out
    summary = json.loads(cli(*words, "--json").out)
    assert (summary["parameters"], summary["macs"], summary["input"]) == (67, 56, [4])
    assert cli("summary", "mlp", "--shape", "4x").err.splitlines()[-1].startswith("zoo: a shape is HEIGHT")


def test_recordings_have_no_shape_to_state():
    summary = summarize("keyword", None, 0)
    assert (summary.input, summary.outputs) == ((16_000,), 5)
    with pytest.raises(OptionError, match="keyword takes recordings: leave --shape out"):
        summarize("keyword", "8x8x1", 5)
