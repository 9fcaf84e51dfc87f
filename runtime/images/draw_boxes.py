"""Boxes drawn on a picture."""

from __future__ import annotations

import colorsys
from typing import TYPE_CHECKING, Any

import numpy as np

from runtime.errors import InputError
from runtime.images.preprocess import preprocess
from runtime.images.steps import Flatten, Mode, Orient

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw

    from runtime.images.preprocess import Source
    from runtime.tasks.detection import Box, DetectionPrediction

GOLDEN_RATIO = 0.6180339887
"""Hues that are multiples of it apart lie far from one another, however many there are."""


def draw_boxes(prediction: DetectionPrediction, picture: Source | None = None) -> Image:
    """Return a picture with the boxes of a prediction, as an RGB image.

    Args:
        prediction: The boxes.
        picture: The picture that was predicted; by default what the model saw of it.

    Raises:
        InputError: If the picture can't be read, or has another size than the predicted one.
    """
    if picture is None:
        image, boxes = _image(prediction.input), _boxes_in_input(prediction)
    else:
        image, boxes = _image(preprocess(picture, (Orient(), Flatten(), Mode()))), prediction.boxes
    if picture is not None and image.size != (prediction.width, prediction.height):
        raise InputError(
            f"the picture is {image.width}x{image.height} pixels, the predicted one was "
            f"{prediction.width}x{prediction.height}"
        )
    from PIL import ImageDraw

    draw = ImageDraw.Draw(image)
    for box in reversed(boxes):  # the surest on top
        _draw(draw, box, label_color(prediction.labels.index(box.label)), max(image.size))
    return image


def label_color(index: int) -> tuple[int, int, int]:
    """Return the color of a label: red, green and blue, 0 to 255."""
    red, green, blue = colorsys.hsv_to_rgb((0.33 + index * GOLDEN_RATIO) % 1, 0.85, 0.95)
    return round(red * 255), round(green * 255), round(blue * 255)


def _image(pixels: Any) -> Image:
    from PIL import Image

    return Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels).convert("RGB")


def _boxes_in_input(prediction: DetectionPrediction) -> tuple[Box, ...]:
    """Return the boxes in pixels of the model's input."""
    affine = prediction.placement.affine
    scale, offset = np.array([affine.scale_x, affine.scale_y] * 2), np.array([affine.offset_x, affine.offset_y] * 2)
    return tuple(
        box._replace(left=left, top=top, right=right, bottom=bottom)
        for box in prediction.boxes
        for left, top, right, bottom in [((np.array(box[2:]) - offset) / scale).tolist()]
    )


def _draw(draw: ImageDraw, box: Box, color: tuple[int, int, int], side: int) -> None:
    """Draw one box with its label and score on a ground of the label's color."""
    from PIL import ImageFont

    width = max(1, round(side / 400))
    right, bottom = (max(low, high - 1) for low, high in ((box.left, box.right), (box.top, box.bottom)))
    draw.rectangle((box.left, box.top, right, bottom), outline=color, width=width)  # Pillow's last pixel is inside
    font: Any = ImageFont.load_default(max(10, round(side / 50)))
    text = f"{box.label} {box.score:.2f}"
    _, _, right, bottom = draw.textbbox((0, 0), text, font=font)
    high, across = bottom + width * 2, right + width * 4
    x = max(0.0, min(box.left, draw.im.size[0] - across))
    y = box.top - high if box.top >= high else box.top
    draw.rectangle((x, y, x + across, y + high), fill=color)
    bright = 0.299 * color[0] + 0.587 * color[1] + 0.114 * color[2] > 140  # ITU-R BT.601 luma
    draw.text((x + width * 2, y + width), text, font=font, fill=(0, 0, 0) if bright else (255, 255, 255))
