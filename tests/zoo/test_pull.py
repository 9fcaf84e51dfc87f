"""Pulling: the cache folder that processes share, networks of timm, and that a killed or failed pull leaves nothing."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

import zoo
from runtime import DataError, ExportError, OptionError, OutputError
from runtime.bundle import Bundle
from tests.zoo.test_catalogue import own_cache  # noqa: F401
from zoo import resolve as names
from zoo.catalogue.pull import cached, clean, pull
from zoo.resolve import resolve

pytestmark = pytest.mark.usefixtures("own_cache")

SOURCE = """
import os, shutil, sys, time
from pathlib import Path
from runtime.bundle import Bundle
from runtime.errors import ExportError
from zoo import resolve as names
from zoo.catalogue.pull import Choice, pull

CHANGES = False

def own(name):
    return Choice(("onnx",), ("fp32",))

def fill(name, choice, out, on_progress):
    with open({log!r}, "a") as log:
        log.write("made\\n")
    for file in sorted(Path({bundle!r}).iterdir()):
        shutil.copy(file, out)
        time.sleep({pause})
    return Bundle.read(out)
"""
PULL = """
import types
source = types.ModuleType("fake_source")
source.CHANGES, source.own, source.pull = CHANGES, own, fill
sys.modules["fake_source"] = source
names.SOURCES["fake"] = "fake_source"
print(pull("fake:model").path)
"""


@pytest.fixture
def fake(tiny_bundle, tmp_path, monkeypatch) -> SimpleNamespace:
    """A source whose bundles are copies of the tiny one, here and in processes of their own."""
    log = tmp_path / "log"
    log.write_text("")
    code = SOURCE.format(log=str(log), bundle=str(tiny_bundle), pause=0.2)
    space: dict[str, object] = {}
    exec(SOURCE.format(log=str(log), bundle=str(tiny_bundle), pause=0), space)  # noqa: S102
    source = SimpleNamespace(CHANGES=space["CHANGES"], own=space["own"], pull=space["fill"])
    monkeypatch.setitem(sys.modules, "fake_source", source)
    monkeypatch.setitem(names.SOURCES, "fake", "fake_source")
    return SimpleNamespace(log=log, code=code + PULL, source=source)


def test_a_bundle_is_made_once(fake):
    first = pull("fake:model")
    assert pull("fake:model").path == first.path == resolve("fake:model")
    assert fake.log.read_text() == "made\n"
    pull("fake:model", ["onnx", "tflite"])
    assert resolve("fake:model").name == "onnx+tflite,fp32"
    assert zoo.load("fake:model").labels == ("cat", "dog", "fox")
    pull("fake:model")
    assert resolve("fake:model") == first.path
    assert fake.log.read_text() == "made\n" * 2


def test_processes_make_a_bundle_once(fake):
    started = [subprocess.Popen([sys.executable, "-c", fake.code], stdout=subprocess.PIPE, text=True) for _ in range(3)]
    places = {process.communicate(timeout=120)[0] for process in started}
    assert places == {f"{resolve('fake:model')}\n"}
    assert fake.log.read_text() == "made\n"
    Bundle.read(resolve("fake:model")).check()


def test_a_killed_pull_leaves_nothing_to_load(fake):
    process = subprocess.Popen([sys.executable, "-c", fake.code])
    parent = names.bundles_folder("fake:model")
    while not list(parent.glob(".*/*")):
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert list(parent.glob(".*"))
    assert cached() == []
    with pytest.raises(zoo.ZooError, match="zoo pull fake:model"):
        zoo.load("fake:model")
    pull("fake:model")
    assert not list(parent.glob(".*"))


def test_a_failed_pull_leaves_nothing(fake):
    def fail(name, choice, out, on_progress):
        (out / "manifest.json").write_text("{}")
        raise ExportError(f"int8 differs; {out} holds model.onnx only")

    fake.source.pull = fail
    with pytest.raises(ExportError, match=r"^int8 differs; nothing was kept"):
        pull("fake:model")
    assert cached() == []


def test_cache_lists_and_cleans(fake, cli):
    pull("fake:model")
    pull("fake:user/model", ["tflite"])
    listed = json.loads(cli("cache", "list", "--json").out)
    assert [each["name"] for each in listed] == ["fake:model", "fake:user/model"]
    assert listed[0]["size"] > 1000
    assert "fake:user/model" in cli("cache", "list").out
    assert json.loads(cli("cache", "clean", "fake:model", "--json").out)[0]["name"] == "fake:model"
    assert [each.name for each in cached()] == ["fake:user/model"]
    with pytest.raises(OptionError, match="zoo cache list"):
        clean(["fake:model"])
    assert "removed 1 bundle" in cli("cache", "clean").out
    assert cached() == []
    assert not list(names.home().glob(".removed*"))


def test_a_cache_that_cannot_be_used_is_refused(fake, monkeypatch, tmp_path):
    file = tmp_path / "file"
    file.write_text("")
    monkeypatch.setenv("EDGEZOO_CACHE", str(file))
    with pytest.raises(OptionError, match="EDGEZOO_CACHE"):
        pull("fake:model")
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "notes").write_text("mine")
    with pytest.raises((OutputError, OptionError)):
        pull("timm:resnet18", out=tmp_path / "there", random_weights=True)


def test_the_models_that_travel_with_edgezoo_need_no_pull(cli):
    assert pull("mnist-cnn").path == names.SHIPPED / "mnist-cnn"
    with pytest.raises(OptionError, match="random weights are for models of timm"):
        pull("mnist-cnn", random_weights=True)


@pytest.mark.parametrize("name, hint", [("mnist-cn", "mnist-cnn"), ("timm:resnet19", "resnet18"), ("x:y", "hf:NAME")])
def test_unknown_models_are_refused_with_the_nearest(name, hint):
    with pytest.raises(OptionError, match=hint):
        pull(name)


def test_without_a_network_a_sentence_says_so(monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", "https://hub.invalid")
    with pytest.raises(DataError, match=r"can't be had .*--random-weights") as caught:
        pull("timm:mobilenetv3_small_100")
    assert "\n" not in str(caught.value)
    assert cached() == []


def test_a_network_without_classifier_is_refused():
    with pytest.raises(OptionError, match="has no classifier"):
        pull("timm:vit_small_patch14_dinov2", random_weights=True)


def picture(name: str) -> Path:
    """Return one of scikit-image's pictures."""
    import skimage

    return Path(skimage.__file__).parent / "data" / name


