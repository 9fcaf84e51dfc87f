"""Raw pixels to the tensor that a graph made elsewhere takes, and back."""

from __future__ import annotations

from dataclasses import asdict, replace

import numpy as np
import pytest

from runtime.errors import EngineError, ManifestError
from runtime.feed import Feed, QuantizationParams
from runtime.postprocess import decode
from runtime.schema import build
from runtime.tasks import Binary, Classification, MultiLabel
from tests.runtime.edits import edit_manifest

PLAIN = Feed("in", "out", "NHWC", "float32", (0.0, 0.0, 0.0), (255.0, 255.0, 255.0))
PIXELS = np.random.default_rng(0).integers(0, 256, (2, 4, 5, 3), np.uint8)


@pytest.mark.parametrize(("layout", "shape"), [("NCHW", (2, 3, 4, 5)), ("NHWC", (2, 4, 5, 3))])
def test_pixels_are_scaled_ordered_and_laid_out(layout, shape):
    feed = replace(PLAIN, layout=layout, order="BGR", mean=(10.0, 20.5, 30.0), std=(1.0, 2.0, 0.3))
    inputs = feed.take(PIXELS)
    assert (inputs.shape, inputs.dtype) == (shape, np.float32)
    assert inputs.flags["C_CONTIGUOUS"]
    for channel, (source, mean, std) in enumerate(((2, 10, 1), (1, 20.5, 2), (0, 30, 0.3))):
        wanted = (PIXELS[..., source].astype(np.float32) - np.float32(mean)) / np.float32(std)
        np.testing.assert_array_equal(inputs.take(channel, axis=shape.index(3)), wanted)


def test_gray_pixels_are_scaled():
    feed = replace(PLAIN, mean=(10.0,), std=(3.0,))
    gray = PIXELS[..., :1]
    np.testing.assert_array_equal(feed.take(gray), (gray.astype(np.float32) - 10) / np.float32(3))


@pytest.mark.parametrize(("dtype", "zero"), [("uint8", 128), ("int8", 0), ("int8", -128), ("uint8", 0)])
def test_quantized_inputs_round_and_stay_in_their_range(dtype, zero):
    feed = replace(
        PLAIN, dtype=dtype, input_scale=QuantizationParams(1 / 100, zero), mean=(127.5,) * 3, std=(127.5,) * 3
    )
    limits = np.iinfo(dtype)
    values = (PIXELS.astype(np.float64) - 127.5) / 127.5
    wanted = np.clip(np.rint(values * 100) + zero, limits.min, limits.max)
    inputs = feed.take(PIXELS)
    assert inputs.dtype == dtype
    assert (
        np.abs(inputs.astype(np.float64) - wanted).max() <= 1
    )  # a value half-way between two integers may fall to either
    assert (inputs == wanted).mean() > 0.95


def test_pixels_without_scaling_pass_as_they_are():
    feed = replace(PLAIN, dtype="uint8", std=(1.0, 1.0, 1.0))
    np.testing.assert_array_equal(feed.take(PIXELS), PIXELS)


def test_probabilities_come_back_as_they_were():
    chances = np.array([[0.7, 0.3, 0.0], [1.0, 0.0, 0.0], [1 / 3, 1 / 3, 1 / 3]], np.float32)
    labels = ("a", "b", "c")
    for gives, output in (
        ("softmax", Classification("classification", "logits", labels)),
        ("sigmoid", MultiLabel("multilabel", "logits", labels)),
    ):
        raw = replace(PLAIN, gives=gives).give(chances, 3)
        scores = np.stack([each.scores for each in decode(output, raw, PIXELS[[0, 0, 0]], 1)])
        np.testing.assert_allclose(scores, chances, atol=2e-7)
    raw = replace(PLAIN, gives="sigmoid").give(chances[:, :1], 3)
    scores = [each.scores[1] for each in decode(Binary("binary", "logits", ("n", "y")), raw, PIXELS[[0, 0, 0]], 1)]
    np.testing.assert_allclose(scores, chances[:, 0], atol=2e-7)


def test_quantized_outputs_are_real_values_again_and_extra_axes_go():
    feed = replace(PLAIN, output_scale=QuantizationParams(0.5, -3))
    outputs = np.array([[[[-3]], [[5]]]], np.int8)
    np.testing.assert_array_equal(feed.give(outputs, 1), np.array([[0, 4]], np.float32))
    with pytest.raises(EngineError, match="for a batch of 3"):
        feed.give(outputs, 3)


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        ({"std": [1.0, 0.0, 1.0]}, "std above 0"),
        ({"mean": [1.0]}, "one value for each channel"),
        ({"input": ""}, "names"),
        ({"layout": "HWCN"}, "NCHW"),
        ({"dtype": "float64"}, "float64"),
        ({"input_scale": {"scale": 0.0, "zero_point": 0}}, "scale above 0"),
        ({"output_scale": {"scale": 1.0, "zero_point": 10**9}}, "16-bit"),
        ({"gives": "argmax"}, "argmax"),
    ],
)
def test_a_feed_is_checked(edit, words):
    with pytest.raises(ManifestError, match=words):
        build(Feed, asdict(PLAIN) | edit, "feed", ManifestError)


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        ({"mean": (1.0,), "std": (1.0,)}, "1 means for 3 channels"),
        ({}, "takes no states"),
    ],
)
def test_a_manifest_with_a_feed_that_does_not_suit_is_refused(edit, words, bundle_copy):
    import runtime

    def change(manifest):
        spec = manifest["models"]["model.onnx"]["spec"]
        spec["feed"] = asdict(PLAIN) | edit
        if not edit:
            spec["state"] = [{"name": "state", "shape": [3]}]

    edit_manifest(bundle_copy, change)
    with pytest.raises(ManifestError, match=words):
        runtime.load(bundle_copy)


def test_a_feed_is_for_images(table_bundle, tmp_path):
    import shutil

    import runtime

    copy = shutil.copytree(table_bundle, tmp_path / "bundle")
    edit_manifest(copy, lambda manifest: manifest["models"]["model.onnx"]["spec"].update(feed=asdict(PLAIN)))
    with pytest.raises(ManifestError, match="for images"):
        runtime.load(copy)
