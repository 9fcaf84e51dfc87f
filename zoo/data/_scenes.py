"""Scenes of handwritten digits on grounds of random colors, composed on the fly from MNIST's embedded digits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from runtime.errors import OptionError
from zoo.data import Split
from zoo.data._box_geometry import BoxedImage
from zoo.data._idx import EMBEDDED, read_splits

if TYPE_CHECKING:
    from numpy.typing import NDArray

LABELS = tuple("0123456789")
SIZE = (96, 96)
"""Width and height of a scene, in pixels."""
LEAST_SIZE = 32
MOST = 6
"""Digits of a scene, of which it has 1 or more."""
SMALLEST, LARGEST = 28, 56
"""The side of a digit's 28x28 pixels in a scene; its ink is about 0.7 of that high."""
MAX_OVERLAP = 0.3
"""Of the smaller of two boxes, what the larger one may cover: an IoU of 0.18 at most."""
ATTEMPTS = 8
"""How often a place is sought for a digit before the scene goes without it."""
VISIBLE = 64
"""Ink of a pixel, 0-255, that belongs to a digit: a quarter of the way from the ground's color."""
LEAST_CONTRAST = 90.0
"""How far the brightness of ink is from the mean brightness of the ground, of 255."""
TEXTURE = 28.0
"""How far a ground's brightness goes from its mean."""
WEIGHTS = np.array((0.299, 0.587, 0.114))
"""Of red, green and blue in brightness (ITU-R 601-2), as Pillow has them."""
STREAMS = {"train": 0, "validation": 1, "test": 2}


@dataclass(frozen=True, eq=False)
class Scenes:
    """The scenes of one split, each composed when it is asked for.

    Args:
        digits: Images ``uint8 [28, 28]``, bright on black, and their classes; no digit is in two splits.
        stream: The number of the split, so that no two splits have scenes in common.
        seed: Decides all scenes.
        size: Width and height.
    """

    digits: Split
    stream: int
    seed: int
    size: tuple[int, int] = SIZE

    def __getitem__(self, index: int) -> BoxedImage:
        """Return a scene; the same seed and index give the same scene, whatever was asked for before.

        Args:
            index: From 0, without end.
        """
        return _compose(self.digits, np.random.default_rng([self.stream, self.seed, index]), self.size)


def scenes(seed: int, size: tuple[int, int] = SIZE) -> dict[str, Scenes]:
    """Return the scenes of ``train``, ``validation`` and ``test``; those of the test are the same for every seed.

    Args:
        seed: Decides the scenes, and which digits are for training and which for validation.
        size: Width and height of a scene, each 32 or more.

    Raises:
        DataError: If the embedded digits are damaged.
        OptionError: If the size is too small for a digit.
    """
    if min(size) < LEAST_SIZE:
        raise OptionError(f"scenes have {LEAST_SIZE} pixels a side or more, got {size[0]}x{size[1]}")
    return {
        name: Scenes(digits, STREAMS[name], 0 if name == "test" else seed, size)
        for name, digits in read_splits(EMBEDDED, seed).items()
    }


def _compose(digits: Split, random: np.random.Generator, size: tuple[int, int]) -> BoxedImage:
    """Set 1 to `MOST` digits on a ground; the box of each is tight around its ink that no later digit covers."""
    width, height = size
    image = _ground(random, width, height)
    brightness = float(image[::4, ::4].mean((0, 1)) @ WEIGHTS)
    owner = np.full((height, width), -1, np.int8)
    placed: list[tuple[int, int, int, int]] = []
    classes: list[int] = []
    for _ in range(random.integers(1, MOST + 1)):
        index = int(random.integers(len(digits.items)))
        ink = _ink(digits.items[index], random, min(LARGEST, width, height))
        box = _free_box(ink, placed, random, size)
        if box is None:
            continue
        left, top, right, bottom = box
        opacity = (ink * np.float32(1 / 255))[:, :, None]
        below = image[top:bottom, left:right]
        below[:] = below + opacity * (_color(random, brightness) - below) + np.float32(0.5)
        owner[top:bottom, left:right][ink >= VISIBLE] = len(placed)
        placed.append(box)
        classes.append(int(digits.targets[index]))
    visible = [(owner[box[1] : box[3], box[0] : box[2]] == i, box) for i, box in enumerate(placed)]
    boxes = [_bounds(ink, *box[:2]) for ink, box in visible if ink.any()]
    classes = [label for label, (ink, _) in zip(classes, visible, strict=True) if ink.any()]
    return BoxedImage(image, np.array(boxes, np.float32).reshape(-1, 4), np.array(classes, np.int64))


