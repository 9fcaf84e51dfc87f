"""Boxes drawn on a picture."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from runtime.images.fonts import font_for

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw

    from runtime.images.fonts import Font

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
    """Draw boxes on an RGB image, the first on top, and their texts over all of them."""
    from PIL import ImageDraw

    draw, side = ImageDraw.Draw(image), max(image.size)
    width = max(1, round(side / 400))
    for box in reversed(boxes):
        left, top, right, bottom = map(round, box.corners)
        inside = (left, top, max(left, right - 1), max(top, bottom - 1))  # the last pixel that Pillow draws is inside
        draw.rectangle(inside, outline=label_color(box.label), width=width)
    tags: list[_Tag] = []
    for box in boxes:
        tags.append(_Tag.beside(box, draw, width, tags))
    for tag in reversed(tags):
        tag.draw(draw, width)


def label_color(label: int) -> tuple[int, int, int]:
    """Return the color of a label's index: red, green and blue, 0 to 255."""
    red, green, blue = colorsys.hsv_to_rgb((0.33 + label * GOLDEN_RATIO) % 1, 0.85, 0.95)
    return round(red * 255), round(green * 255), round(blue * 255)


class _Tag(NamedTuple):
    """A text on a ground of its label's color, which reaches from the left and upper pixels to the right and lower."""

    box: DrawnBox
    left: int
    top: int
    right: int
    bottom: int

    @classmethod
    def beside(cls, box: DrawnBox, draw: ImageDraw, width: int, others: Sequence[_Tag]) -> _Tag:
        """Return the tag of a box: above it, where nothing is in the way, or else inside or below."""
        _, _, across, high = draw.textbbox((0, 0), box.text, font=_font(box, draw))
        across, high = round(across) + width * 4, round(high) + width * 2
        left, top, _, bottom = map(round, box.corners)
        left = max(0, min(left, draw.im.size[0] - across))
        tops = [y for y in (top - high, top, bottom, bottom - high) if 0 <= y <= draw.im.size[1] - high] or [top]
        tags = [cls(box, left, y, left + across, y + high) for y in tops]
        return next((tag for tag in tags if not any(map(tag.overlaps, others))), tags[0])

    def overlaps(self, other: _Tag) -> bool:
        """Tell whether the tags share more than an edge."""
        across = self.left < other.right and other.left < self.right
        return across and self.top < other.bottom and other.top < self.bottom

    def draw(self, draw: ImageDraw, width: int) -> None:
        """Draw the tag, in black on bright colors and in white on others."""
        color = label_color(self.box.label)
        draw.rectangle((self.left, self.top, self.right, self.bottom), fill=color)
        bright = 0.299 * color[0] + 0.587 * color[1] + 0.114 * color[2] > 140  # ITU-R BT.601 luma
        ink = (0, 0, 0) if bright else (255, 255, 255)
        draw.text((self.left + width * 2, self.top + width), self.box.text, font=_font(self.box, draw), fill=ink)


def _font(box: DrawnBox, draw: ImageDraw) -> Font:
    return font_for(box.text, max(10, round(max(draw.im.size) / 50)))
