"""Configurations of Transformers' image processors and of timm: each is followed in every key, or refused by name."""

from __future__ import annotations

import json
from importlib.util import find_spec

import numpy as np
import pytest

import runtime
from runtime.errors import OptionError
from tests.zoo import peers
from tests.zoo.foreign import onnx_file
from zoo.imports.facts import ModelFacts
from zoo.imports.graphs.onnx import read as read_graph
from zoo.imports.kinds import draft
from zoo.imports.run import import_file

MODEL = {"architectures": ["ViTForImageClassification"], "id2label": {"0": "ant", "1": "bee", "2": "cow"}}
REFUSED = {
    "CLIP 2": "size", "DPT 1": "ensure_multiple_of", "Donut 0": "do_pad", "Flava 0": "codebook_",
    "GLPN 0": "size_divisor", "ImageGPT 0": "do_color_quantize", "MobileViT 0": "crop_size", "ViT 6": "do_resize",
}  # fmt: skip
"""Cases that can't be done, with the key that the refusal names."""

with np.load(peers.RECORD) as record:
    RECORDED = {name: record[name] for name in record.files if name != "configs"}
    CONFIGS = json.loads(record["configs"].tobytes())


def written(folder, config, name=""):
    """Write a file with its configuration, as Transformers or timm do."""
    path = onnx_file(folder / "net.onnx", shape=("n", 3, "h", "w"))
    model = {"pretrained_cfg": config} if name.startswith("timm") else MODEL
    (folder / "config.json").write_text(json.dumps(model))
    if model is MODEL:
        (folder / "preprocessor_config.json").write_text(json.dumps(config))
    return path


def fed(path):
    """Return what the file's graph takes for the photo ``[3, height, width]``, and the deviation of each channel."""
    data = path.read_bytes()
    described = draft(path, data, read_graph(data), ModelFacts())
    pixels = described.input.read(peers.photo())
    return described.feed.take(pixels[None])[0], np.array(described.feed.std)[:, None, None]


@pytest.mark.parametrize("name", CONFIGS)
def test_a_configuration_is_followed_or_refused_by_name(name, tmp_path):
    path = written(tmp_path, CONFIGS[name], name)
    if name in REFUSED:
        with pytest.raises(OptionError, match=f"'{REFUSED[name]}.* can't be done here.*move the file away"):
            fed(path)
        return
    values, std = fed(path)
    levels = np.abs(peers.some(values) - RECORDED[name]) * std
    assert levels.mean() < 0.1
    assert levels.max() < 1.1


