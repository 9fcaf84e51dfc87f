"""Recipes: the networks of the papers by their parameters, any reasonable input, and steps that equal the whole."""

from __future__ import annotations

import dataclasses

import pytest
import torch
import torchvision
from torch import nn

from runtime.errors import OptionError
from zoo.options import apply, divide
from zoo.recipes import Training, recipe
from zoo.recipes._blocks import Supervised
from zoo.recipes._inputs import audio, images, images_or_tables, lines, sequences, tables
from zoo.recipes.keyword_stream import stream
from zoo.registry import descriptions

RECIPES = sorted(descriptions("zoo.recipes"))
SHAPES = {
    images: [(1, 8, 8), (1, 28, 28), (3, 64, 64), (3, 33, 40)],
    images_or_tables: [(1, 8, 8), (1, 28, 28), (3, 64, 64), (1,), (30,)],
    tables: [(1,), (30,)],
    sequences: [(8, 8), (28, 28), (48, 1), (1, 3)],
    lines: [(1, 32, 256), (1, 28, 224)],
    audio: [(8_000, 5_600), (16_000, 16_000), (11_025, 10_000), (8_000, 240)],
    stream: [(8_000, 5_600), (16_000, 16_000), (11_025, 9_900), (8_000, 160)],
}
CASES = [(name, shape) for name in RECIPES for shape in SHAPES.get(recipe(name).input, [])]


def build(name, shape, outputs=10, **options):
    declared = recipe(name)
    return declared.build(apply(declared.options(), options, name), shape, outputs)


def parameters(network):
    return sum(weight.numel() for weight in network.parameters())


def biased(network):
    """Count a bias for each convolution and dense layer, as there is once batch normalisation is folded into them."""
    layers = [layer for layer in network.modules() if isinstance(layer, nn.Conv2d | nn.Linear)]
    return sum(layer.weight.numel() + len(layer.weight) for layer in layers)


def normalized(network):
    norms = nn.BatchNorm1d, nn.BatchNorm2d
    return sum(layer.num_features for layer in network.modules() if isinstance(layer, norms))


