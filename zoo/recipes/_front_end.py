"""Audio features inside a network: from samples to log-mel energies, MFCC or PCEN, frame by frame."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from export import FullPrecision
from zoo.recipes._dft import PowerSpectrum, constant
from zoo.recipes._features import Bands, Features, Framing, mel_weights

FLOOR = 1e-8
"""The energy that counts as 1, relative to a sine of full scale: 80 dB below it. Beside such a sine rounding in float32
makes bands differ between engines from 90 dB below on."""
TIME_CONSTANT = 0.4
"""Seconds over which PCEN takes the mean of a band's energy; this and the next three are librosa's defaults."""
GAIN, BIAS, POWER = 0.98, 2.0, 0.5
SOFTEST = 10.0
"""Added to the mean energy that PCEN divides by, so that bands of nothing but rounding stay small."""


class MelEnergies(nn.Module):
    """The energies of mel bands in each frame, in units of `FLOOR`.

    Frames are weighted with a periodic Hann window.

    Args:
        framing: How samples are cut into frames.
        bands: The bands.

    Raises:
        ValueError: If the bands don't fit.
    """

    window: Tensor
    mel: Tensor

    def __init__(self, framing: Framing, bands: Bands) -> None:
        super().__init__()
        self.framing, width = framing, framing.window_samples
        self.spectrum = PowerSpectrum(width, framing.points)
        window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(width) / width)
        window *= 2 / window.sum() / np.sqrt(FLOOR)
        mel = np.zeros((bands.count, len(self.spectrum.bins)))
        mel[:, np.unique(self.spectrum.bins, return_index=True)[1]] = mel_weights(framing, bands)
        constant(self, "window", np.pad(window, (0, self.spectrum.length - width)))
        constant(self, "mel", mel)

    def forward(self, samples: Tensor) -> Tensor:
        """Return ``[batch, frames, bands]`` for ``[batch, samples]``."""
        energies: Tensor = F.linear(self.spectrum(self._framed(samples) * self.window), self.mel)
        return energies

    def _framed(self, samples: Tensor) -> Tensor:
        """Return ``[batch, frames, length]``: each frame is a hop of samples, and those of the hops after it."""
        frames, hop, length = self.framing.frames(samples.shape[1]), self.framing.hop_samples, self.spectrum.length
        hops = -(-length // hop)
        needed = (frames + hops - 1) * hop
        lacking = needed - samples.shape[1]
        whole = F.pad(samples, (0, lacking)) if lacking > 0 else samples[:, :needed]
        cut = whole.reshape(-1, frames + hops - 1, hop)
        return torch.cat([cut[:, i : i + frames, : min(hop, length - i * hop)] for i in range(hops)], dim=2)


class Log(nn.Module):
    """The natural logarithm of 1 plus an energy, which is 0 in silence."""

    def forward(self, energies: Tensor) -> Tensor:
        """Return values of the same shape."""
        return torch.log(energies + 1)


class CosineTransform(nn.Module):
    """The first coefficients of the orthonormal cosine transform (DCT-II) of each frame's bands: MFCC.

    Args:
        bands: Before.
        coefficients: After.

    Raises:
        ValueError: If there are more coefficients than bands.
    """

    weights: Tensor

    def __init__(self, bands: int, coefficients: int) -> None:
        super().__init__()
        if not 1 <= coefficients <= bands:
            raise ValueError(f"there are 1 to {bands} coefficients of {bands} bands, got {coefficients}")
        rows = np.arange(coefficients)[:, None]
        weights = np.sqrt(2 / bands) * np.cos(np.pi / bands * rows * (np.arange(bands) + 0.5))
        weights[0] /= np.sqrt(2)
        constant(self, "weights", weights)

    def forward(self, bands: Tensor) -> Tensor:
        """Return ``[batch, frames, coefficients]`` for ``[batch, frames, bands]``."""
        coefficients: Tensor = F.linear(bands, self.weights)
        return coefficients


class Pcen(nn.Module):
    """Per-channel energy normalization (Wang et al., 2017): each band relative to its own mean over the past.

    The mean is a filter of the first order that starts at the first frame's energy. Over the frames of a clip it is a
    product with a triangular matrix.

    Args:
        frames: Of a clip.
        framing: Decides how many frames are in `TIME_CONSTANT`.
    """

    smoothing: Tensor

    def __init__(self, frames: int, framing: Framing) -> None:
        super().__init__()
        span = TIME_CONSTANT * framing.rate / framing.hop_samples
        share = (np.sqrt(1 + 4 * span**2) - 1) / (2 * span**2)
        ages = np.arange(frames)[:, None] - np.arange(frames)
        weights = np.where(ages < 0, 0, share * (1 - share) ** np.maximum(ages, 0))
        weights[:, 0] = (1 - share) ** np.arange(frames)
        constant(self, "smoothing", weights)

    def forward(self, energies: Tensor) -> Tensor:
        """Return values of the same shape, ``[batch, frames, bands]``."""
        mean = F.linear(energies.transpose(1, 2), self.smoothing).transpose(1, 2)
        relative = energies * torch.exp(-GAIN * torch.log(mean + SOFTEST))
        changed: Tensor = torch.sqrt(relative + BIAS) - BIAS**POWER  # the power is a half
        return changed


class BandNorm(nn.BatchNorm1d):
    """Each band with a mean of 0 and a deviation of 1 over all frames, without weights of its own."""

    def __init__(self, bands: int) -> None:
        super().__init__(bands, affine=False)

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002  # PyTorch's name
        """Return values of the same shape, ``[batch, frames, bands]``."""
        return super().forward(input.reshape(-1, input.shape[2])).reshape(-1, *input.shape[1:])


class Mask(nn.Module):
    """Bands and frames hidden in training, twice in each clip (SpecAugment; Park et al., 2019).

    Args:
        share: The most bands or frames that are hidden at once, as a share of all.
    """

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def forward(self, bands: Tensor) -> Tensor:
        """Return values of the same shape, ``[batch, frames, bands]``, with zeros where something is hidden."""
        if not self.training:
            return bands
        for axis, size in (*enumerate(bands.shape[1:], 1),) * 2:
            width = torch.rand(len(bands), 1, device=bands.device) * self.share * size
            start = torch.rand(len(bands), 1, device=bands.device) * (size - width)
            places = torch.arange(size, device=bands.device)
            hidden = (places >= start) & (places < start + width)
            bands = bands.masked_fill(hidden.unsqueeze(3 - axis), 0)
        return bands


class FrontEnd(FullPrecision, nn.Sequential):
    """Features ``[batch, frames, features]`` of samples ``[batch, samples]``, in fp32 in files of every precision."""


def front_end(samples: int, framing: Framing, bands: Bands, features: Features, coefficients: int = 10) -> FrontEnd:
    """Return the features of clips, of which each has a mean of 0 and a deviation of 1 over what was trained on.

    Args:
        samples: Of a clip.
        framing: How it is cut into frames.
        bands: The mel bands.
        features: What becomes of their energies.
        coefficients: Of MFCC.

    Raises:
        ValueError: If the clip has no whole frame, or bands or coefficients don't fit.
    """
    frames = framing.frames(samples)
    after: dict[Features, Callable[[], list[nn.Module]]] = {
        "log-mel": lambda: [Log()],
        "mfcc": lambda: [Log(), CosineTransform(bands.count, coefficients)],
        "pcen": lambda: [Pcen(frames, framing)],
    }
    norm = BandNorm(coefficients if features == "mfcc" else bands.count)
    return FrontEnd(MelEnergies(framing, bands), *after[features](), norm)
