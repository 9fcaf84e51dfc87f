"""Random changes of training recordings, by name: speed, place, tone, loudness, and noise behind them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from runtime.audio.decoding import RECORDINGS, read_mono
from runtime.audio.resampling import Resampling
from runtime.errors import OptionError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

CHANGES = ("speed", "shift", "filter", "gain", "noise")
SPEEDS = (0.8, 1.25)
"""By how much a recording is slower or faster at most; voices become deeper or higher with it."""
SHIFT = 0.1
"""The share of a clip that a recording is moved by at most."""
FILTER = 10.0
"""By how much a frequency is made softer or louder at most, in decibels, as rooms and microphones do (Nam et al., 2022:
FilterAugment)."""
FILTER_POINTS = 6
"""Frequencies with a random loudness; those between follow linearly."""
GAINS = (-25.0, 15.0)
"""By how much a recording is made softer or louder, in decibels."""
NOISY = 0.7
"""The share of recordings that get noise."""
SNRS = (5.0, 40.0)
"""How much louder than the noise a recording is, in decibels."""
SLOPES = (0.0, 2.0)
"""Of the power of noise over frequency, from white to brown."""
MAX_SECONDS = 600
"""How much of all recordings of background is read."""


@dataclass(frozen=True)
class AudioAugmentation:
    """Changes recordings; its random choices follow from PyTorch's generator.

    Args:
        names: Of `CHANGES`.
        background: Noise to take parts of, ``float32 [n]``; empty where noise is made up.
    """

    names: tuple[str, ...]
    background: NDArray[np.float32]

    def __call__(
        self, inputs: NDArray[np.float32], targets: NDArray[Any], index: int, epoch: int
    ) -> tuple[NDArray[np.float32], Any]:
        """Return a changed recording ``float32 [samples]`` and its target.

        Args:
            inputs: All training recordings, ``float32 [items, samples]``.
            targets: Their targets.
            index: Which recording is changed.
            epoch: From 0.
        """
        import torch

        random = np.random.default_rng(int(torch.randint(2**31, ())))
        samples = np.asarray(inputs[index], np.float64)
        speed = float(np.exp(random.uniform(*np.log(SPEEDS)))) if "speed" in self.names else 1.0
        shift = random.uniform(-SHIFT, SHIFT) * len(samples) if "shift" in self.names else 0.0
        if speed != 1 or shift:
            places, middle = np.arange(len(samples)), len(samples) / 2
            samples = np.interp((places - middle - shift) * speed + middle, places, samples, 0, 0)
        if "filter" in self.names:
            samples = _filtered(samples, random)
        if "noise" in self.names and random.random() < NOISY:
            samples = samples + self._noise(samples, random)
        if "gain" in self.names:
            samples = samples * 10 ** (random.uniform(*GAINS) / 20)
        return samples.astype(np.float32), targets[index]

    def _noise(self, samples: NDArray[np.float64], random: np.random.Generator) -> NDArray[np.float64]:
        """Return noise of a random level below that of the sounds among samples."""
        count = len(samples)
        if len(self.background):
            start = random.integers(len(self.background))
            noise = np.take(self.background, np.arange(start, start + count), mode="wrap").astype(np.float64)
        else:
            spectrum = np.fft.rfft(random.normal(size=count))
            spectrum[1:] *= np.arange(1, len(spectrum)) ** (-random.uniform(*SLOPES) / 2)
            noise = np.fft.irfft(spectrum, count)
        sounding = samples[samples != 0]  # clips are filled up with silence
        level = np.sqrt(np.mean(sounding**2)) if len(sounding) else 0.0
        own = np.sqrt(np.mean(noise**2))
        share: float = level / own * 10 ** (-random.uniform(*SNRS) / 20) if own else 0.0
        return noise * share


def _filtered(samples: NDArray[np.float64], random: np.random.Generator) -> NDArray[np.float64]:
    """Return samples with some frequencies louder than others; the points lie closer at low frequencies."""
    spectrum = np.fft.rfft(samples)
    places = np.linspace(0, 1, len(spectrum)) ** 0.5
    points = random.uniform(-FILTER, FILTER, FILTER_POINTS)
    decibels = np.interp(places, np.linspace(0, 1, FILTER_POINTS), points)
    return np.fft.irfft(spectrum * 10 ** (decibels / 20), len(samples))


def check_audio(names: Sequence[str], background: str) -> None:
    """Refuse changes that recordings can't have, and a background that is not there.

    Raises:
        OptionError: If there is such a name, or no recording of background.
    """
    unfit = [name for name in names if name not in CHANGES]
    if unfit:
        raise OptionError(f"augment={unfit[0]} changes pictures; recordings have: {', '.join(CHANGES)}")
    if background and "noise" not in names:
        raise OptionError("background is for augment=noise: add noise to augment, or leave background out")
    _recordings(background)


def read_background(path: str, rate: int) -> NDArray[np.float32]:
    """Return the samples of a recording, or of all in a folder and below, one after the other.

    Args:
        path: The recording or the folder; empty for none.
        rate: Samples per second of the result, in Hz.

    Raises:
        OptionError: If there is no recording.
        InputError: If one can't be read.
    """
    blocks: list[NDArray[np.float32]] = [np.zeros(0, np.float32)]
    for file in _recordings(path):
        for block in read_mono(file, rate, Resampling()):
            blocks.append(block.astype(np.float32))
            if sum(map(len, blocks)) >= MAX_SECONDS * rate:
                return np.concatenate(blocks)
    return np.concatenate(blocks)


def _recordings(path: str) -> list[Path]:
    if not path:
        return []
    source = Path(path)
    recordings = (
        [source] if source.is_file() else [each for each in source.rglob("*") if each.suffix.lower() in RECORDINGS]
    )
    if not recordings:
        raise OptionError(f"background: {path} is no recording, and no folder with some ({', '.join(RECORDINGS)})")
    return sorted(recordings)
