"""A detector's boxes in the browser against Python's: not one bit may differ."""

from __future__ import annotations

from dataclasses import asdict
from itertools import product

import numpy as np
import pytest

from runtime.boxes import (
    cell_centers,
    corners_to_picture,
    distances_to_corners,
    have_area,
    logit,
    non_max_suppression,
    sigmoid,
)
from runtime.errors import OptionError
from runtime.images.steps import Resize

DETECTORS = (
    # height and width of the input, strides, classes, confidence, iou, decimals of the scores (few give many ties)
    ((320, 320), (8, 16, 32), 3, 0.25, 0.6, 7),
    ((256, 320), (8, 16, 32), 1, 0.05, 0.45, 1),
    ((97, 33), (8, 16), 5, 0.3, 0.5, 0),
    ((1, 1), (8, 16, 32), 2, 0.001, 0.7, 7),
    ((50, 70), (5, 7, 12), 4, 0.01, 1 / 3, 1),
    ((640, 640), (8, 16, 32), 80, 0.5, 0.7, 1),
    ((64, 64), (8,), 3, 0.999, 0.5, 7),
)
PICTURES = ((640, 480), (333, 501), (1, 1), (4000, 31), (97, 4001), (1, 16_384), (320, 256))


def tensors(number):
    """Return distances and logits: clusters of boxes that overlap, of a few classes, and some without area."""
    (height, width), strides, classes, _, _, decimals = DETECTORS[number]
    random = np.random.default_rng(number)
    cells = len(cell_centers(height, width, strides)[0])
    distances = random.normal(2, 1.5, (cells, 4)).astype(np.float32)
    logits = np.round(random.normal(-2, 2.5, (cells, classes)), decimals).astype(np.float32)
    return distances, logits


def in_browser(layer, number, distances, scores, threshold):
    """Return corners, cells, classes and scores as the twin gives them."""
    (height, width), strides, _, _, iou, _ = DETECTORS[number]
    layer.files["distances"], layer.files["scores"] = distances.tobytes(), scores.tobytes()
    layer.call(
        """async ([width, height, strides, threshold, iou]) => {
          const floats = async (name) => new Float32Array((await file(name)).buffer);
          const [distances, scores] = [await floats("distances"), await floats("scores")];
          const corners = model.distancesToCorners(distances, model.cellCenters({ width, height }, strides));
          const { cells, classes } = model.nonMaxSuppression(corners, scores, threshold, iou);
          const count = scores.length / (corners.length / 4);
          await give("corners", corners);
          await give("cells", cells);
          await give("classes", classes);
          const kept = Float32Array.from(cells, (cell, i) => scores[cell * count + classes[i]]);
          await give("sigmoids", model.sigmoid(kept));
        }""",
        [width, height, list(strides), threshold, iou],
    )
    kinds = {"corners": np.float32, "cells": np.int32, "classes": np.int32, "sigmoids": np.float32}
    return [np.frombuffer(layer.files.pop(name), kind) for name, kind in kinds.items()]


@pytest.mark.parametrize("number", range(len(DETECTORS)))
def test_no_bit_of_a_box_differs(layer, number):
    size, strides, _, confidence, iou, _ = DETECTORS[number]
    distances, logits = tensors(number)
    corners = distances_to_corners(distances, *cell_centers(*size, strides))
    cells, classes = non_max_suppression(corners, logits, logit(confidence), iou)
    assert len(cells) or confidence > 0.99 or size == (1, 1)
    answers = in_browser(layer, number, distances, logits, float(logit(confidence)))
    assert answers[0].tobytes() == corners.tobytes()
    assert answers[1].tolist() == cells.tolist()
    assert answers[2].tolist() == classes.tolist()
    wanted = sigmoid(logits[cells, classes])
    assert (np.abs(answers[3] - wanted) <= np.spacing(wanted)).all()


def test_no_bit_differs_where_the_graph_gives_probabilities(layer):
    distances, logits = tensors(1)
    chances = sigmoid(logits)
    corners = distances_to_corners(distances, *cell_centers(*DETECTORS[1][0], DETECTORS[1][1]))
    for threshold in (0.7, 0.3, float(chances.max())):
        cells, classes = non_max_suppression(corners, chances, threshold, DETECTORS[1][4])
        answers = in_browser(layer, 1, distances, chances, threshold)
        assert answers[1].tolist() == cells.tolist() != []
        assert answers[2].tolist() == classes.tolist()


def test_no_bit_differs_beyond_float32(layer):
    random = np.random.default_rng(5)
    distances, logits = tensors(2)
    distances *= np.float32(10) ** random.integers(-44, 38, distances.shape).astype(np.float32)
    distances[random.random(distances.shape) < 0.1] = 3e38
    corners = distances_to_corners(distances, *cell_centers(*DETECTORS[2][0], DETECTORS[2][1]))
    assert np.isinf(corners).any()
    cells, _ = non_max_suppression(corners, logits, -3.0, DETECTORS[2][4])
    answers = in_browser(layer, 2, distances, logits, -3.0)
    assert answers[0].tobytes() == corners.tobytes()
    assert answers[1].tolist() == cells.tolist() != []


