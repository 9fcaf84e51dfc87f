"""Answers drawn onto pictures, legible whatever the picture's size and the label's script."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from runtime import DetectionPrediction, OptionError, Prediction
from runtime.atomic import staged_file
from runtime.images.fonts import font_for
from runtime.images.preprocess import preprocess
from runtime.images.steps import Flatten, Mode, Orient

if TYPE_CHECKING:
    from numpy.typing import NDArray

IMAGES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")
LEAST_SIDE = 240
"""Pixels of the shorter side, to which smaller pictures are enlarged: there is no letter of a digit's height."""


def annotate(source: Any, answer: Prediction, out: Path) -> None:
    """Write a copy of an image, upright, with the answer drawn.

    Raises:
        OptionError: If `out` doesn't end in one of `IMAGES`.
        InputError: If the image can't be read.
        OutputError: If the copy can't be written.
    """
    from PIL import Image

    if out.suffix.lower() not in IMAGES:
        raise OptionError(f"--annotate of an image must end in {', '.join(IMAGES)}, got {out.name!r}")
    pixels = preprocess(source, (Orient(), Flatten(), Mode(mode="RGB")))
    with staged_file(out) as stage:
        Image.fromarray(with_answer(pixels, answer)).save(stage)


def with_answer(pixels: NDArray[np.uint8], answer: Prediction) -> NDArray[np.uint8]:
    """Return a picture ``uint8 [height, width, 3]`` with the answer: boxes where they lie, else lines of text."""
    if isinstance(answer, DetectionPrediction):
        return np.asarray(answer.image(pixels))
    return drawn(pixels, lines(answer))


def lines(answer: Prediction) -> list[str]:
    """Return an answer as lines: of classes one for each, best first."""
    return answer.summary.split("   ")


def drawn(pixels: NDArray[np.uint8], text: list[str]) -> NDArray[np.uint8]:
    """Return a picture with lines of text on a dark ground in its upper left corner.

    Args:
        pixels: ``uint8 [height, width, 3]``, RGB.
        text: The lines, of which the first is the largest; one too long for the picture is cut.

    Returns:
        The same in size, or enlarged by a whole factor to `LEAST_SIDE`.
    """
    from PIL import Image, ImageDraw

    factor = -(-LEAST_SIDE // min(pixels.shape[:2]))
    image = Image.fromarray(pixels.repeat(factor, 0).repeat(factor, 1) if factor > 1 else pixels)
    draw = ImageDraw.Draw(image, "RGBA")
    height = max(14, min(image.size) // 16)
    margin = height // 3
    room, top = image.width - 4 * margin, 2 * margin
    shown: list[Any] = []
    for number, line in enumerate(text):
        size = height if number == 0 else round(height * 0.75)
        font = font_for(line, size)
        while draw.textlength(line, font) > room and size > 12:
            size -= 1
            font = font_for(line, size)
        while draw.textlength(line, font) > room and len(line) > 1:
            line = f"{line[:-2]}…"
        if shown and top + size + margin > image.height:
            break
        shown.append((top, line, font, draw.textlength(line, font)))
        top += size + margin
    wide = max(length for *_, length in shown) + 4 * margin
    draw.rectangle((0, 0, wide, top), fill=(0, 0, 0, 160))
    for y, line, font, _ in shown:
        draw.text((2 * margin, y), line, fill=(255, 255, 255, 255), font=font, anchor="lt")
    return np.asarray(image)
