"""Boxes drawn on a picture."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from runtime.images.fonts import font_for

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw

GOLDEN_RATIO = 0.6180339887
"""Hues that are multiples of it apart lie far from one another, however many there are."""


class DrawnBox(NamedTuple):
    """A box to draw.

    Args:
        text: The text above it.
        label: The index of its label, which gives the color.
        corners: Left, top, right and bottom in pixels of the image.
    """

    text: str
    label: int
    corners: tuple[float, float, float, float]


def draw_boxes(image: Image, boxes: Sequence[DrawnBox]) -> None:
    """Draw boxes on an RGB image, the first on top."""
    from PIL import ImageDraw

    draw = ImageDraw.Draw(image)
    for box in reversed(boxes):
        _draw(draw, box, max(image.size))


def label_color(label: int) -> tuple[int, int, int]:
    """Return the color of a label's index: red, green and blue, 0 to 255."""
    red, green, blue = colorsys.hsv_to_rgb((0.33 + label * GOLDEN_RATIO) % 1, 0.85, 0.95)
    return round(red * 255), round(green * 255), round(blue * 255)


def _draw(draw: ImageDraw, box: DrawnBox, side: int) -> None:
    """Draw one box with its text on a ground of the label's color."""
    color, width = label_color(box.label), max(1, round(side / 400))
    left, top, right, bottom = map(round, box.corners)
    inside = (left, top, max(left, right - 1), max(top, bottom - 1))  # the last pixel that Pillow draws is inside
    draw.rectangle(inside, outline=color, width=width)
    font = font_for(box.text, max(10, round(side / 50)))
    _, _, across, high = draw.textbbox((0, 0), box.text, font=font)
    across, high = round(across) + width * 4, round(high) + width * 2
    x = max(0, min(left, draw.im.size[0] - across))
    y = top - high if top >= high else top
    draw.rectangle((x, y, x + across, y + high), fill=color)
    bright = 0.299 * color[0] + 0.587 * color[1] + 0.114 * color[2] > 140  # ITU-R BT.601 luma
    draw.text((x + width * 2, y + width), box.text, font=font, fill=(0, 0, 0) if bright else (255, 255, 255))
