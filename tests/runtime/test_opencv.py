"""OpenCV's own resize is the reference: not one byte may differ."""

from __future__ import annotations

import io
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from PIL import Image

from runtime.images.opencv import resize_bilinear, resize_image
from runtime.images.preprocess import check_steps, image_steps, preprocess
from runtime.images.steps import Mode, Reduce, Resize
from runtime.inputs import ImageInput, SequenceInput
from runtime.spec import ModelSpec
from runtime.tasks import Classification

OPENCV = "opencv-bilinear"
SIDES = (1, 2, 3, 7, 16, 33, 64, 97, 240, 301)


@pytest.fixture(scope="module")
def cv2():
    return pytest.importorskip("cv2")


def assert_same(cv2, pixels, width, height):
    wanted = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_LINEAR)
    resized = resize_bilinear(pixels, width, height)
    assert resized.dtype == np.uint8
    np.testing.assert_array_equal(resized, wanted, err_msg=f"{pixels.shape} to {width}x{height}")


@pytest.mark.parametrize("channels", [(), (3,), (4,)], ids=["grey", "rgb", "rgba"])
def test_no_byte_differs_from_opencvs(cv2, channels):
    """Enlarged and reduced, by whole factors and others, along one side or both."""
    random = np.random.default_rng(0)
    for number, (height, width) in enumerate(product(SIDES, SIDES)):
        pixels = random.integers(0, 256, (height, width, *channels), np.uint8)
        for wide in (SIDES[(number + 3) % len(SIDES)], width, max(1, width // 2), 2 * width):
            for high in (SIDES[(number // 3) % len(SIDES)], max(1, height // 2)):
                assert_same(cv2, pixels, wide, high)


@pytest.mark.parametrize("size", [(1280, 720), (810, 1080), (4000, 3000), (1277, 717), (5000, 11)])
def test_no_byte_differs_for_pictures_much_larger_than_the_input(cv2, size):
    width, height = size
    pixels = np.random.default_rng(1).integers(0, 256, (height, width, 3), np.uint8)
    for side in (320, 640):
        scale = side / max(size)
        assert_same(cv2, pixels, max(1, round(width * scale)), max(1, round(height * scale)))


def test_no_byte_differs_where_every_pixel_is_black_or_white(cv2):
    pixels = (np.random.default_rng(2).random((211, 307, 3)) < 0.5).astype(np.uint8) * 255
    for width, height in ((100, 80), (307, 50), (640, 430), (613, 421)):
        assert_same(cv2, pixels, width, height)


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_no_byte_differs_where_pillow_fetches_the_pixels(cv2, mode):
    """Whole factors, odd and even, and others; a factor below 2 along one side keeps the other way."""
    random = np.random.default_rng(4)
    sizes = [(640, 480, 320, 240), (1280, 720, 320, 180), (960, 540, 320, 180), (4000, 300, 611, 47), (90, 97, 1, 31)]
    sizes += [(*size, *random.integers(1, size, endpoint=True)) for size in random.integers(1, 400, (60, 2))]
    for width, height, wide, high in sizes:
        pixels = random.integers(0, 256, (height, width, *(() if mode == "L" else (3,))), np.uint8)
        resized = resize_image(Image.fromarray(pixels), int(wide), int(high))
        assert resized.mode == mode
        wanted = cv2.resize(pixels, (int(wide), int(high)), interpolation=cv2.INTER_LINEAR)
        np.testing.assert_array_equal(np.asarray(resized), wanted, err_msg=f"{width}x{height} to {wide}x{high}")


def letterbox(cv2, pixels, width, height):
    """Return what `ultralytics.data.augment.LetterBox` makes of an image: its sizes and paddings are rounded so."""
    scale = min(height / pixels.shape[0], width / pixels.shape[1])
    wide, high = round(pixels.shape[1] * scale), round(pixels.shape[0] * scale)
    across, down = (width - wide) / 2, (height - high) / 2
    if (wide, high) != pixels.shape[1::-1]:
        pixels = cv2.resize(pixels, (wide, high), interpolation=cv2.INTER_LINEAR)
    edges = (round(down - 0.1), round(down + 0.1), round(across - 0.1), round(across + 0.1))
    return cv2.copyMakeBorder(pixels, *edges, cv2.BORDER_CONSTANT, value=(114,) * 3)


@pytest.mark.parametrize("size", [(97, 41), (41, 97), (301, 200), (640, 480), (1277, 717), (64, 96), (50, 60)])
def test_a_letterbox_is_ultralytics_own(cv2, size):
    pixels = np.random.default_rng(3).integers(0, 256, (size[1], size[0], 3), np.uint8)
    steps = image_steps((64, 96), "RGB", fit="pad", interpolation=OPENCV, ground=(114, 114, 114))
    np.testing.assert_array_equal(preprocess(pixels, steps), letterbox(cv2, pixels, 96, 64))


def test_gray_images_and_stretching(cv2):
    pixels = np.random.default_rng(4).integers(0, 256, (50, 70), np.uint8)
    steps = image_steps((33, 20), "L", fit="stretch", interpolation=OPENCV)
    np.testing.assert_array_equal(preprocess(pixels, steps)[:, :, 0], cv2.resize(pixels, (20, 33)))


def test_jpegs_are_not_decoded_at_reduced_scale(cv2):
    coarse = Image.fromarray(np.random.default_rng(5).integers(0, 256, (6, 8, 3), np.uint8))
    coarse.resize((640, 480), Image.Resampling.BICUBIC).save(file := io.BytesIO(), "JPEG")
    steps = image_steps((60, 80), "RGB", fit="stretch", interpolation=OPENCV)
    assert not any(isinstance(step, Reduce) for step in steps)
    np.testing.assert_array_equal(
        preprocess(file.getvalue(), steps), cv2.resize(np.asarray(Image.open(file)), (80, 60))
    )


@pytest.mark.parametrize(
    "options",
    [
        {"fit": "crop"}, {"fit": "stretch", "share": 0.9}, {"fit": "pad", "whole_pixels": True},
        {"fit": "stretch", "whole_pixels": True},
    ],
    ids=str,
)  # fmt: skip
def test_it_resizes_whole_images_only(options):
    with pytest.raises(ValueError, match="opencv-bilinear resizes whole images: fit must be stretch or pad"):
        image_steps((8, 8), "RGB", interpolation=OPENCV, **options)


def test_reduced_jpegs_are_refused():
    steps = (Reduce(width=8, height=8), Mode(), Resize(width=8, height=8, fit="pad", interpolation=OPENCV))
    with pytest.raises(ValueError, match="opencv-bilinear needs every pixel of an image: leave out its 'reduce' step"):
        check_steps(steps, (8, 8, 3))
    check_steps(steps[1:], (8, 8, 3))


@pytest.mark.parametrize(("interpolation", "version"), [("bilinear", 2), (OPENCV, 3)])
def test_earlier_versions_of_the_contract_do_not_have_it(interpolation, version):
    steps = image_steps((8, 8), "L", fit="stretch", interpolation=interpolation)
    image = ImageInput("image", "image", (8, 8, 1), steps)
    rows = SequenceInput("sequence", "rows", 8, tuple("abcdefgh"), (0.0,) * 8, (1.0,) * 8, steps)
    for each in (image, rows):
        output = Classification("classification", "logits", ("a", "b"))
        assert ModelSpec("net", each, output).format == version


def test_flat_images_stay_as_they_are_but_for_what_opencv_rounds_away(cv2):
    for value in (0, 1, 128, 254, 255):
        pixels = np.full((31, 47, 3), value, np.uint8)
        steps = image_steps((19, 64), "RGB", fit="stretch", interpolation=OPENCV)
        assert set(np.unique(preprocess(pixels, steps))) <= {value, value - 1}
        other = replace(steps[-1], interpolation="bilinear")
        assert (preprocess(pixels, (*steps[:-1], other)) == value).all()
