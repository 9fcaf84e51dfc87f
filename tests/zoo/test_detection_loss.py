"""What cells are assigned to in training, and the loss that follows: by examples made by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from runtime.boxes import cell_centers, distances_to_corners
from zoo.tasks._assignment import Alignment, BoxTargets, assign, intersections_over_unions
from zoo.tasks._detection_loss import LossWeights, corners_of, detection_loss

SIZE, STRIDES = (64, 64), (8, 16, 32)
CENTERS, CELL_STRIDES = (torch.tensor(array) for array in cell_centers(*SIZE, STRIDES))
CELLS = len(CENTERS)
LABELS = 3


def targets(*images):
    """Return the boxes of images, each a list of ``(corners, label)``, filled up with rubbish."""
    most = max(len(image) for image in images)
    corners = torch.full((len(images), most, 4), 33.0)
    labels = torch.zeros(len(images), most, dtype=torch.int64)
    present = torch.zeros(len(images), most, dtype=torch.bool)
    for image, boxes in enumerate(images):
        for box, (corner, label) in enumerate(boxes):
            corners[image, box], labels[image, box], present[image, box] = torch.tensor(corner), label, True
    return BoxTargets(corners, labels, present)


def answers(batch=1, distance=2.0):
    """Return corners and logits of a new network: the same distances and scores in every cell."""
    corners = corners_of(torch.full((batch, CELLS, 4), distance), CENTERS, CELL_STRIDES)
    return corners, torch.full((batch, CELLS, LABELS), -4.6)


def assigned(corners, scores, wanted, **alignment):
    return assign(corners, scores, wanted, CENTERS, CELL_STRIDES, Alignment(**alignment))


def cell(x, y, stride):
    """Return the index of the cell of a stride that contains a point."""
    near = (CENTERS - torch.tensor([x, y])).abs().amax(1) < stride / 2
    return int((near & torch.eq(CELL_STRIDES, stride)).nonzero())


def test_corners_are_the_runtimes():
    distances = torch.rand(2, CELLS, 4) * 7
    corners = corners_of(distances, CENTERS, CELL_STRIDES)
    for one, other in zip(corners, distances, strict=True):
        expected = distances_to_corners(other.numpy(), CENTERS.numpy(), CELL_STRIDES.numpy())
        np.testing.assert_array_equal(one.numpy(), expected)


@pytest.mark.parametrize(
    ("one", "other", "iou"),
    [
        ((0, 0, 10, 10), (0, 0, 10, 10), 1.0),
        ((0, 0, 10, 10), (5, 0, 15, 10), 1 / 3),
        ((0, 0, 10, 10), (2, 2, 4, 7), 0.1),
        ((0, 0, 10, 10), (10, 0, 20, 10), 0.0),
        ((0, 0, 10, 10), (3, 3, 3, 3), 0.0),
        ((5, 5, 5, 5), (5, 5, 5, 5), 0.0),
    ],
)
def test_intersection_over_union(one, other, iou):
    boxes = torch.tensor([one, other], dtype=torch.float32)
    torch.testing.assert_close(intersections_over_unions(boxes[0], boxes[1]), torch.tensor(iou))


def test_a_box_takes_cells_inside_it_of_the_stride_that_fits():
    corners, scores = answers()
    box = (16.0, 8.0, 48.0, 40.0)  # 32 pixels: what cells of stride 8 give at first
    result = assigned(corners, scores, targets([(box, 1)]))
    cells = result.assigned[0].nonzero()[:, 0]
    inside = (CENTERS[cells] > torch.tensor(box[:2])).all(1) & (CENTERS[cells] < torch.tensor(box[2:])).all(1)
    assert len(cells) == 10
    assert inside.all()
    best = result.quality[0].argmax()
    assert CELL_STRIDES[best] == 8
    torch.testing.assert_close(
        result.quality[0].max(), intersections_over_unions(corners, torch.tensor(box))[0, cells].max()
    )
    assert ((result.quality[0] > 0) == result.assigned[0]).all()


def test_the_quality_is_the_alignment_scaled_to_the_best_overlap():
    corners, scores = answers()
    box = torch.tensor([16.0, 16.0, 48.0, 48.0])
    one, two = cell(28, 28, 8), cell(36, 28, 8)
    corners[0, one], corners[0, two] = torch.tensor([16.0, 16, 48, 40]), torch.tensor([16.0, 16, 48, 32])  # 0.75, 0.5
    scores[0, one, 2], scores[0, two, 2] = math.log(0.2 / 0.8), math.log(0.6 / 0.4)
    result = assigned(corners, scores, targets([(box.tolist(), 2)]), cells=2, score_power=1, iou_power=2)
    assert result.assigned[0].nonzero()[:, 0].tolist() == sorted([one, two])
    alignments = torch.tensor([0.2 * 0.75**2, 0.6 * 0.5**2])  # 0.1125, 0.15
    torch.testing.assert_close(result.quality[0, [one, two]], alignments / 0.15 * 0.75)


def test_a_cell_of_two_boxes_goes_to_the_larger_overlap():
    corners, scores = answers()
    small, large = (24.0, 24.0, 40.0, 40.0), (8.0, 8.0, 56.0, 56.0)
    middle = cell(28, 28, 8)
    for fitting, owner in ((small, 0), (large, 1)):
        corners[0, middle] = torch.tensor(fitting)
        result = assigned(corners, scores, targets([(small, 0), (large, 1)]))
        assert result.assigned[0, middle]
        assert result.boxes[0, middle] == owner
        torch.testing.assert_close(result.quality[0, middle], torch.tensor(1.0))


@pytest.mark.parametrize("distance", [0.0, 2.0])
def test_boxes_between_cells_get_the_nearest_one(distance):
    """Centers are at 4, 12, 20: a box from 5 to 11 contains none of them, but that of stride 16 at 8, which a large box
    around it may take."""
    corners, scores = answers(distance=distance)
    small = (5.0, 5.5, 10.0, 11.0)
    result = assigned(corners, scores, targets([((0.0, 0.0, 40.0, 40.0), 1), (small, 0)]))
    mine = (result.assigned[0] & (result.boxes[0] == 1)).nonzero()[:, 0].tolist()
    assert cell(4, 12, 8) in mine
    assert (result.quality[0, mine] > 0).any() == (distance > 0)


def test_no_boxes_and_images_without_boxes():
    corners, scores = answers(2)
    empty = BoxTargets(torch.zeros(2, 0, 4), torch.zeros(2, 0, dtype=torch.int64), torch.zeros(2, 0, dtype=torch.bool))
    for wanted in (empty, targets([], [((8.0, 8.0, 40.0, 40.0), 1)])):
        result = assigned(corners, scores, wanted)
        assert not result.assigned[0].any()
        assert (result.quality[0] == 0).all()
    assert result.assigned[1].sum() == 10


def test_three_hundred_boxes():
    rng = np.random.default_rng(0)
    low = rng.uniform(0, 60, (300, 2)).astype(np.float32)
    boxes = np.concatenate([low, np.minimum(low + rng.uniform(1, 30, (300, 2)), 64)], 1).astype(np.float32)
    wanted = targets([(box.tolist(), int(i % LABELS)) for i, box in enumerate(boxes)], [((0.0, 0.0, 9.0, 9.0), 0)])
    corners, scores = answers(2)
    result = assigned(corners, scores, wanted)
    assert result.assigned[0].sum() > 60
    assert result.boxes[0].max() < 300
    assert (result.assigned[1] & (result.boxes[1] != 0)).sum() == 0
    assert result.quality.isfinite().all() and 0 <= result.quality.min() <= result.quality.max() <= 1
    distances = torch.full((2, CELLS, 4), 2.0, requires_grad=True)
    value = detection_loss(SIZE, STRIDES, LossWeights(), Alignment())(distances, scores, wanted)
    value.backward()
    assert value.isfinite() and distances.grad.isfinite().all()


def test_identical_boxes_share_nothing_and_break_nothing():
    corners, scores = answers()
    box = (10.0, 10.0, 42.0, 42.0)
    alone = assigned(corners, scores, targets([(box, 1)]))
    twice = assigned(corners, scores, targets([(box, 1), (box, 1)]))
    torch.testing.assert_close(twice.quality, alone.quality)
    assert (twice.assigned == alone.assigned).all()


def one_cell(one, other):
    """Return what the loss of boxes takes, and the loss, where one cell gives `one` and should give `other`."""
    at = cell(28, 28, 8)
    distances = torch.zeros(1, CELLS, 4)
    x, y = CENTERS[at].tolist()
    distances[0, at] = torch.tensor([x - one[0], y - one[1], one[2] - x, one[3] - y]) / 8
    loss = detection_loss(
        SIZE, STRIDES, LossWeights(boxes=1, classes=0), Alignment(cells=1, iou_power=0, score_power=1)
    )
    scores = torch.full((1, CELLS, LABELS), -30.0)
    scores[0, at, 0] = 5  # makes it the best aligned cell, whatever the overlap
    return distances, scores, loss, targets([(other, 0)])


@pytest.mark.parametrize(
    ("one", "other", "overlap", "generalized"),
    [
        ((20, 20, 36, 36), (20, 20, 36, 36), 1.0, 1.0),
        ((20, 20, 36, 36), (20, 20, 36, 28.5), 8.5 / 16, 8.5 / 16),
        ((20, 20, 36, 36), (24, 24, 40, 40), 144 / 368, 144 / 368 - (400 - 368) / 400),
        ((28, 28, 36, 36), (20, 20, 30, 30), 4 / 160, 4 / 160 - (256 - 160) / 256),
    ],
)
def test_the_loss_of_boxes_is_generalized_iou_times_the_quality(one, other, overlap, generalized):
    distances, scores, loss, wanted = one_cell(one, other)
    value = loss(distances, scores, wanted)  # the quality is the overlap, and the sum of qualities is below 1
    torch.testing.assert_close(value, torch.tensor(overlap * (1 - generalized)))


def test_generalized_iou_of_disjoint_boxes_pulls_them_together():
    from torchvision.ops import generalized_box_iou_loss

    one = torch.tensor([[0.0, 0.0, 10.0, 10.0]], requires_grad=True)
    value = generalized_box_iou_loss(one, torch.tensor([[20.0, 0.0, 30.0, 10.0]]))
    torch.testing.assert_close(value, torch.tensor([1 + 100 / 300]))
    value.sum().backward()
    assert one.grad[0, 2] < 0  # a step down moves the right edge to the right


def test_the_loss_of_classes_is_smallest_at_the_quality():
    corners, scores = answers()
    wanted = targets([((16.0, 16.0, 48.0, 48.0), 1)])
    loss = detection_loss(SIZE, STRIDES, LossWeights(boxes=0, classes=1), Alignment(score_power=0))
    distances = torch.full((1, CELLS, 4), 2.0)
    quality = assigned(corners, scores, wanted, score_power=0).quality
    best = torch.full_like(scores, -30.0)
    best[:, :, 1] = torch.where(quality > 0, quality, torch.tensor(1e-13)).logit()
    logits = best.clone().requires_grad_(True)
    loss(distances, logits, wanted).backward()
    assert logits.grad.abs().max() < 1e-6
    for label, change in ((1, 0.5), (1, -0.5), (0, 30)):
        other = best.clone()
        other[:, :, label] += change
        assert loss(distances, other, wanted) > loss(distances, best, wanted)


def test_a_batch_without_boxes_has_a_loss_and_gradients():
    distances = torch.full((2, CELLS, 4), 2.0, requires_grad=True)
    scores = torch.zeros(2, CELLS, LABELS, requires_grad=True)
    value = detection_loss(SIZE, STRIDES, LossWeights(), Alignment())(distances, scores, targets([], []))
    torch.testing.assert_close(value, torch.tensor(2 * CELLS * LABELS * math.log(2)))
    value.backward()
    assert (scores.grad > 0).all()
    assert distances.grad is None or (distances.grad == 0).all()
