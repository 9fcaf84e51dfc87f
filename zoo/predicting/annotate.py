"""Answers drawn onto pictures, legible whatever the picture's size and the label's script."""

from __future__ import annotations

from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from runtime import OptionError, Prediction
from runtime.atomic import staged_file
from runtime.images.preprocess import preprocess
from runtime.images.steps import Flatten, Mode, Orient

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL.ImageFont import FreeTypeFont, ImageFont

    Font = FreeTypeFont | ImageFont

IMAGES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")
FONTS = ("DejaVuSans.ttf", "NotoSansCJK-Regular.ttc", "NotoSans-Regular.ttf", "Arial Unicode.ttf", "msyh.ttc")
"""Fonts of many scripts, looked up where the system keeps its fonts, for labels that Pillow's own font lacks."""
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
        Image.fromarray(drawn(pixels, lines(answer))).save(stage)


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
        font = _font(size, line)
        while draw.textlength(line, font) > room and size > 12:
            size -= 1
            font = _font(size, line)
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


@lru_cache(256)
def _font(size: int, text: str) -> Font:
    """Return Pillow's own font for plain text; for other letters the one, of those here, that lacks the fewest."""
    from PIL import ImageFont

    fonts: list[Font] = [ImageFont.load_default(size)]
    letters = {letter for letter in text if not letter.isascii()}
    for name in FONTS if letters else ():
        with suppress(OSError):
            fonts.append(ImageFont.truetype(name, size))
    return min(fonts, key=lambda font: _lacking(font, letters))


def _lacking(font: Font, letters: set[str]) -> int:
    """Count the letters that become the box which stands for those that a font lacks."""
    box = bytes(font.getmask("\uffff"))
    return sum(bytes(font.getmask(letter)) == box for letter in letters)
