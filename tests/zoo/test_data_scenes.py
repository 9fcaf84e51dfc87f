"""Scenes of digits and the geometry that pictures share with their boxes: a pixel in a box stays in its box."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from runtime.errors import OptionError
from zoo.data import _scenes, hash_item
from zoo.data._box_geometry import (
    GROUND,
    BoxedImage,
    crop,
    flip,
    keep_visible,
    mosaic,
    window_of,
)
from zoo.data._scenes import LABELS, MAX_OVERLAP, MOST, SIZE, scenes


@pytest.fixture(scope="module")
def splits():
    return scenes(0)


def ious(boxes):
    """The IoU of each pair of boxes, and the share of the smaller one that the other covers."""
    shared = np.minimum(boxes[:, None, 2:], boxes[None, :, 2:]) - np.maximum(boxes[:, None, :2], boxes[None, :, :2])
    inner = shared.clip(0).prod(2)
    area = (boxes[:, 2:] - boxes[:, :2]).prod(1)
    pairs = np.triu_indices(len(boxes), 1)
    smaller = np.minimum(area[:, None], area[None])
    return (inner / (area[:, None] + area[None] - inner))[pairs], (inner / smaller)[pairs]


def test_scenes_are_pictures_with_boxes_of_every_digit_and_number(splits):
    assert {name: len(each.digits.items) for name, each in splits.items()} == {
        "train": 6_299,
        "validation": 701,
        "test": 1_500,
    }
    some = [splits["train"][i] for i in range(120)]
    for scene in some:
        assert (scene.image.shape, scene.image.dtype) == ((SIZE[1], SIZE[0], 3), np.uint8)
        assert (scene.boxes.dtype, scene.classes.dtype) == (np.float32, np.int64)
        assert scene.boxes.shape == (len(scene.classes), 4)
        assert (scene.boxes >= 0).all() and (scene.boxes <= (*SIZE, *SIZE)).all()
        assert (scene.boxes[:, 2:] - scene.boxes[:, :2] >= 3).all()  # a small 1 is that narrow
    assert {len(scene.boxes) for scene in some} == set(range(1, MOST + 1))
    assert {int(label) for scene in some for label in scene.classes} == set(range(len(LABELS)))


def test_a_scene_follows_from_seed_and_index_alone(splits):
    again = scenes(0)
    for name in splits:
        for i in (7, 0, 7):
            one, other = splits[name][i], again[name][i]
            assert hash_item(one.image) == hash_item(other.image)
            assert (one.boxes == other.boxes).all() and (one.classes == other.classes).all()
    other = scenes(1)
    assert hash_item(other["train"][0].image) != hash_item(splits["train"][0].image)
    assert hash_item(other["test"][0].image) == hash_item(splits["test"][0].image)


def test_splits_share_no_digit_and_no_scene(splits):
    digits = [{hash_item(item) for item in each.digits.items} for each in splits.values()]
    pictures = [{hash_item(each[i].image) for i in range(20)} for each in splits.values()]
    for sets in (digits, pictures):
        assert all(sets[a].isdisjoint(sets[b]) for a in range(3) for b in range(a))


def test_boxes_overlap_no_more_than_stated(splits):
    most = MAX_OVERLAP / (2 - MAX_OVERLAP)
    both = [ious(splits["validation"][i].boxes) for i in range(200)]
    overlaps, shares = (np.concatenate(each) for each in zip(*both, strict=True))
    # later digits cover ink at a box's edge, which makes it smaller, and its share a little larger
    assert overlaps.max() <= most + 0.05
    assert (shares <= MAX_OVERLAP).mean() > 0.98
    assert (overlaps > 0.02).sum() > 50


def test_boxes_are_tight_around_the_visible_ink(monkeypatch, splits):
    monkeypatch.setattr(_scenes, "_ground", lambda random, width, height: np.zeros((height, width, 3), np.uint8))
    monkeypatch.setattr(_scenes, "_color", lambda random, ground: np.full(3, 255, np.float32))
    monkeypatch.setattr(_scenes, "MAX_OVERLAP", 0)
    for i in range(60):
        scene = splits["train"][i]
        ink = scene.image[:, :, 0] >= _scenes.VISIBLE
        inside = np.zeros_like(ink)
        for left, top, right, bottom in scene.boxes.astype(int):
            part = ink[top:bottom, left:right]
            assert part[0].any() and part[-1].any() and part[:, 0].any() and part[:, -1].any()
            inside[top:bottom, left:right] = True
        assert not (ink & ~inside).any()


def test_ink_stands_out_from_the_ground(splits):
    for i in range(100):
        scene = splits["train"][i]
        for left, top, right, bottom in scene.boxes.astype(int):
            part = scene.image[top:bottom, left:right].astype(float) @ _scenes.WEIGHTS
            assert np.ptp(part) > 60


@pytest.mark.parametrize("size", [(32, 32), (320, 96)])
def test_scenes_of_other_sizes(size):
    stream = scenes(0, size)["validation"]
    for i in range(30):
        scene = stream[i]
        assert scene.image.shape == (size[1], size[0], 3)
        assert len(scene.boxes) >= 1


def test_scenes_too_small_for_a_digit_are_refused():
    with pytest.raises(OptionError, match="32 pixels a side or more, got 160x31"):
        scenes(0, (160, 31))


SIDES = st.integers(8, 64)
SHARES = st.floats(0.02, 0.98)


@st.composite
def marked(draw):
    """A black picture with one white block of pixels, which is the ink of its one box."""
    width, height = draw(SIDES), draw(SIDES)
    left, top = draw(st.integers(0, width - 4)), draw(st.integers(0, height - 4))
    right, bottom = draw(st.integers(left + 4, width)), draw(st.integers(top + 4, height))
    image = np.zeros((height, width, 3), np.uint8)
    image[top:bottom, left:right] = 255
    return BoxedImage(image, np.array([[left, top, right, bottom]], np.float32), np.array([3]))


def assert_box_holds_ink(result, ground=(0, 0, 0), slack=1.0):
    """The pixels that are mostly ink are in a box, but for `slack` pixels, and a box's middle is mostly ink.

    An enlarged edge fades over as many pixels as the factor, and the box ends where it has faded by half: in a box of
    three pixels at a factor of five no pixel is white.
    """
    rows, columns = np.nonzero((result.image > 150).all(2) & (result.image != ground).all(2))
    assert result.boxes.dtype == np.float32 and len(result.boxes) == len(result.classes)
    for x, y in zip(columns + 0.5, rows + 0.5, strict=True):
        inside = (result.boxes[:, :2] - slack <= (x, y)).all(1) & (result.boxes[:, 2:] + slack >= (x, y)).all(1)
        assert inside.any(), (x, y, result.boxes)
    for left, top, right, bottom in result.boxes:
        if min(right - left, bottom - top) >= 3:
            middle = result.image[int((top + bottom) / 2), int((left + right) / 2)]
            assert middle.min() > 127


@given(marked())
@settings(max_examples=50, deadline=None)
def test_a_flip_moves_ink_and_box_together(sample):
    flipped = flip(sample)
    assert_box_holds_ink(flipped, slack=0)
    back = flip(flipped)
    assert (back.image == sample.image).all() and (back.boxes == sample.boxes).all()


@given(marked(), SIDES, SIDES)
@settings(max_examples=80, deadline=None)
def test_a_resize_moves_ink_and_box_together(sample, width, height):
    whole = (0, 0, sample.image.shape[1], sample.image.shape[0])
    resized = crop(sample, whole, width, height)
    assert resized.image.shape == (height, width, 3)
    assert_box_holds_ink(resized)
    factor = np.array([width / sample.image.shape[1], height / sample.image.shape[0]] * 2)
    np.testing.assert_allclose(resized.boxes, sample.boxes * factor, rtol=1e-5, atol=1e-4)


@given(marked(), SIDES, SIDES, st.floats(0.3, 4), SHARES, SHARES)
@example(
    sample=BoxedImage(
        np.pad(np.full((4, 4, 3), 255, np.uint8), ((0, 4), (0, 6), (0, 0))), np.float32([[0, 0, 4, 4]]), np.array([3])
    ),
    width=47,
    height=38,
    scale=1.625,
    x=0.9375,
    y=0.5,
)
@settings(max_examples=150, deadline=None)
def test_a_crop_moves_ink_and_box_together(sample, width, height, scale, x, y):
    window = window_of(sample.image.shape[1::-1], (width, height), scale, (x, y))
    assert (window[2] - window[0]) / (window[3] - window[1]) == pytest.approx(width / height)
    cropped = crop(sample, window, width, height, ground=(0, 0, 0), least_share=1e-9)
    assert_box_holds_ink(cropped)
    assert (cropped.boxes >= 0).all() and (cropped.boxes <= (width, height, width, height)).all()


@given(st.lists(marked(), min_size=4, max_size=4), SHARES, SHARES, st.floats(0.6, 2))
@settings(max_examples=60, deadline=None)
def test_a_mosaic_keeps_each_box_with_its_ink(samples, x, y, scale):
    width, height = 60, 48
    corner = min(max(1, round(x * width)), width - 1), min(max(1, round(y * height)), height - 1)
    spans = [(a, b) for b in (corner[1], height - corner[1]) for a in (corner[0], width - corner[0])]
    windows = [
        window_of(sample.image.shape[1::-1], span, scale, (0.5, 0.5))
        for sample, span in zip(samples, spans, strict=True)
    ]
    result = mosaic(samples, windows, corner, (width, height), least_share=1e-9)
    assert result.image.shape == (height, width, 3)
    assert_box_holds_ink(result)
    assert len(result.boxes) <= 4


def test_a_window_beyond_the_picture_shows_ground():
    sample = BoxedImage(np.full((10, 10, 3), 9, np.uint8), np.float32([[2, 2, 8, 8]]), np.array([0]))
    shifted = crop(sample, (5, 0, 15, 10), 20, 20)
    assert (shifted.image[:, :10] == 9).all() and (shifted.image[:, 10:] == GROUND).all()
    assert shifted.boxes.tolist() == [[0, 4, 6, 16]]
    beyond = crop(sample, (20, 20, 30, 30), 4, 4)
    assert (beyond.image == GROUND).all() and beyond.boxes.shape == (0, 4) and beyond.classes.shape == (0,)


def test_a_box_needs_a_share_of_its_area_in_the_picture():
    boxes = np.array([[-6, 0, 4, 10], [-8, 0, 2, 10], [3, 3, 4, 4], [-5, -5, 0, 0]], np.float32)
    kept, classes = keep_visible(boxes, np.arange(4), 10, 10, 0.3)
    assert kept.tolist() == [[0, 0, 4, 10], [3, 3, 4, 4]] and classes.tolist() == [0, 2]
