"""A detector's raw tensors to boxes: values by hand, a simple reference, and pictures with a rectangle."""

from __future__ import annotations

import io
import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from runtime.boxes import (
    MAX_BOXES,
    MAX_CANDIDATES,
    cell_centers,
    corners_to_picture,
    distances_to_corners,
    have_area,
    logit,
    non_max_suppression,
    sigmoid,
)
from runtime.errors import OptionError
from runtime.images.preprocess import image_steps, preprocess
from runtime.images.steps import Affine, Resize


def floats(values):
    return np.array(values, np.float32)


# cells and corners


def test_cells_are_ordered_by_stride_then_row_by_row():
    centers, strides = cell_centers(16, 24, (8, 16))
    assert centers.dtype == strides.dtype == np.float32
    assert centers.tolist() == [[4, 4], [12, 4], [20, 4], [4, 12], [12, 12], [20, 12], [8, 8], [24, 8]]
    assert strides.tolist() == [8] * 6 + [16] * 2


def test_a_grid_covers_inputs_that_are_no_multiple_of_the_stride():
    assert len(cell_centers(320, 320, (8, 16, 32))[0]) == 2100
    centers, _ = cell_centers(17, 1, (8,))
    assert centers.tolist() == [[4, 4], [4, 12], [4, 20]]


def test_callers_share_cells_and_cannot_change_them():
    centers, strides = cell_centers(64, 64, (8,))
    assert cell_centers(64, 64, (8,))[0] is centers
    for array in (centers, strides):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1


def test_distances_are_in_units_of_the_stride():
    centers, strides = cell_centers(16, 16, (8, 16))
    distances = floats([[0.5, 0.25, 1, 2], [0, 0, 0, 0], [-1, 1, 1, 1], [1, 1, 1, 1], [0.5, 0.5, 0.5, 0.5]])
    corners = distances_to_corners(distances, centers, strides)
    assert corners.dtype == np.float32
    assert corners.tolist() == [[0, 2, 12, 20], [12, 4, 12, 4], [12, 4, 12, 20], [4, 4, 20, 20], [0, 0, 16, 16]]
    assert have_area(corners).tolist() == [True, False, False, True, True]


# scores


def test_the_logit_of_a_threshold_is_the_nearest_float32():
    assert logit(0.5) == 0
    assert logit(0.25) == np.float32(-math.log(3))
    assert logit(0.25).dtype == np.float32
    assert np.isfinite([logit(5e-324), logit(1 - 2**-53)]).all()


@pytest.mark.parametrize("confidence", [0, 1, -0.1, 1.5, math.nan, math.inf])
def test_a_confidence_out_of_range_is_refused(confidence):
    with pytest.raises(OptionError, match=f"confidence must be above 0 and below 1, got {confidence}"):
        logit(confidence)


@pytest.mark.parametrize("iou", [-0.01, 1.01, math.nan])
def test_an_iou_out_of_range_is_refused(iou):
    with pytest.raises(OptionError, match=f"iou must be 0 to 1, got {iou}"):
        non_max_suppression(floats([[0, 0, 1, 1]]), floats([[0]]), 0.0, iou)


def test_scores_are_correctly_rounded_probabilities():
    scores = sigmoid(floats([0, -1000, 1000, 1]))
    assert scores.dtype == np.float32
    assert scores.tolist() == [0.5, 0, 1, float(np.float32(1 / (1 + math.exp(-1))))]


# suppression


def suppressed(corners, scores, threshold=0.0, iou=0.5):
    """Return cell and class of each box that remains."""
    cells, classes = non_max_suppression(floats(corners), floats(scores), threshold, iou)
    return list(zip(cells.tolist(), classes.tolist(), strict=True))


def test_boxes_suppress_others_of_their_class_only():
    corners = [[0, 0, 10, 10], [1, 0, 11, 10], [20, 0, 30, 10]]
    assert suppressed(corners, [[1, -1], [2, 5], [0, -1]]) == [(1, 1), (1, 0), (2, 0)]
    assert suppressed(corners, [[3, 3], [2, 4], [-1, -1]]) == [(1, 1), (0, 0)]


def test_a_suppressed_box_suppresses_nothing():
    corners = [[0, 0, 10, 10], [4, 0, 14, 10], [8, 0, 18, 10]]  # neighbours share 6 of 14, the outer ones 2 of 18
    assert suppressed(corners, [[3], [2], [1]], iou=0.4) == [(0, 0), (2, 0)]