@pytest.mark.parametrize(("name", "shape"), CASES)
def test_any_reasonable_input_will_do(name, shape):
    outputs = torch.Size(shape).numel() if name == "autoencoder" else 7
    network = build(name, shape, outputs)
    x = torch.randn(2, *(shape[1:] if recipe(name).input in (audio, stream) else shape))  # a rate is no axis
    with torch.inference_mode():
        answer = network.eval()(x)
    assert answer.shape == ((2, shape[2] // 4, 7) if name == "crnn" else (2, outputs))
    trained = network.train()(x)
    for part in trained if isinstance(trained, tuple) else (trained,):
        assert part.shape == answer.shape
    sum(part.sum() for part in (trained if isinstance(trained, tuple) else (trained,))).backward()
    assert all(weight.grad is not None for weight in network.parameters())


@pytest.mark.parametrize("name", RECIPES)
def test_tuning_tries_what_there_is(name):
    declared = recipe(name)
    for option, values in declared.search.items():
        for value in values:
            own, training = divide({option: value}, declared.options, Training)
            apply(declared.options(), own, name)
            apply(declared.training, training, name)


# the networks of the papers; torch.device("meta") builds them without memory


def reference(name, **options):
    with torch.device("meta"):
        return getattr(torchvision.models, name)(**options)


def large(name, shape=(3, 224, 224), outputs=1000, **options):
    with torch.device("meta"):
        return build(name, shape, outputs, **options)


@pytest.mark.parametrize("depth", [11, 13, 16, 19])
def test_vgg_is_torchvisions_without_the_biases_that_normalization_undoes(depth):
    wanted = reference(f"vgg{depth}_bn")
    useless = sum(layer.bias.numel() for layer in wanted.features if isinstance(layer, nn.Conv2d))
    assert parameters(large("vgg", depth=depth, hidden=[4096, 4096])) == parameters(wanted) - useless


@pytest.mark.parametrize("depth", [18, 34, 50])
def test_resnet_is_torchvisions(depth):
    assert parameters(large("resnet", depth=depth)) == parameters(reference(f"resnet{depth}"))


def test_googlenet_is_torchvisions_with_the_papers_5x5_convolutions():
    network = large("googlenet", width=1.0)
    wide = [layer for layer in network.modules() if isinstance(layer, nn.Conv2d) and layer.kernel_size == (5, 5)]
    more = sum((25 - 9) * layer.in_channels * layer.out_channels for layer in wide)
    wanted = reference("googlenet", aux_logits=False, init_weights=False)
    assert len(wide) == 9
    assert parameters(network) - parameters(network.heads) == parameters(wanted) + more


def test_mobilenet_is_the_papers():
    assert parameters(large("mobilenet", width=1.0)) == 4_231_976


def test_mlperf_tinys_networks():
    """Keras counts four numbers for each normalised channel, and biases before them."""
    wake_words = build("mobilenet", (3, 96, 96), 2, width=0.25)
    assert biased(wake_words) + 4 * normalized(wake_words) == 221_794
    anomalies = build("autoencoder", (640,), 640)
    assert biased(anomalies) + 4 * normalized(anomalies) == 269_992
    pictures = build("resnet", (3, 32, 32), 10)
    shortcuts = 32 + 64  # theirs are not normalised
    assert biased(pictures) + 4 * (normalized(pictures) - shortcuts) == 78_666
    keywords = build("keyword", (16_000, 16_000), 12, features="mfcc")
    assert biased(keywords) + 4 * normalized(keywords[1:]) == 24_908  # without the features


def test_the_default_cnn_is_what_it_was():
    kinds = [type(layer).__name__ for layer in build("cnn", (1, 28, 28))]
    block = 2 * ["Conv2d", "BatchNorm2d", "ReLU"] + ["MaxPool2d"]
    assert kinds == 3 * block + ["Flatten", "Dropout", "Linear", "ReLU", "Dropout", "Linear"]
    assert parameters(build("cnn", (1, 28, 28))) == 147_162


@pytest.mark.parametrize(
    ("options", "size"),
    [
        ({}, (3, 3)),
        ({"pooling": "average"}, (3, 3)),
        ({"pooling": "none"}, (28, 28)),
        ({"pooling": "none", "stride": 2}, (4, 4)),
        ({"padding": "valid", "widths": [4, 8]}, (4, 4)),
        ({"padding": "valid", "kernel": 4, "convolutions": 1, "widths": [4, 8]}, (4, 4)),
        ({"kernel": 5, "convolutions": 3}, (3, 3)),
    ],
)
def test_options_of_the_cnn_decide_what_is_left_of_an_image(options, size):
    network = build("cnn", (1, 28, 28), **options)
    body = network[: next(i for i, layer in enumerate(network) if isinstance(layer, nn.Flatten))]
    assert body.eval()(torch.zeros(1, 1, 28, 28)).shape[2:] == size


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("cnn", {"widths": [4] * 4}, "widths, kernel, stride and pooling: .* an image of 8x8 to nothing"),
        ("cnn", {"padding": "valid"}, "widths, kernel, stride and pooling: .* an image of 8x8 to nothing"),
        ("vgg", {"depth": 11}, "depth=11: .* an image of 8x8 to nothing .* larger images"),
        ("cnn", {"kernel": 4}, "kernel must be odd where padding is same, got 4"),
        ("cnn", {"activation": "swish"}, "unknown value 'swish'"),
        ("vgg", {"depth": 12}, "depth must be 8, 11, 13, 16 or 19"),
        ("resnet", {"depth": 9}, "depth must be 8, 18, 34 or 50"),
        ("mobilenet", {"width": 0}, "width must be 1/16 to 4"),
        ("googlenet", {"dropout": 1}, "dropout"),
        ("mlp", {"hidden": [0]}, "hidden units must be above 0"),
        ("autoencoder", {"bottleneck": 0}, "bottleneck must be above 0"),
        ("lstm", {"layers": 0}, "layers must be 1 to 16"),
        ("crnn", {"widths": []}, "widths"),
        ("keyword", {"widths": []}, "numbers must be above 0"),
        ("keyword", {"mask": 1.0}, "dropout and mask at least 0 and below 1"),
        ("keyword-stream", {"widths": [8, 8]}, "must have a number for each layer"),
        ("keyword", {"hop": 0.04}, "hop no longer than window"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line(name, options, message):
    shape = (8, 8) if name == "lstm" else (1, 8, 8)
    with pytest.raises(OptionError, match=message) as caught:
        build(name, shape, **options)
    assert "\n" not in str(caught.value)


def test_small_images_keep_a_map_for_the_last_layers_of_a_mobilenet():
    for side, left in ((224, 7), (96, 3), (64, 4), (28, 4), (8, 4), (4, 4)):
        network = build("mobilenet", (3, side, side))
        body = network[: next(i for i, layer in enumerate(network) if isinstance(layer, nn.AdaptiveAvgPool2d))]
        assert body.eval()(torch.zeros(1, 3, side, side)).shape[2:] == (left, left)


def test_auxiliary_heads_answer_in_training_only():
    network = build("googlenet", (1, 28, 28), 10)
    assert isinstance(network, Supervised)
    x = torch.randn(4, 1, 28, 28)
    assert [part.shape for part in network.train()(x)] == [(4, 10)] * 3
    assert network.eval()(x).shape == (4, 10)


def test_an_autoencoder_gives_what_it_can_not_reproduce():
    network = build("autoencoder", (1, 8, 8), 64).eval()
    x = torch.randn(3, 1, 8, 8)
    _, remainder = network
    torch.testing.assert_close(network(x), x.flatten(1) - remainder.part(x.flatten(1)))


def test_a_perceptron_can_be_linear_and_have_a_linear_part():
    assert parameters(build("mlp", (30,), 2, hidden=[])) == 62
    with_part, without = (parameters(build("mlp", (30,), 2, linear=linear)) for linear in (True, False))
    assert with_part - without == 62


# recurrent networks


@pytest.mark.parametrize("name", ["rnn", "lstm", "gru"])
@pytest.mark.parametrize("layers", [1, 2])
def test_after_each_step_the_answer_is_that_of_the_whole(name, layers):
    torch.manual_seed(0)
    network = build(name, (9, 3), 4, layers=layers, hidden=6).eval()
    assert network.state == dict.fromkeys(("hidden", "cell") if name == "lstm" else ("hidden",), (layers, 6))
    x = torch.randn(5, 9, 3)
    states = [torch.zeros(5, *shape) for shape in network.state.values()]
    for step in range(9):
        output, *states = network.step(x[:, step], *states)
        assert [tuple(state.shape[1:]) for state in states] == [*network.state.values()]
        torch.testing.assert_close(output, network(x[:, : step + 1]), atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("name", ["rnn", "lstm", "gru"])
def test_both_directions_are_read_where_they_end_and_do_not_stream(name):
    network = build(name, (9, 3), 4, layers=2, hidden=6, bidirectional=True).eval()
    assert network.state == {}
    x = torch.randn(5, 9, 3)
    every, _ = network.recurrent(x)
    ends = torch.cat([every[:, -1, :6], every[:, 0, 6:]], dim=1)
    torch.testing.assert_close(network(x), network.readout(ends))


def test_the_three_cells_share_their_options():
    kinds = {recipe(name).options for name in ("rnn", "lstm", "gru")}
    assert len(kinds) == 1
    assert dataclasses.is_dataclass(kinds.pop())
