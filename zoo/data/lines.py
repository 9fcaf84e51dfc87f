"""Lines of 3 to 8 handwritten digits: `lines` from scikit-learn's digits, `lines:PATH` from MNIST's IDX files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from runtime.tasks.text import PADDING
from zoo.data import Dataset, Images, Split, Texts, split_apart
from zoo.data._idx import read_splits
from zoo.data._scikit_learn import digit_images

if TYPE_CHECKING:
    from numpy.typing import NDArray

HEIGHT = 32
DIGIT = 28
SHORTEST, LONGEST = 3, 8
LINES = {"train": 8_000, "validation": 1_000, "test": 1_000}
"""The most lines of each split; fewer digits make fewer: `LINES_PER_DIGIT` of each."""
LINES_PER_DIGIT = 2


def load(path: Path | None, seed: int) -> Dataset:
    """Return lines of dark digits on white, ``uint8 [32, width]``; no digit is in two splits.

    Raises:
        DataError: If the files are missing or damaged.
    """
    if path is None:
        splits = split_apart(*digit_images(path), seed)
        source = "scikit-learn's load_digits: UCI Optical Recognition of Handwritten Digits"
    else:
        splits = read_splits(path, seed)
        source = "LeCun, Cortes and Burges: The MNIST database of handwritten digits"
    return Dataset(
        name="lines",
        content=Images("L", None),
        target=Texts("0123456789"),
        splits={name: _compose(name, split, seed) for name, split in splits.items()},
        source=f"lines composed of {source}",
        licence="CC BY 4.0" if path is None else "CC BY-SA 3.0",
    )


def _compose(name: str, digits: Split, seed: int) -> Split:
    """Return lines of a split's digits; those of the test split are the same for every seed."""
    random = np.random.default_rng([0 if name == "test" else seed, [*LINES].index(name)])
    count = min(LINES[name], LINES_PER_DIGIT * len(digits.items))
    texts = np.full((count, LONGEST), PADDING, np.int64)
    lines: list[Any] = []
    for text, length in zip(texts, random.integers(SHORTEST, LONGEST + 1, count), strict=True):
        chosen = random.integers(len(digits.items), size=length)
        text[:length] = digits.targets[chosen]
        lines.append(_line([digits.items[i] for i in chosen], random))
    return Split(lines, texts)


def _line(digits: list[NDArray[np.uint8]], random: np.random.Generator) -> NDArray[np.uint8]:
    """Set digits, bright on black, side by side: dark on white, at random gaps, heights and scales."""
    from PIL import Image

    pieces = [np.zeros((HEIGHT, random.integers(2, 7)), np.uint8)]
    for digit in digits:
        size = int(random.integers(round(0.85 * DIGIT), round(1.1 * DIGIT) + 1))
        scaled = np.asarray(Image.fromarray(digit).resize((size, size), Image.Resampling.BICUBIC))
        inked = np.flatnonzero(scaled.max(0) > 32)
        scaled = scaled[:, inked[0] : inked[-1] + 1] if len(inked) else scaled
        top = random.integers(HEIGHT - size + 1)
        piece = np.zeros((HEIGHT, scaled.shape[1] + random.integers(1, 7)), np.uint8)
        piece[top : top + size, : scaled.shape[1]] = scaled
        pieces.append(piece)
    return 255 - np.concatenate(pieces, axis=1)
