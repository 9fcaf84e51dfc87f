"""Fonts for texts that are drawn on pictures, whatever their script."""

from __future__ import annotations

from contextlib import suppress
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont, ImageFont

    Font = FreeTypeFont | ImageFont

FONTS = ("DejaVuSans.ttf", "NotoSansCJK-Regular.ttc", "NotoSans-Regular.ttf", "Arial Unicode.ttf", "msyh.ttc")
"""Fonts of many scripts, looked up where the system keeps its fonts, for labels that Pillow's own font lacks."""


@lru_cache(256)
def font_for(text: str, size: int) -> Font:
    """Return Pillow's own font for plain text; for other letters the one, of those here, that lacks the fewest.

    Args:
        text: What is to be drawn.
        size: The font's size in pixels.
    """
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