@pytest.mark.parametrize(
    ("processor", "key"),
    [
        ({"image_processor_type": "VitMatteImageProcessor"}, "image_processor_type"),
        ({"feature_extractor_type": "GLPNFeatureExtractor"}, "feature_extractor_type"),
        ({"do_pad": True, "pad_size": {"height": 256, "width": 256}}, "do_pad"),
        ({"do_thumbnail": True}, "do_thumbnail"),
        ({"resample": 5}, "resample"),
        ({"size": {"shortest_edge": 224, "longest_edge": 500}}, "size"),
        ({"size": 256, "crop_size": 224}, "size"),
        ({"size": {"height": 256, "width": 256}, "crop_size": {"height": 224, "width": 192}}, "crop_size"),
        ({"size": {"shortest_edge": 256}, "crop_size": {"height": 224, "width": 192}}, "crop_size"),
        ({"image_processor_type": "ViTImageProcessor", "crop_pct": 0.9}, "crop_pct"),
        ({"rescale_factor": 0}, "rescale_factor"),
        ({"image_mean": "imagenet"}, "image_mean"),
        ({"do_sharpen": True}, "do_sharpen"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_keys_that_can_not_be_applied_are_named(processor, key, tmp_path):
    plain = {
        "size": {"height": 8, "width": 8},
        "image_mean": 0.5,
        "image_std": 0.5,
        "do_thumbnail": False,
        "do_pad": None,
    }
    path = written(tmp_path, plain | processor)
    with pytest.raises(OptionError, match=rf"preprocessor_config\.json: '{key}' of .* can't be done here"):
        fed(path)


@pytest.mark.parametrize(
    ("config", "key"),
    [
        ({"crop_mode": "mosaic"}, "crop_mode"),
        ({"crop_border_pixels": 4}, "crop_border_pixels"),
        ({"crop_pct": -1}, "crop_pct"),
    ],
)
def test_keys_of_timm_that_can_not_be_applied_are_named(config, key, tmp_path):
    path = written(tmp_path, {"input_size": [3, 8, 8], "url": "x", "num_classes": 3, **config}, "timm")
    with pytest.raises(OptionError, match=rf"config\.json: '{key}' of .* can't be done here"):
        fed(path)


def test_timms_test_size_counts_where_the_file_takes_it(tmp_path):
    config = {"input_size": [3, 8, 8], "test_input_size": [3, 12, 12], "crop_pct": 0.5, "test_crop_pct": 1.0}
    (tmp_path / "config.json").write_text(json.dumps({"pretrained_cfg": config | peers.IMAGENET}))
    for side, share in ((8, 0.5), (12, 1.0)):
        path = onnx_file(tmp_path / "net.onnx", shape=("n", 3, side, side))
        data = path.read_bytes()
        resize = draft(path, data, read_graph(data), ModelFacts()).input.preprocess[-1]
        assert (resize.width, resize.share, resize.whole_pixels) == (side, share, True)


@pytest.mark.parametrize(("fit", "share"), [("stretch", 0.75), ("crop", 0.75)])
def test_the_command_lines_share_is_applied(fit, share, tmp_path):
    path = onnx_file(tmp_path / "net.onnx", shape=("n", 3, 12, 12))
    facts = ModelFacts(mean=(0.0,), std=(1.0,), fit=fit, share=share)
    model = runtime.load(import_file(path, facts, out=tmp_path / "bundle", overwrite=True).bundle.path)
    step = np.repeat(np.arange(16, dtype=np.uint8)[None], 16, 0)
    seen = model.spec.input.read(np.stack([step] * 3, -1))[6, :, 0]
    assert (seen.min(), seen.max()) == (2, 13)


def test_options_that_mean_nothing_together_are_refused(cli, tmp_path):
    path = onnx_file(tmp_path / "net.onnx")
    gray = onnx_file(tmp_path / "grey.onnx", shape=("n", 1, 12, 10))
    value = onnx_file(tmp_path / "value.onnx", outputs=1)
    (tmp_path / "two.txt").write_text("one\ntwo")
    scaling = ("--mean", "0", "--std", "1", "--range", "255")
    for file, options, words in (
        (path, (*scaling, "--fit", "pad", "--share", "0.5"), "--share is for --fit crop and stretch"),
        (path, ("--range", "255"), "--range is the unit of --mean and --std"),
        (gray, (*scaling, "--order", "BGR"), "leave out --order"),
        (value, (*scaling, "--task", "regression", "--labels", tmp_path / "two.txt"), "a regression has one label"),
    ):
        done = cli("import", file, *options, "--out", tmp_path / "bundle", "--overwrite")
        assert (done.status, words in done.err) == (2, True), done.err


def test_what_the_command_line_says_of_the_cut_replaces_the_configurations(tmp_path):
    path = written(tmp_path, CONFIGS["DeiT 0"])
    data = path.read_bytes()
    known = draft(path, data, read_graph(data), ModelFacts(fit="pad")).subject.known
    assert (known.facts.fit, known.facts.share, known.facts.whole_pixels) == ("pad", 1.0, False)
    assert any("share" in note for note in known.notes)


@pytest.mark.slow
@pytest.mark.parametrize("library", ["transformers", "timm"])
def test_the_installed_libraries_are_followed_too(library, tmp_path):
    if find_spec(library) is None:
        pytest.skip(f"{library} is not installed")
    cases = peers.with_timm() if library == "timm" else peers.with_transformers()
    for name, config, process in cases:
        try:
            ours, _ = fed(written(tmp_path, config, name))
        except OptionError as refused:
            assert name in REFUSED, refused
            continue
        network = Scores(ours.shape)
        assert np.abs(network(ours) - network(process())).max() < 0.01, name


class Scores:
    """A made-up network: the softmax of random sums over an image, after a ReLU, as decided as a trained one is."""

    def __init__(self, shape):
        random = np.random.default_rng(0)
        self.weights = random.normal(size=(16, *shape)).astype(np.float32) / np.sqrt(np.prod(shape))
        self.head = random.normal(size=(5, 16))

    def __call__(self, image):
        hidden = np.maximum((self.weights * image).sum((1, 2, 3)), 0)
        powers = np.exp(self.head @ hidden)
        return powers / powers.sum()
