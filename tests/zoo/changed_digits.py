"""Digits of MNIST as people draw, send and photograph them; each function changes one ``uint8 [28, 28]`` digit."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

Digit = NDArray[np.uint8]


def shifted(digit: Digit, random: np.random.Generator) -> Digit:
    """Move the digit by up to 4 pixels."""
    dy, dx = random.integers(-4, 5, 2)
    return np.asarray(Image.fromarray(digit).transform((28, 28), Image.Transform.AFFINE, (1, 0, -dx, 0, 1, -dy)))


def scaled(digit: Digit, random: np.random.Generator) -> Digit:
    """Show the digit at 0.6 to 1.3 of its size, in the middle of a canvas of 28x28."""
    side = round(28 * random.uniform(0.6, 1.3))
    small = Image.fromarray(digit).resize((side, side), Image.Resampling.BICUBIC)
    canvas = Image.new("L", (28, 28))
    canvas.paste(small, ((28 - side) // 2, (28 - side) // 2))
    return np.asarray(canvas)


def thicker(digit: Digit, random: np.random.Generator) -> Digit:
    """Draw the digit with a pen that is 1 to 2 pixels thicker."""
    large = Image.fromarray(digit).resize((112, 112), Image.Resampling.BICUBIC)
    wide = large.filter(ImageFilter.MaxFilter(int(random.choice([5, 7, 9]))))
    return np.asarray(wide.resize((28, 28), Image.Resampling.BOX))


def inverted(digit: Digit, random: np.random.Generator) -> Digit:
    """Draw dark on light."""
    return 255 - digit


def photographed(digit: Digit, random: np.random.Generator) -> Digit:
    """Write the digit on paper of one colour and photograph it, ``uint8 [height, width, 3]``.

    The paper fills the picture of 4:3, upright or not; the light falls unevenly, the hand isn't quite level.
    """
    side = 240
    scale, angle = random.uniform(0.75, 1.1), random.uniform(-10, 10)
    own = round(side * scale)
    ink = Image.fromarray(digit).resize((own, own), Image.Resampling.BICUBIC).rotate(angle, Image.Resampling.BILINEAR)
    width, height = (320, side) if random.random() < 0.5 else (side, 320)
    mask = Image.new("L", (width, height))
    dx, dy = random.integers(-16, 17, 2)
    mask.paste(ink, ((width - own) // 2 + int(dx), (height - own) // 2 + int(dy)))
    covered = np.asarray(mask.filter(ImageFilter.GaussianBlur(1.5)), np.float32)[:, :, None] / 255
    paper = random.uniform(140, 235) + random.uniform(-15, 15, 3)
    pen = random.uniform(20, 80) + random.uniform(-15, 15, 3)
    rows, columns = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    turn = random.uniform(0, 2 * np.pi)
    light = 1 + random.uniform(0, 0.15) * (np.cos(turn) * columns + np.sin(turn) * rows)[:, :, None]
    picture = (paper * (1 - covered) + pen * covered) * light + random.normal(0, 4, (height, width, 1))
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8)


CHANGES = (shifted, scaled, thicker, inverted, photographed)