def _ink(digit: NDArray[np.uint8], random: np.random.Generator, largest: int) -> NDArray[np.uint8]:
    """Return a digit's ink, 0-255, at a random size and slant, cut to its visible pixels."""
    from PIL import Image

    side = int(np.exp(random.uniform(np.log(min(SMALLEST, largest)), np.log(largest + 1))))
    slant, turn = random.uniform(-0.2, 0.2, 2)
    scale = digit.shape[0] / side
    middle = side / 2
    row = (scale, scale * slant, scale * -slant * middle)
    column = (scale * turn, scale, scale * -turn * middle)
    scaled = Image.fromarray(digit).transform(
        (side, side), Image.Transform.AFFINE, (*row, *column), Image.Resampling.BICUBIC
    )
    ink = np.asarray(scaled)
    left, top, right, bottom = _bounds(ink >= VISIBLE, 0, 0)
    return ink[top:bottom, left:right]


def _bounds(marked: NDArray[np.bool_], left: int, top: int) -> tuple[int, int, int, int]:
    """Return the edges around the marked pixels of a part that begins at a column and a row."""
    columns, rows = np.flatnonzero(marked.any(0)), np.flatnonzero(marked.any(1))
    return left + int(columns[0]), top + int(rows[0]), left + int(columns[-1]) + 1, top + int(rows[-1]) + 1


def _free_box(
    ink: NDArray[np.uint8],
    placed: list[tuple[int, int, int, int]],
    random: np.random.Generator,
    size: tuple[int, int],
) -> tuple[int, int, int, int] | None:
    """Return a box for a digit inside of the scene that overlaps no other by too much, or None."""
    height, width = ink.shape
    for _ in range(ATTEMPTS):
        left, top = int(random.integers(size[0] - width + 1)), int(random.integers(size[1] - height + 1))
        box = (left, top, left + width, top + height)
        if all(_overlap(box, other) <= MAX_OVERLAP for other in placed):
            return box
    return None


def _overlap(one: tuple[int, int, int, int], other: tuple[int, int, int, int]) -> float:
    """Return the share of the smaller of two boxes that lies in the other."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    smaller = min((box[2] - box[0]) * (box[3] - box[1]) for box in (one, other))
    return max(0, width) * max(0, height) / smaller


def _color(random: np.random.Generator, ground: float) -> NDArray[np.float32]:
    """Return a color, ``float32 [3]``, whose brightness differs enough from the ground's."""
    darkest, brightest = ground - LEAST_CONTRAST, ground + LEAST_CONTRAST
    dark = darkest > 0 and (brightest > 255 or random.random() < 0.5)
    wanted = random.uniform(0, darkest) if dark else random.uniform(brightest, 255)
    color = random.uniform(0, 255, 3)
    brightness = float(color @ WEIGHTS)
    if wanted < brightness:  # mixed with black or white, no value leaves its range
        return (color * (wanted / brightness)).astype(np.float32)
    return (255 - (255 - color) * ((255 - wanted) / (255 - brightness))).astype(np.float32)


def _ground(random: np.random.Generator, width: int, height: int) -> NDArray[np.uint8]:
    """Return a ground, ``uint8 [height, width, 3]``: plain, shaded, striped or cloudy."""
    color = random.uniform(TEXTURE, 255 - TEXTURE, 3)
    tint = random.uniform(0.4, 1, 3) * TEXTURE
    texture = TEXTURES[int(random.integers(len(TEXTURES)))](random, width, height)
    shades = np.rint(color + np.linspace(-1, 1, 256)[:, None] * tint).astype(np.uint8)
    ground: NDArray[np.uint8] = shades[(texture * 127.5 + 127.5).astype(np.uint8)]
    return ground


def _plain(random: np.random.Generator, width: int, height: int) -> NDArray[np.float32]:
    return np.zeros((height, width), np.float32)


def _shaded(random: np.random.Generator, width: int, height: int) -> NDArray[np.float32]:
    angle = random.uniform(0, 2 * np.pi)
    columns, rows = (np.linspace(-0.7, 0.7, length, dtype=np.float32) for length in (width, height))
    slope: NDArray[np.float32] = np.float32(np.cos(angle)) * columns[None] + np.float32(np.sin(angle)) * rows[:, None]
    return slope


def _striped(random: np.random.Generator, width: int, height: int) -> NDArray[np.float32]:
    angle, period = random.uniform(0, np.pi), random.uniform(8, 40)
    frequency = 2 * np.pi / period
    columns, rows = (np.arange(length, dtype=np.float32) for length in (width, height))
    phase = (
        np.float32(frequency * np.cos(angle)) * columns[None] + np.float32(frequency * np.sin(angle)) * rows[:, None]
    )
    waves: NDArray[np.float32] = np.sin(phase)
    return waves


def _cloudy(random: np.random.Generator, width: int, height: int) -> NDArray[np.float32]:
    """Return noise of a coarse and a fine grid, smoothly enlarged."""
    from PIL import Image

    noise = np.zeros((height, width), np.float32)
    for cells, strength in ((int(random.integers(3, 8)), 0.7), (int(random.integers(16, 40)), 0.3)):
        grid = Image.fromarray(random.uniform(-1, 1, (cells, cells)).astype(np.float32))
        noise += strength * np.asarray(grid.resize((width, height), Image.Resampling.BILINEAR))
    return noise


TEXTURES = (_plain, _shaded, _striped, _cloudy)
