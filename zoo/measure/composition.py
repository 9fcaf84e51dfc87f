"""Recordings composed of words at known times between noise and silence, on which listening is measured."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.measure.listening import Word

if TYPE_CHECKING:
    from numpy.typing import NDArray

SHORTEST_GAP = 1.0
"""Seconds between two words, at least."""
STRETCH = 4.0
"""Seconds of noise or silence at most, of which a gap may have several."""
NOISE = (0.002, 0.05)
"""The deviation of a stretch of noise."""


def compose(
    sounds: Sequence[NDArray[Any]],
    labels: Sequence[str],
    rate: int,
    seconds: float,
    random: np.random.Generator,
    background: Sequence[NDArray[Any]] = (),
) -> tuple[NDArray[np.float32], list[Word]]:
    """Return a recording of words in their order, with random gaps of silence and noise, and the words' times.

    Args:
        sounds: Of each word, the samples ``[n]``, of -1 to 1.
        labels: Of each word.
        rate: Samples per second, in Hz.
        seconds: The length of the recording, in which the words must have room.
        random: Decides gaps and noise.
        background: Sounds ``[n]`` of no interest, which fill parts of the gaps too.

    Returns:
        The samples ``float32 [seconds * rate]``, and each word with its start and end.
    """
    spare = round(seconds * rate) - sum(map(len, sounds))
    least = round(SHORTEST_GAP * rate)
    shares = random.dirichlet(np.full(len(sounds) + 1, 4.0))
    gaps = least + np.floor(shares * (spare - least * (len(sounds) + 1))).astype(int)
    gaps[-1] += spare - gaps.sum()
    parts: list[NDArray[Any]] = []
    words: list[Word] = []
    position = 0
    for gap, sound, label in zip(gaps[:-1], sounds, labels, strict=True):
        parts += [_gap(int(gap), rate, random, background), sound]
        start = position + int(gap)
        position = start + len(sound)
        words.append(Word(start / rate, position / rate, label))
    parts.append(_gap(int(gaps[-1]), rate, random, background))
    return np.concatenate(parts).astype(np.float32), words


def choose_words(
    targets: NDArray[np.int64], labels: Sequence[int], count: int, random: np.random.Generator
) -> list[int]:
    """Return the items of words in random order, each item once, and each label as often as the others.

    Args:
        targets: The label of each item, ``int64 [items]``.
        labels: The labels that are words.
        count: How many words; fewer where a label has too few items.
        random: Decides the items and their order.
    """
    items = {label: np.flatnonzero(targets == label) for label in labels}
    each = min(map(len, items.values()), default=0)
    turns = random.permutation([labels[i % len(labels)] for i in range(min(count, each * len(labels)))])
    left = {label: random.permutation(indices).tolist() for label, indices in items.items()}
    return [int(left[int(label)].pop()) for label in turns]


def _gap(
    length: int, rate: int, random: np.random.Generator, background: Sequence[NDArray[Any]]
) -> NDArray[np.float64]:
    """Return stretches of silence, of noise, white or duller, and of background, ``float64 [length]``."""
    parts = [np.zeros(0)]
    while (left := length - sum(map(len, parts))) > 0:
        stretch = min(left, round(random.uniform(0.2, 1) * STRETCH * rate))
        kind = random.integers(3 if background else 2)
        if kind == 2:
            parts.append(background[int(random.integers(len(background)))][:left])
        elif kind:
            level = np.exp(random.uniform(*np.log(NOISE)))
            width = int(random.integers(1, 9))
            noise = np.convolve(random.standard_normal(stretch + width), np.full(width, width**-0.5), "same")
            parts.append(level * noise[:stretch])
        else:
            parts.append(np.zeros(stretch))
    return np.concatenate(parts)
