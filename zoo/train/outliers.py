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
SLOPES = (0.0, 2.0)
"""Of the power of noise over frequency, from white to brown."""


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
            return noise(len(clip), random), UNSURE
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


def noise(count: int, random: np.random.Generator) -> NDArray[np.float32]:
    """Return noise of a random color and loudness, ``float32 [count]``; one of eight is digital silence."""
    if random.random() < 0.125:
        return np.zeros(count, np.float32)
    spectrum = np.fft.rfft(random.normal(size=count))
    spectrum[1:] *= np.arange(1, len(spectrum)) ** (-random.uniform(*SLOPES) / 2)
    samples = np.fft.irfft(spectrum, count)
    level = 10 ** (random.uniform(*LEVELS) / 20)
    return np.asarray(np.clip(samples / (np.std(samples) or 1) * level, -1, 1), np.float32)


def moved(clip: NDArray[np.float32], by: int) -> NDArray[np.float32]:
    """Return a clip that is later by so many samples, or earlier by as many below 0, with silence before or after."""
    result = np.zeros_like(clip)
    if by >= 0:
        result[by:] = clip[: len(clip) - by]
    else:
        result[:by] = clip[-by:]
    return result