def test_an_intersection_over_union_at_the_threshold_is_kept():
    corners = [[0, 0, 4, 4], [0, 0, 4, 2]]
    assert suppressed(corners, [[2], [1]], iou=0.5) == [(0, 0), (1, 0)]
    assert suppressed(corners, [[2], [1]], iou=0.49) == [(0, 0)]
    assert suppressed([[0, 0, 4, 4]] * 2, [[2], [1]], iou=1) == [(0, 0), (1, 0)]
    assert suppressed([[0, 0, 4, 4], [3, 3, 7, 7], [4, 0, 8, 4]], [[3], [2], [1]], iou=0) == [(0, 0), (2, 0)]


def test_ties_are_broken_by_cell_then_class():
    apart = [[20 * i, 0, 20 * i + 10, 10] for i in range(4)]
    assert suppressed(apart, [[1, 1], [2, 1], [1, 2], [1, 1]]) == [
        (1, 0), (2, 1), (0, 0), (0, 1), (1, 1), (2, 0), (3, 0), (3, 1),
    ]  # fmt: skip
    assert suppressed([[0, 0, 10, 10]] * 3, [[1], [1], [1]]) == [(0, 0)]
    assert suppressed([[0, 0, 10, 10], [20, 0, 30, 10]], [[-0.0], [0.0]]) == [(0, 0), (1, 0)]


def test_scores_at_the_threshold_count():
    threshold = logit(0.3)
    scores = floats([[threshold], [np.nextafter(threshold, np.float32(-9))]])
    assert suppressed([[0, 0, 1, 1], [5, 5, 6, 6]], scores, threshold) == [(0, 0)]


def test_probabilities_are_compared_as_they_are():
    corners = [[0, 0, 1, 1], [5, 5, 6, 6]]
    assert suppressed(corners, [[0.3], [0.2]], 0.3) == [(0, 0)]
    assert suppressed(corners, [[0.7], [0.8]], 0.7) == [(1, 0), (0, 0)]  # float32's 0.7 is below float64's


def test_no_candidate_gives_no_box():
    cells, classes = non_max_suppression(floats([[0, 0, 1, 1]]), floats([[-9, -9]]), 0.0, 0.5)
    assert cells.shape == classes.shape == (0,)
    assert corners_to_picture(floats([[0, 0, 1, 1]])[cells], Affine(1, 1, 0, 0), 5, 5).shape == (0, 4)
    assert sigmoid(floats([[-9, -9]])[cells, classes]).shape == (0,)


def test_boxes_without_area_are_no_candidates():
    corners = [[5, 5, 5, 9], [5, 5, 9, 5], [9, 5, 5, 9], [9, 9, 5, 5], [5, 5, 9, 9]]
    assert suppressed(corners, [[5], [5], [5], [5], [1]]) == [(4, 0)]


@pytest.mark.filterwarnings("error")
def test_distances_beyond_float32_are_no_fault():
    centers, strides = cell_centers(8, 32, (8,))
    distances = floats([[3e38] * 4, [3e37] * 4, [1e-30] * 4, [-3e38] * 4])
    corners = distances_to_corners(distances, centers, strides)
    cells, _ = non_max_suppression(corners, floats([[4], [3], [2], [1]]), 0.0, 0.5)
    assert cells.tolist() == [0, 1]
    boxes = corners_to_picture(corners[cells], Affine(2, 2, -1, -1), 60, 14)
    assert boxes.tolist() == [[0, 0, 60, 14]] * 2


def test_the_best_candidates_and_boxes_remain():
    count = MAX_CANDIDATES + 500
    apart = np.stack([np.arange(count) * 20, np.zeros(count), np.arange(count) * 20 + 10, np.ones(count)], axis=1)
    order = np.random.default_rng(0).permutation(count)
    assert suppressed(apart, -order[:, None] / count, -9) == [(cell, 0) for cell in np.argsort(order)[:MAX_BOXES]]
    covered = np.repeat(floats([[0, 0, 10, 10]]), count, axis=0)
    covered[-1] = covered[MAX_CANDIDATES] = [20, 0, 30, 10]
    scores = np.zeros(count)  # of 1,500 ties the first 1,000 are candidates
    assert suppressed(covered, scores[:, None]) == [(0, 0)]
    scores[-1] = 1
    assert suppressed(covered, scores[:, None]) == [(count - 1, 0), (0, 0)]


def test_ten_thousand_boxes_of_eighty_classes():
    random = np.random.default_rng(1)
    corners = random.uniform(0, 600, (10_000, 4)).astype(np.float32)
    corners[:, 2:] = corners[:, :2] + random.uniform(1, 60, (10_000, 2))
    scores = np.round(random.normal(-4, 2, (10_000, 80)), 1).astype(np.float32)  # with many ties
    cells, classes = non_max_suppression(corners, scores, logit(0.001), 0.5)
    assert list(zip(cells, classes, strict=True)) == reference(corners, scores, logit(0.001), 0.5)
    assert len(cells) == MAX_BOXES


