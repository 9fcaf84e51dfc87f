"""Options that the recipes of audio share, for features and clips, and how such networks are trained."""

from __future__ import annotations

from dataclasses import dataclass

from zoo.recipes import Training
from zoo.recipes._features import Bands, Features, Framing

TRAINING = Training(
    batch_size=16, epochs=40, lr=5e-3, label_smoothing=0.05, outliers=0.3,
    augment=("speed", "shift", "filter", "gain", "noise"), patience=1000,
)  # fmt: skip
"""All epochs are trained: while the learning rate is high, some epoch is the best for words by chance, and its network
takes noise for words (docs/log.md)."""


@dataclass(frozen=True)
class AudioOptions:
    """The features of frames, the length of clips, and what training hides."""

    features: Features = "mfcc"
    """What the network takes of a frame: log-mel, the logarithms of the energies of mel bands; mfcc, a few coefficients
    of them; or pcen, energies relative to the band's own past, of whole clips alone."""
    window: float = 0.03
    """Seconds of a frame; at most two hops where the network takes a hop at a time."""
    hop: float = 0.02
    """Seconds from the start of one frame to that of the next."""
    bands: int = 40
    """Mel bands."""
    low: float = 20.0
    """Where the first band begins, in Hz."""
    high: float = 0.0
    """Where the last band ends, in Hz; 0 is half the rate."""
    coefficients: int = 10
    """Coefficients of a frame where features is mfcc."""
    dropout: float = 0.2
    """Share of channels dropped before the last layer in training."""
    mask: float = 0.1
    """The most frames, or features, that training hides at once, as a share of all (SpecAugment); 0 hides none."""
    rate: int = 0
    """Samples per second that the network takes; 0 keeps the data's own."""
    seconds: float = 0.0
    """Length of a training clip; 0 keeps the data's own."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        if min(self.bands, self.coefficients) < 1 or not 0 <= self.dropout < 1 or not 0 <= self.mask < 1:
            raise ValueError(f"numbers must be above 0, dropout and mask at least 0 and below 1, got {self}")
        if not 0.001 <= self.hop <= self.window <= 1:
            raise ValueError(f"hop and window must be 0.001 to 1 s, hop no longer than window, got {self}")

    def framing(self, rate: int) -> Framing:
        """Return how samples at a rate in Hz are cut into frames."""
        return Framing(rate, self.window, self.hop)

    @property
    def mel_bands(self) -> Bands:
        """The mel bands."""
        return Bands(self.bands, self.low, self.high)
