"""Recordings of noise, as WAV files."""

from __future__ import annotations

import os
import wave
import zlib
from pathlib import Path

import numpy as np

RATE = 8_000


def write(file: Path, seconds=0.5, rate=RATE, seed=None, channels=1):
    """Write noise that no other file has."""
    file.parent.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(zlib.crc32(os.fsencode(file)) if seed is None else seed)
    samples = random.integers(-9_000, 9_000, (round(seconds * rate), channels)).astype("<i2")
    with wave.open(str(file), "wb") as opened:
        opened.setnchannels(channels)
        opened.setsampwidth(2)
        opened.setframerate(rate)
        opened.writeframes(samples.tobytes())
    return file


def fill(root: Path, *names: str) -> Path:
    for name in names:
        write(root / name)
    return root