def reference(corners, scores, threshold, iou):
    """Return what remains: each candidate against each box that was kept, one after the other."""
    candidates = [
        (-scores[cell, label], cell, label)
        for cell, label in zip(*np.nonzero(scores >= np.float32(threshold)), strict=True)
        if corners[cell, 0] < corners[cell, 2] and corners[cell, 1] < corners[cell, 3]
    ]
    kept = []
    for _, cell, label in sorted(candidates)[:MAX_CANDIDATES]:
        others = (other for other, of in kept if of == label)
        if not any(overlap(corners[other], corners[cell]) > np.float32(iou) for other in others):
            kept.append((cell, label))
    return kept[:MAX_BOXES]


def overlap(one, other):
    zero = np.float32(0)
    width = max(min(one[2], other[2]) - max(one[0], other[0]), zero)
    height = max(min(one[3], other[3]) - max(one[1], other[1]), zero)
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    return width * height / (areas[0] + areas[1] - width * height)


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_every_list_of_boxes_gives_what_the_reference_gives(data):
    """Corners and scores on a coarse grid touch, coincide, tie and lack area often."""
    cells, count = data.draw(st.integers(1, 30)), data.draw(st.integers(1, 4))
    random = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    corners = random.integers(0, 12, (cells, 4)).astype(np.float32) / np.float32(3)
    scores = random.integers(-3, 4, (cells, count)).astype(np.float32)
    iou = data.draw(st.sampled_from([0, 0.3, 1 / 3, 0.5, 0.7, 1]))
    kept_cells, classes = non_max_suppression(corners, scores, -1.0, iou)
    assert list(zip(kept_cells, classes, strict=True)) == reference(corners, scores, -1.0, iou)


# the way back to the picture


def test_corners_are_mapped_and_clipped():
    corners = floats([[2, 3, 6, 5], [-9, -9, 99, 99], [4, 0, 8, 2]])
    boxes = corners_to_picture(corners, Affine(2, 3, -2, -3), 10, 12)
    assert boxes.dtype == np.float32
    assert boxes.tolist() == [[2, 6, 10, 12], [0, 0, 10, 12], [6, 0, 10, 3]]


def test_a_box_in_the_padding_has_no_area():
    resize = Resize(width=32, height=32, fit="pad")
    affine = resize.inverse(64, 32)  # rows 8 to 24 show the picture
    boxes = corners_to_picture(floats([[0, 0, 32, 8], [0, 24, 9, 30], [3, 7, 5, 9]]), affine, 64, 32)
    assert have_area(boxes).tolist() == [False, False, True]
    assert boxes[2].tolist() == [6, 0, 10, 2]


def test_a_picture_of_one_pixel_is_its_box():
    for fit in ("crop", "stretch", "pad"):
        affine = Resize(width=320, height=256, fit=fit).inverse(1, 1)
        assert corners_to_picture(floats([[-40, -40, 360, 296]]), affine, 1, 1).tolist() == [[0, 0, 1, 1]]


def test_a_box_on_the_border_stays_on_it():
    for width, height in ((333, 257), (320, 256), (17, 4000), (1, 900)):
        resize = Resize(width=320, height=256, fit="pad")
        affine = resize.inverse(width, height)
        inner = [-affine.offset_x, -affine.offset_y, width - affine.offset_x, height - affine.offset_y]
        whole = floats([inner]) / floats([affine.scale_x, affine.scale_y] * 2)
        assert corners_to_picture(whole, affine, width, height) == pytest.approx(floats([[0, 0, width, height]]))


SIZES = ((1, 1), (1, 9), (7, 1), (5, 4), (13, 9), (33, 47), (61, 59), (40, 30), (64, 64), (30, 40))
FITS = [
    {"fit": fit, "share": share, "whole_pixels": whole, "rounding": rounding}
    for fit, share, whole, rounding in product(
        ("crop", "stretch", "pad"), (1.0, 0.875), (False, True), ("even", "down")
    )
    if whole or rounding == "even"
]  # fmt: skip


