"""A second each of tones, sweeps, clicks, noise and silence, to hear apart: made on the fly; no path, no network."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from runtime.errors import DataError
from zoo.data import Audio, Classes, Dataset, Split

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

RATE = 16_000
SAMPLES = RATE
COUNTS = {"train": 60, "validation": 20}
"""The recordings of each label in a split."""
LOUDEST, FAINTEST = 0.7, 0.05
"""The highest amplitude of a sound, of a full scale of 1."""
GROUND = (1e-4, 4e-3)
"""The deviation of the noise that every recording has, silence too."""
LOWEST, HIGHEST = 120.0, 4_000.0
"""Frequencies in Hz; below half of 8,000 Hz, so that every sound is left where a network takes so few samples."""
STEPS = 2**15
"""Amplitudes are multiples of 1/STEPS, so that the sines of different machines give the same samples."""


def load(path: Path | None, seed: int) -> Dataset:
    """Return recordings ``float32 [16000]`` at 16 kHz; the same for a seed on every machine.

    Raises:
        DataError: If a path is given.
    """
    if path is not None:
        raise DataError("tones takes no path: its sounds are made on the fly; for your own recordings write audio:PATH")
    return Dataset(
        name="tones",
        content=Audio(RATE, SAMPLES / RATE, ("silence",)),
        target=Classes(tuple(SOUNDS)),
        splits={name: _split(stream, count, seed) for stream, (name, count) in enumerate(COUNTS.items())},
        source="made by edgezoo: tones, sweeps, clicks and noise",
        licence="Apache-2.0",
    )


def _split(stream: int, count: int, seed: int) -> Split:
    items = [
        _recording(sound, np.random.default_rng([stream, seed, label, index]))
        for label, sound in enumerate(SOUNDS.values())
        for index in range(count)
    ]
    return Split(items, np.repeat(np.arange(len(SOUNDS)), count))


def _recording(sound: Callable[[np.random.Generator], NDArray[np.float64]], random: np.random.Generator) -> object:
    """Return a sound at a random level over quiet noise, ``float32 [16000]``."""
    level, ground = _between(random, FAINTEST, LOUDEST), _between(random, *GROUND)
    samples = level * sound(random) + ground * random.standard_normal(SAMPLES)
    return (np.round(np.clip(samples, -1, 1 - 1 / STEPS) * STEPS) / STEPS).astype(np.float32)


def _tone(random: np.random.Generator) -> NDArray[np.float64]:
    """Return a steady tone with an overtone."""
    phase = 2 * np.pi * _between(random, LOWEST, HIGHEST / 2) * np.arange(SAMPLES) / RATE
    share = random.uniform(0, 0.5)
    return _envelope(random) * ((1 - share) * np.sin(phase) + share * np.sin(2 * phase))


def _sweep(random: np.random.Generator) -> NDArray[np.float64]:
    """Return a tone that rises or falls by an octave or more."""
    low = _between(random, LOWEST, HIGHEST / 4)
    frequencies = np.geomspace(low, _between(random, 2 * low, HIGHEST), SAMPLES)
    if random.integers(2):
        frequencies = frequencies[::-1]
    return _envelope(random) * np.sin(2 * np.pi * np.cumsum(frequencies) / RATE)


def _clicks(random: np.random.Generator) -> NDArray[np.float64]:
    """Return 3 to 10 clicks of a few milliseconds."""
    decay = np.exp(-np.arange(SAMPLES // 20) / (RATE * _between(random, 5e-4, 4e-3)))
    samples = np.zeros(SAMPLES)
    for start in random.integers(0, SAMPLES - len(decay), random.integers(3, 11)):
        samples[start : start + len(decay)] += random.choice((-1, 1)) * decay
    return np.asarray(samples / np.abs(samples).max())


def _noise(random: np.random.Generator) -> NDArray[np.float64]:
    """Return noise, white or duller."""
    kernel = np.ones(random.integers(1, 5))
    samples = np.convolve(random.standard_normal(SAMPLES), kernel / np.sqrt(len(kernel)), "same")
    return _envelope(random) * samples / 4


def _silence(random: np.random.Generator) -> NDArray[np.float64]:
    """Return nothing."""
    return np.zeros(SAMPLES)


def _envelope(random: np.random.Generator) -> NDArray[np.float64]:
    """Return the loudness over time of a sound of 0.4 to 1 s that starts and ends smoothly, 0 to 1."""
    length = int(SAMPLES * random.uniform(0.4, 1))
    start = random.integers(0, SAMPLES - length + 1)
    edges = np.minimum(np.arange(length), np.arange(length)[::-1]) / (0.02 * RATE)
    envelope = np.zeros(SAMPLES)
    envelope[start : start + length] = np.minimum(edges, 1)
    return envelope


def _between(random: np.random.Generator, low: float, high: float) -> float:
    """Return a number whose logarithm is evenly distributed."""
    return float(np.exp(random.uniform(np.log(low), np.log(high))))


SOUNDS = {"tone": _tone, "sweep": _sweep, "clicks": _clicks, "noise": _noise, "silence": _silence}
"""What makes the sound of each label."""
