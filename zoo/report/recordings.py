"""Recordings in pictures: a spectrogram over a waveform."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

RECORDING_RATIO = 0.6
"""The height of a recording to its width."""
RANGE = 70.0
"""Decibels that a spectrogram tells apart, down from its loudest."""
FAINTEST = -40.0
"""The loudest of a spectrogram is taken for as loud as this at least, in decibels of full scale: silence stays dark."""
BORDER = 0.3
"""The height of the border between waveform and spectrogram, of 1."""
STRETCHES = 300
"""The most parts of a recording that are drawn side by side; of a waveform, from the lowest to the highest sample."""


def draw_recording(axes: Axes, samples: NDArray[Any], color: str) -> None:
    """Draw a recording: time to the right, the frequencies of the spectrogram upwards to half of the rate.

    Args:
        axes: Where to draw; their limits become 0 to 1.
        samples: ``float [samples]``, full scale -1 to 1.
        color: Of the waveform, which is drawn as high as there is room for, but for silence.
    """
    length = 2 ** int(np.clip(round(np.log2(len(samples) / 32)), 4, 12))
    step = max(length // 4, len(samples) // STRETCHES)
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(samples, length // 2), length)[::step]
    decibels = 20 * np.log10(np.abs(np.fft.rfft(windows * np.hanning(length))).T / (length / 4) + 1e-9)
    loudest = max(float(decibels.max()), FAINTEST)
    axes.imshow(
        decibels,
        cmap="magma",
        aspect="auto",
        origin="lower",
        extent=(0, 1, BORDER, 1),
        vmin=loudest - RANGE,
        vmax=loudest,
    )
    stretches = np.array_split(samples, min(len(samples), STRETCHES))
    lows, highs = (np.array([extreme(stretch) for stretch in stretches]) for extreme in (np.min, np.max))
    scale = 0.45 * BORDER / max(0.02, float(np.abs(samples).max()))
    times = np.linspace(0, 1, len(stretches))
    axes.fill_between(times, BORDER / 2 + scale * lows, BORDER / 2 + scale * highs, color=color, lw=0.8)
    axes.set(xlim=(0, 1), ylim=(0, 1))
