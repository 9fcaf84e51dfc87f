"""Training recordings that are no word: silence, noise and scraps of words, which streams hold most of the time.

A network that only ever heard words calls every noise one. It learns to be unsure of outliers instead: their target is
the same probability for each label (Hendrycks et al., 2019: Deep Anomaly Detection with Outlier Exposure).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from zoo.tasks._classes import UNSURE

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

SHIFTS = (0.45, 0.8)
"""The share of a clip by which a scrap of a word is moved out of it."""
LEVELS = (-70.0, -10.0)
"""How loud noise is, in decibels of full scale."""
SLOPES = (0.0, 2.5)
"""Of the power of noise over frequency, from white to duller than brown."""
COLOR, COURSE = 15.0, 12.0
"""By how much noise is louder or softer at some frequencies, and at some times, in decibels."""
HUMS = (0.004, 0.2)
"""Pitches of hums, as shares of half the rate."""


@dataclass(frozen=True)
class WithOutliers:
    """Puts outliers in the place of a share of the recordings; random choices follow from PyTorch's generator.

    Args:
        augment: What changes the recordings, the outliers' too; None for nothing.
        share: Of the recordings, 0 to 1.
    """

    augment: Callable[..., tuple[NDArray[np.float32], Any]] | None
    share: float

    def __call__(
        self, inputs: NDArray[np.float32], targets: NDArray[Any], index: int, epoch: int
    ) -> tuple[NDArray[np.float32], Any]:
        """Return a recording ``float32 [samples]`` with its target, or an outlier with `UNSURE`."""
        random = np.random.default_rng(int(torch.randint(2**31, ())))
        clip = self._changed(inputs, targets, index, epoch)
        if random.random() >= self.share:
            return clip, targets[index]
        if random.random() < 0.5:
            return stretches(len(clip), random), UNSURE
        other = self._changed(inputs, targets, int(random.integers(len(inputs))), epoch)
        scraps = np.zeros_like(clip)
        for scrap, direction in ((clip, 1), (other, -1)):
            if random.random() < 0.75:
                scraps += moved(scrap, direction * round(random.uniform(*SHIFTS) * len(clip)))
        return scraps, UNSURE

    def _changed(
        self, inputs: NDArray[np.float32], targets: NDArray[Any], index: int, epoch: int
    ) -> NDArray[np.float32]:
        return inputs[index].copy() if self.augment is None else self.augment(inputs, targets, index, epoch)[0]


def stretches(count: int, random: np.random.Generator) -> NDArray[np.float32]:
    """Return noise, of which every second one begins, ends or changes abruptly at some moment, ``float32 [count]``.

    A network that heard none of these moments takes them for the consonants of words.
    """
    samples = noise(count, random)
    if random.random() < 0.5:
        return samples
    other = noise(count, random) if random.random() < 0.5 else np.zeros(count, np.float32)
    moment = int(random.integers(count))
    first, second = (samples, other) if random.random() < 0.5 else (other, samples)
    return np.concatenate([first[:moment], second[moment:]])


def noise(count: int, random: np.random.Generator) -> NDArray[np.float32]:
    """Return noise of a random color, course and loudness, perhaps with a hum, ``float32 [count]``.

    One of eight is digital silence.
    """
    if random.random() < 0.125:
        return np.zeros(count, np.float32)
    spectrum = np.fft.rfft(random.normal(size=count))
    places = np.arange(1, len(spectrum) + 1)
    decibels = _curve(len(spectrum), COLOR, random) - 10 * random.uniform(*SLOPES) * np.log10(places)
    samples = np.fft.irfft(spectrum * 10 ** (decibels / 20), count)
    samples /= np.std(samples) or 1
    if random.random() < 0.3:
        pitch = np.exp(random.uniform(*np.log(HUMS)))
        phases = np.pi * pitch * np.arange(count)[:, None] * np.arange(1, 9)
        hum = (np.sin(phases + random.uniform(0, 2 * np.pi, 8)) * random.uniform(0, 1, 8)).sum(1)
        samples += random.uniform(0, 2) * hum
    if random.random() < 0.5:
        samples *= 10 ** (_curve(count, COURSE, random) / 20)
    level = 10 ** (random.uniform(*LEVELS) / 20)
    return np.asarray(np.clip(samples / (np.std(samples) or 1) * level, -1, 1), np.float32)


def _curve(count: int, decibels: float, random: np.random.Generator) -> NDArray[np.float64]:
    """Return a curve through a few random points, in decibels up to a limit above and below 0."""
    points = random.uniform(-decibels, decibels, random.integers(2, 16))
    return np.interp(np.linspace(0, 1, count), np.linspace(0, 1, len(points)), points)


def moved(clip: NDArray[np.float32], by: int) -> NDArray[np.float32]:
    """Return a clip that is later by so many samples, or earlier by as many below 0, with silence before or after."""
    result = np.zeros_like(clip)
    if by >= 0:
        result[by:] = clip[: len(clip) - by]
    else:
        result[:by] = clip[-by:]
    return result
