"""Texts of drawn boxes stay readable where boxes and texts lie on each other."""

from __future__ import annotations

import numpy as np
from PIL import Image

from runtime.images.draw_boxes import DrawnBox, draw_boxes, label_color

CORNERS = (60.0, 60.0, 140.0, 140.0)


def drawn(*boxes):
    image = Image.new("RGB", (200, 200), (90, 90, 90))
    draw_boxes(image, boxes)
    return np.asarray(image)


def rows_of(pixels, label):
    """Return the rows that hold twenty pixels or more of a label's color: its text's ground, and edges of its box."""
    return np.flatnonzero((pixels == label_color(label)).all(axis=2).sum(axis=1) >= 20)


def test_the_edge_of_another_box_does_not_cross_a_text():
    alone = drawn(DrawnBox("cell 0.50", 0, CORNERS))
    crossed = drawn(DrawnBox("bead 0.90", 1, (70.0, 20.0, 190.0, 199.0)), DrawnBox("cell 0.50", 0, CORNERS))
    text = np.s_[48:60, 60:100]
    assert (alone[text] == label_color(0)).all(axis=2).mean() > 0.4
    np.testing.assert_array_equal(crossed[text], alone[text])


def test_texts_of_boxes_on_each_other_lie_apart():
    names = ("bead 0.90", "cell 0.80", "disc 0.70", "drop 0.60")
    pixels = drawn(*(DrawnBox(name, label, CORNERS) for label, name in enumerate(names)))
    for label in range(len(names)):
        assert len(rows_of(pixels, label)) >= 8, names[label]


def test_a_text_stays_in_the_picture():
    for corners in ((0.0, 0.0, 30.0, 30.0), (180.0, 0.0, 200.0, 200.0), (0.0, 0.0, 200.0, 200.0)):
        assert len(rows_of(drawn(DrawnBox("bead 0.90", 2, corners)), 2)) >= 8, corners