@pytest.mark.parametrize("options", FITS, ids=lambda each: "-".join(map(str, each.values())))
def test_the_map_is_the_inverse_of_the_resampling(options):
    """A ramp whose values are its coordinates shows after resizing where each pixel comes from."""
    for (width, height), (across, down) in product(SIZES, ((97, 81), (80, 80), (65, 90))):
        resize = Resize(width=across, height=down, interpolation="bilinear", ground=(0, 0, 0), **options)
        affine = resize.inverse(width, height)
        rows, columns = np.mgrid[:height, :width].astype(np.float32) + np.float32(0.5)
        for axis, ramp in enumerate((columns, rows)):
            seen = np.asarray(resize(Image.fromarray(ramp)))
            line = seen[down // 2] if axis == 0 else seen[:, across // 2]
            scale, offset = ((affine.scale_x, affine.offset_x), (affine.scale_y, affine.offset_y))[axis]
            coordinates = (np.arange(len(line)) + 0.5) * scale + offset
            size = (width, height)[axis]
            inside = (coordinates > 0) & (coordinates < size)
            assert line[inside] == pytest.approx(coordinates[inside].clip(0.5, size - 0.5), abs=1e-3)
            assert not line[~inside].any()  # the padding


@pytest.mark.parametrize("options", FITS, ids=lambda each: "-".join(map(str, each.values())))
def test_a_rectangle_is_mapped_back_to_where_it_was(options):
    for number, (width, height) in enumerate(((641, 479), (333, 501), (97, 201), (1023, 767), (57, 33), (320, 256))):
        side = min(width, height)  # what every fit shows of it
        left, right = round(width / 2 - 0.29 * side), round(width / 2 + 0.21 * side)
        top, bottom = round(height / 2 - 0.11 * side), round(height / 2 + 0.27 * side)
        picture = np.zeros((height, width), np.uint8)
        picture[top:bottom, left:right] = 255
        interpolation = ("bilinear", "box", "bicubic")[number % 3]
        steps = image_steps((256, 320), "L", interpolation=interpolation, ground=(0, 0, 0), **options)
        seen = preprocess(picture, steps)[:, :, 0] / np.float32(255)
        (first, last), (upper, lower) = located(seen.max(axis=0)), located(seen.max(axis=1))
        affine = steps[-1].inverse(width, height)
        box = corners_to_picture(floats([[first, upper, last, lower]]), affine, width, height)[0]
        assert np.abs(box - floats([left, top, right, bottom])).max() < 1, (width, height)


def located(profile):
    """Return where a bar begins and ends: its mass is its length, around its center of mass."""
    length = profile.sum()
    center = (profile * (np.arange(len(profile)) + 0.5)).sum() / length
    return center - length / 2, center + length / 2


@given(width=st.integers(1, 3000), height=st.integers(1, 3000), across=st.integers(1, 400), down=st.integers(1, 400))
def test_padding_is_the_letterbox_of_the_field(width, height, across, down):
    """The formula as Ultralytics' examples have it: sizes rounded, and padding halved and rounded a tenth lower."""
    affine = Resize(width=across, height=down, fit="pad").inverse(width, height)
    ratio = min(down / height, across / width)
    inner = [max(1, round(width * ratio)), max(1, round(height * ratio))]
    left, top = round((across - inner[0]) / 2 - 0.1), round((down - inner[1]) / 2 - 0.1)
    assert (affine.scale_x, affine.scale_y) == (width / inner[0], height / inner[1])
    assert (affine.offset_x, affine.offset_y) == (-left * affine.scale_x, -top * affine.scale_y)


@pytest.mark.parametrize(("fit", "limit"), [("crop", 1), ("stretch", 1), ("pad", 2)])
def test_the_map_of_a_reduced_jpeg_is_nearly_that_of_its_full_size(fit, limit):
    """A rectangle in a JPEG that is decoded at half, a quarter and an eighth of its scale."""
    for width, height in ((1279, 1027), (653, 515), (2561, 2311), (1281, 1025)):
        side = min(width, height)
        left, top, right, bottom = rectangle = [side // 5, side // 4, side // 2, side // 3 * 2]
        picture = Image.new("L", (width, height))
        picture.paste(255, rectangle)
        picture.save(file := io.BytesIO(), "JPEG", quality=95)
        steps = image_steps((256, 320), "L", fit=fit, ground=(0, 0, 0))
        seen = preprocess(file.getvalue(), steps)[:, :, 0] / np.float32(255)
        seen[seen < 0.1] = 0
        (first, last), (upper, lower) = located(seen.max(axis=0)), located(seen.max(axis=1))
        affine = steps[-1].inverse(width, height)
        box = corners_to_picture(floats([[first, upper, last, lower]]), affine, width, height)[0]
        apart = np.abs(box - floats([left, top, right, bottom])) / floats([affine.scale_x, affine.scale_y] * 2)
        assert apart.max() < limit, (width, height)
