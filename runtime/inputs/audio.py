"""Audio: any recording, as mono samples at one rate, cut or filled up to one length."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from runtime.audio.decoding import MAX_RATE, MIN_RATE, Waveform, read_mono
from runtime.audio.resampling import Resampling
from runtime.audio.wav import encode_wav
from runtime.errors import InputError
from runtime.frozen_dataclass import frozen_dataclass
from runtime.regular_files import read_input
from runtime.schema import check_types
from runtime.tensor_spec import OneTensor

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_BYTES = 256 * 2**20
MAX_SAMPLES = 2**24
"""Samples that a clip, or a recording that is cut to one, may have at the model's rate."""


@frozen_dataclass
class AudioInput(OneTensor):
    """A clip of audio: ``float32 [batch, samples]``, mono, full scale -1 to 1.

    Args:
        kind: Always ``audio``.
        name: The graph's input name.
        rate: Samples per second, in Hz.
        samples: How many samples a clip has. Of a longer recording the middle is taken; a shorter one is filled up with
            silence on both sides.
        resampling: How recordings of other rates are brought to `rate`.
        hop: How many samples a step of a streaming network takes; 0 where the network takes whole clips alone.
    """

    kind: Literal["audio"]
    name: str
    rate: int
    samples: int
    resampling: Resampling = Resampling()
    hop: int = 0

    AXES: ClassVar[tuple[str, ...]] = ("sample",)
    SINCE: ClassVar[int] = 3

    def __post_init__(self) -> None:
        """Check the types and ranges."""
        check_types(self)
        if not MIN_RATE <= self.rate <= MAX_RATE or not 1 <= self.samples <= MAX_SAMPLES:
            raise ValueError(
                f"audio needs a rate of {MIN_RATE} to {MAX_RATE} Hz and 1 to {MAX_SAMPLES} samples, "
                f"got {self.rate} and {self.samples}"
            )
        if self.hop and (self.hop < 0 or self.samples % self.hop):
            raise ValueError(f"hop must divide the {self.samples} samples of a clip, got {self.hop}")

    @property
    def shape(self) -> tuple[int]:
        """The number of samples."""
        return (self.samples,)

    @property
    def step_length(self) -> int:  # type: ignore[override]
        """The samples of a step."""
        return self.hop

    def read(self, source: Any) -> NDArray[np.float32]:
        """Return one clip.

        Args:
            source: The path of a WAV file, its bytes or a binary file object; FLAC, Ogg and MP3 where soundfile is
                installed; an array ``[n]`` of samples at the model's rate, floats of -1 to 1 or integers of full scale;
                or a `Waveform` of another rate, or of several channels.

        Returns:
            ``float32 [samples]``.

        Raises:
            InputError: If it can't be used; names it.
            MissingExtraError: If its encoding needs soundfile, which is not installed.
        """
        if isinstance(source, np.ndarray):
            if source.ndim != 1:
                raise InputError(f"expected samples [n], got {source.dtype} {list(source.shape)}")
            source = Waveform(source, self.rate)
        blocks, length = [], 0
        for block in read_mono(source, self.rate, self.resampling):
            blocks.append(block)
            length += len(block)
            if length > MAX_SAMPLES:
                seconds = MAX_SAMPLES // self.rate
                raise InputError(f"{_name(source)}: is longer than {seconds} s: cut it, or listen to it as a stream")
        if not length:
            raise InputError(f"{_name(source)}: has no samples")
        return self.fit(np.concatenate(blocks).astype(np.float32))

    def fit(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the middle of samples ``float32 [n]``, or the samples between silence, ``float32 [samples]``."""
        spare = self.samples - len(samples)
        if spare < 0:
            return samples[-spare // 2 :][: self.samples]
        return np.pad(samples, (spare // 2, spare - spare // 2))

    def several(self, inputs: Any) -> Iterable[Any] | None:
        """Return the recordings of a list or of an array ``[recordings, n]``, or None for a single one."""
        if isinstance(inputs, np.ndarray):
            return inputs if inputs.ndim == 2 else None
        return inputs if isinstance(inputs, list | tuple) else None

    def encode(self, sample: Any) -> bytes:
        """Return a recording as the bytes of its file, or of a WAV file that holds the clip."""
        if isinstance(sample, bytes):
            return sample
        if isinstance(sample, str | os.PathLike):
            return read_input(sample, MAX_BYTES)
        return encode_wav(self.read(sample), self.rate)

    def edge_cases(self) -> NDArray[np.float32]:
        """Return silence, a square wave of full scale, noise, and a click, ``float32 [4, samples]``."""
        times = np.arange(self.samples)
        square = np.where(times // max(1, self.rate // 440) % 2, 1, -1)
        noise = np.random.default_rng(0).uniform(-1, 1, self.samples)
        click = times == self.samples // 2
        return np.stack([np.zeros(self.samples), square, noise, click]).astype(np.float32)

    def scaling(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return 0 and 1: samples are scaled already."""
        return np.zeros(1), np.ones(1)


def _name(source: Any) -> str:
    return os.fspath(source) if isinstance(source, str | os.PathLike) else "the recording"