def test_an_intersection_over_union_is_rounded_as_in_python(layer):
    """Pairs of boxes at a threshold that is their own value, and at the float32 below it."""
    random = np.random.default_rng(3)
    start = random.uniform(0, 50, (500, 2, 2))
    pairs = np.concatenate([start, start + random.uniform(60, 200, (500, 2, 2))], axis=2).astype(np.float32)
    sides = np.minimum(pairs[:, 0, 2:], pairs[:, 1, 2:]) - np.maximum(pairs[:, 0, :2], pairs[:, 1, :2])
    areas = (pairs[:, :, 2] - pairs[:, :, 0]) * (pairs[:, :, 3] - pairs[:, :, 1])
    shared = sides[:, 0] * sides[:, 1]
    values = shared / (areas[:, 0] + areas[:, 1] - shared)
    thresholds = np.stack([values, np.nextafter(values, np.float32(0))], axis=1).astype(float).tolist()
    scores = np.array([[2], [1]], np.float32)
    wanted = [
        [len(non_max_suppression(pair, scores, 0.0, iou)[0]) for iou in both]
        for pair, both in zip(pairs, thresholds, strict=True)
    ]
    assert wanted == [[2, 1]] * len(pairs)
    layer.files["pairs"] = pairs.tobytes()
    counts = layer.call(
        """async (thresholds) => {
          const pairs = new Float32Array((await file("pairs")).buffer);
          const count = (i, iou) =>
            model.nonMaxSuppression(pairs.subarray(8 * i, 8 * i + 8), Float32Array.of(2, 1), 0, iou).cells.length;
          return thresholds.map((both, i) => both.map((iou) => count(i, iou)));
        }""",
        thresholds,
    )
    assert counts == wanted


def test_thresholds_have_the_same_logit(layer):
    confidences = [*(i / 1000 for i in range(1, 1000)), 1e-4, 5e-324, 1e-300, 1 - 2**-53, 1 - 1e-9]
    confidences += np.random.default_rng(0).random(9000).tolist()
    logits = layer.call("(confidences) => confidences.map(model.logit)", confidences)
    assert logits == [float(logit(confidence)) for confidence in confidences]


def test_what_python_refuses_is_refused(layer):
    for confidence in (0, 1, -1, 1.5):
        with pytest.raises(OptionError) as refusal:
            logit(confidence)
        assert layer.call("(c) => said(() => model.logit(c))", confidence) == f"ZooError: {refusal.value}"
    for iou in (-0.5, 1.5):
        with pytest.raises(OptionError) as refusal:
            non_max_suppression(np.zeros((1, 4), np.float32), np.zeros((1, 1), np.float32), 0.0, iou)
        call = "(iou) => said(() => model.nonMaxSuppression(new Float32Array(4), new Float32Array(1), 0, iou))"
        assert layer.call(call, iou) == f"ZooError: {refusal.value}"


def test_corners_are_mapped_to_every_picture_as_in_python(layer):
    """The map of each fit, and corners inside and outside of the picture, to the last bit."""
    options = product(
        ("crop", "stretch", "pad"), (1.0, 0.875, 1 / 3), (False, True), ("even", "down"), ((320, 256), (97, 97), (1, 7))
    )
    cases = [
        (Resize(fit=fit, share=share, whole_pixels=whole, rounding=rounding, width=width, height=height), size)
        for (fit, share, whole, rounding, (width, height)), size in product(options, PICTURES)
    ]
    corners = np.random.default_rng(0).normal(120, 150, (40, 4)).astype(np.float32)
    corners[0] = [0, 0, 320, 256]
    layer.files["corners"] = corners.tobytes()
    maps = layer.call(
        """async (cases) => {
          const corners = new Float32Array((await file("corners")).buffer);
          const sizes = cases.map(([, [width, height]]) => ({ width, height }));
          const maps = cases.map(([step], i) => model.inverseOf(step, sizes[i]));
          const boxes = maps.map((map, i) => model.cornersToPicture(corners, map, sizes[i]));
          const numbers = Array.from({ length: 40 }, (_, box) => box);
          await give("boxes", new Blob(boxes));
          await give("areas", Uint8Array.from(boxes.flatMap((each) => numbers.map((box) => model.hasArea(each, box)))));
          return maps;
        }""",
        [[asdict(step), size] for step, size in cases],
    )
    boxes = np.frombuffer(layer.files.pop("boxes"), np.float32).reshape(len(cases), *corners.shape)
    areas = np.frombuffer(layer.files.pop("areas"), np.uint8).reshape(len(cases), len(corners))
    assert areas.min() == 0 < areas.max()
    for (step, size), affine, mapped, area in zip(cases, maps, boxes, areas, strict=True):
        wanted = step.inverse(*size)
        assert list(affine.values()) == list(asdict(wanted).values()), (step, size)
        expected = corners_to_picture(corners, wanted, *size)
        assert mapped.tobytes() == expected.tobytes(), (step, size)
        assert area.tolist() == have_area(expected).tolist()
