"""A network that tells low tones from high ones and from silence, and sounds for it."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import soundfile

if TYPE_CHECKING:
    from numpy.typing import NDArray

RATE = 8_000
LENGTH = 4_000
HOP = 400
LABELS = ("low", "high", "silence")
PITCHES = {"low": 300, "high": 2_000}


def tone(label: str, seconds: float, rate: int = RATE) -> NDArray[np.float64]:
    """Return a tone that swells and fades, or silence."""
    times = np.arange(round(seconds * rate)) / rate
    swell = np.minimum(1, 20 * np.minimum(times, seconds - times))
    return 0.5 * swell * np.sin(2 * np.pi * PITCHES.get(label, 0) * times)


def sounds(*words: tuple[str, float], rate: int = RATE) -> NDArray[np.float64]:
    """Return words of a length in seconds, one after the other."""
    return np.concatenate([tone(label, seconds, rate) for label, seconds in words])


def encoded(samples: NDArray[np.float64], rate: int = RATE, file_format: str = "WAV", subtype: str = "PCM_16") -> bytes:
    """Return a sound file."""
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format=file_format, subtype=subtype)
    return file.getvalue()


def export_streaming_ears(out: Path) -> None:
    """Write a bundle that hears the same hop by hop, as ONNX and TFLite, each with its step graph."""
    import torch
    from torch import nn

    import export
    from runtime.audio.listening import Listening

    class Ears(nn.Module):
        state: ClassVar = {"power": (1,), "change": (1,)}

        def step(
            self, sample: torch.Tensor, power: torch.Tensor, change: torch.Tensor
        ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
            power = 0.7 * power + sample.square().mean(1, keepdim=True)
            change = 0.7 * change + (sample[:, 1:] - sample[:, :-1]).square().mean(1, keepdim=True)
            return 20 * torch.cat([power - change, change - power, 0 * power + 0.1], 1), power, change

        def forward(self, audio: torch.Tensor) -> torch.Tensor:
            power = change = 0 * audio[:, :1]
            for hop in audio.unflatten(1, (-1, HOP)).unbind(1):
                logits, power, change = self.step(hop, power, change)
            return logits

    spec = export.ModelSpec(
        "streaming ears",
        export.AudioInput("audio", "audio", RATE, LENGTH, hop=HOP),
        export.Classification("classification", "logits", LABELS),
        Listening(step=HOP, delay=HOP, smoothing=2, threshold=0.6, refractory=0.3, ignored=("silence",)),
    )
    export.export(Ears(), spec, [tone(label, 0.5).astype(np.float32) for label in LABELS], out=out)


def export_ears(out: Path) -> None:
    """Write the bundle, with a golden pack of WAV files of several rates, as ONNX and TFLite."""
    import torch
    from torch import nn

    import export
    from runtime.audio.listening import Listening

    class Ears(nn.Module):
        def forward(self, audio: torch.Tensor) -> torch.Tensor:
            power = (audio * audio).mean(1)
            change = (audio[:, 1:] - audio[:, :-1]).square().mean(1)
            return 60 * torch.stack([power - change, change - power, 0 * power + 0.02], 1)

    spec = export.ModelSpec(
        "ears",
        export.AudioInput("audio", "audio", RATE, LENGTH),
        export.Classification("classification", "logits", LABELS),
        Listening(step=400, delay=LENGTH // 2, smoothing=2, threshold=0.6, refractory=0.3, ignored=("silence",)),
    )
    samples = [
        encoded(tone("low", 0.4)),
        encoded(tone("high", 0.8, 44_100), 44_100),
        encoded(tone("high", 0.5, 16_000), 16_000, subtype="PCM_24"),
        *(tone(label, 0.5).astype(np.float32) for label in LABELS),
    ]
    export.export(Ears(), spec, samples, out=out)