NETWORKS = [
    "tf_efficientnet_lite0",
    "tf_efficientnet_lite1",
    "mobilenetv3_small_100",
    "convnext_atto",
    "beit_base_patch16_224",
]


@pytest.mark.parametrize("backbone", NETWORKS)
def test_preprocessing_is_timms_own(backbone):
    import timm
    from timm.data import create_transform, resolve_model_data_config

    from zoo.catalogue.backbones import preprocessing

    network = SimpleNamespace(pretrained_cfg=timm.get_pretrained_cfg(backbone).to_dict())
    transform = create_transform(**resolve_model_data_config(network), is_training=False, normalize=False)
    input_spec = preprocessing(network).input
    for name in ("chelsea.png", "coffee.png", "rocket.jpg", "astronaut.png", "retina.jpg", "hubble_deep_field.jpg"):
        photo = Image.open(picture(name)).convert("RGB")
        ours = input_spec.read(picture(name)).astype(int)
        theirs = transform(photo).permute(1, 2, 0).numpy().astype(int)
        assert np.abs(ours - theirs).max() <= 2
        assert np.mean(ours != theirs) < 0.002


def test_squashed_images_are_timms_own():
    import timm
    from timm.data import create_transform, resolve_model_data_config

    from zoo.catalogue.backbones import preprocessing

    config = timm.get_pretrained_cfg("resnet18").to_dict() | {"crop_mode": "squash", "crop_pct": 0.9}
    network = SimpleNamespace(pretrained_cfg=config)
    transform = create_transform(**resolve_model_data_config(network), is_training=False, normalize=False)
    theirs = transform(Image.open(picture("coffee.png"))).permute(1, 2, 0).numpy().astype(int)
    assert np.abs(preprocessing(network).input.read(picture("coffee.png")) - theirs).max() <= 1


def test_labels_are_timms_and_differ():
    from zoo.catalogue.backbones import create, labels

    class_names = labels(create("mobilenetv3_small_100", random_weights=True))
    assert len(set(class_names)) == 1000
    assert (class_names[281], class_names[967]) == ("tabby, tabby cat", "espresso")


@pytest.mark.parametrize("backbone", ["repvgg_a0", "mobileone_s1", "fastvit_t8", "repghostnet_050"])
def test_branches_that_are_trained_apart_are_fused(backbone):
    import timm

    from zoo.catalogue.backbones import create

    def size(network):
        return sum(1 for values in network.parameters())

    assert size(create(backbone, random_weights=True)) < size(timm.create_model(backbone))


def test_random_weights_hide_no_branch():
    """ResNets start with branches that give nothing, ConvNeXt with factors of 1e-6."""
    from zoo.catalogue.backbones import create

    for backbone in ("resnet10t", "test_convnext"):
        for name, values in create(backbone, random_weights=True).named_parameters():
            assert values.numel() == 1 or values.std() > 1e-3, (backbone, name)


@pytest.mark.slow
def test_any_network_of_timm_becomes_a_bundle(cli, tmp_path):
    done = cli("pull", "timm:test_resnet", "--random-weights", "--format", "tflite", "--precision", "fp32", "--json")
    assert done.status == 0, done.err
    path = resolve("timm:test_resnet+random")
    manifest = Bundle.read(path).manifest
    assert list(manifest.models) == ["model.tflite"]
    assert "random weights" in manifest.card.summary
    assert manifest.card.weights is None
    with pytest.raises(zoo.ZooError, match=r"zoo pull timm:test_resnet$"):
        zoo.load("timm:test_resnet")


WANTED = {
    "chelsea.png": {"tabby, tabby cat", "tiger cat", "Egyptian cat"},
    "coffee.png": {"espresso"},
    "rocket.jpg": {"missile", "projectile, missile"},
    "astronaut.png": None,
}


@pytest.mark.nightly
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("formats", [("onnx",), ("tflite",)], ids=str)
def test_efficientnet_lite0_names_real_photos_as_timm_does(formats):
    """Every file of the bundle, on pictures that neither proved nor calibrated it."""
    import timm
    import torch
    from timm.data import create_transform, resolve_model_data_config

    from zoo.recipes._backbones import weights

    bundle = pull("efficientnet-lite0", formats)
    network = timm.create_model("tf_efficientnet_lite0")
    network.load_state_dict(weights("tf_efficientnet_lite0", network))
    transform = create_transform(**resolve_model_data_config(network.eval()), is_training=False)
    assert len(bundle.manifest.models) == 2
    for file, entry in bundle.manifest.models.items():
        model = zoo.load(bundle.path / file)
        for name, wanted in WANTED.items():
            with torch.inference_mode():
                theirs = network(transform(Image.open(picture(name)).convert("RGB"))[None]).softmax(1)[0].numpy()
            ours = model.predict(picture(name))
            assert ours.label == model.labels[int(theirs.argmax())], (file, name)
            assert wanted is None or ours.label in wanted
            if entry.spec.precision == "fp32":
                assert np.abs(ours.scores - theirs).max() < 1e-3
    shutil.rmtree(bundle.path)
