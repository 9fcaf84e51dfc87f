"""Recordings in any encoding, opened as blocks of mono samples at one rate, so that long ones take no more memory."""

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from runtime.audio.resampling import Resampler, Resampling
from runtime.audio.wav import BLOCK, WavReader, check_channels
from runtime.errors import InputError, MissingExtraError, one_line
from runtime.frozen_dataclass import frozen_dataclass
from runtime.regular_files import open_regular

if TYPE_CHECKING:
    from numpy.typing import NDArray

ENCODED = {"FLAC": (b"fLaC",), "Ogg": (b"OggS",), "MP3": (b"ID3", b"\xff\xfb", b"\xff\xf3", b"\xff\xf2", b"\xff\xfa")}
"""Encodings that libsndfile may decode, and the bytes that such a file starts with."""
RECORDINGS = (".wav", ".flac", ".ogg", ".oga", ".mp3")
"""What files of recordings end in."""
MIN_RATE, MAX_RATE = 1_000, 768_000
MAX_LEVEL = 16.0
"""Samples of floats beyond are of another scale than -1 to 1."""


@frozen_dataclass
class Waveform:
    """Samples with their rate, where that is not the model's.

    Args:
        samples: ``[n]`` or ``[n, channels]``, floats of -1 to 1, or integers, which their type brings to that range.
        rate: In Hz.
    """

    samples: NDArray[Any]
    rate: int


@frozen_dataclass
class Recording:
    """An open recording.

    Args:
        name: What to call it in messages.
        rate: Samples per second, in Hz.
        frames: How many samples each channel has, where its header says so.
        blocks: The samples ``float64 [n, channels]``, of -1 to 1, block by block.
    """

    name: str
    rate: int
    frames: int | None
    blocks: Iterator[NDArray[np.float64]]

    def __post_init__(self) -> None:
        """Check the rate."""
        if not MIN_RATE <= self.rate <= MAX_RATE:
            raise InputError(f"{self.name}: {self.rate} samples per second; wanted {MIN_RATE} to {MAX_RATE}")

    @property
    def seconds(self) -> float | None:
        """How long it is, where its header says so."""
        return None if self.frames is None else self.frames / self.rate


@contextmanager
def open_recording(source: Any) -> Iterator[Recording]:
    """Open a recording, of which the header alone is read.

    Args:
        source: The path of a WAV, FLAC, Ogg or MP3 file, its bytes, a binary file object, or a `Waveform`.

    Raises:
        InputError: If it can't be used; names it.
        MissingExtraError: If it is neither a `Waveform` nor WAV, and soundfile is not installed.
    """
    if isinstance(source, Waveform):
        yield Recording("the samples", source.rate, len(source.samples), pieces(source.samples))
        return
    name = os.fspath(source) if isinstance(source, str | os.PathLike) else "the recording"
    with ExitStack() as stack:
        file = _file(source, name)
        if file is not source:
            stack.enter_context(file)
        yield _opened(file, name, stack)


def read_mono(source: Any, rate: int, resampling: Resampling) -> Iterator[NDArray[np.float64]]:
    """Yield a recording's samples at a rate, channels averaged, in blocks ``float64 [n]``; see `open_recording`."""
    with open_recording(source) as recording:
        yield from mixed(recording.blocks, Resampler(recording.rate, rate, resampling), recording.name)


def mixed(blocks: Iterable[NDArray[np.float64]], resampler: Resampler, name: str) -> Iterator[NDArray[np.float64]]:
    """Yield blocks ``float64 [n, channels]`` as mono samples at another rate, ``float64 [n]``; see `read_mono`."""
    for block in blocks:
        check_channels(block.shape[1], name)
        if not np.isfinite(block).all():
            raise InputError(f"{name}: holds samples that are not finite")
        if np.abs(block).max(initial=0) > MAX_LEVEL:
            raise InputError(
                f"{name}: holds samples of {np.abs(block).max():.6g}; full scale is 1: divide them by theirs"
            )
        yield resampler.push(block.mean(1) if block.shape[1] > 1 else block[:, 0])
    yield resampler.flush()


def _file(source: Any, name: str) -> BinaryIO:
    if isinstance(source, bytes | bytearray | memoryview):
        return io.BytesIO(source)
    if hasattr(source, "read"):
        return io.BytesIO(source.read()) if not getattr(source, "seekable", bool)() else source
    if not isinstance(source, str | os.PathLike):
        raise InputError(
            f"expected the path of a recording, its bytes, an array or a Waveform, got {type(source).__name__}"
        )
    try:
        return open_regular(source)
    except (OSError, ValueError) as problem:
        raise InputError(f"{name}: can't be read ({one_line(problem)})") from None


def _opened(file: BinaryIO, name: str, stack: ExitStack) -> Recording:
    start = file.read(12)
    file.seek(-len(start), os.SEEK_CUR)
    if not start:
        raise InputError(f"{name}: is empty")
    if start[:4] == b"RIFF":
        reader = WavReader(file, name)
        return Recording(name, reader.rate, reader.frames, reader.blocks())
    encoding = next((known for known, marks in ENCODED.items() if start.startswith(marks)), None)
    if encoding is None:
        raise InputError(f"{name}: is no recording that can be read: wanted WAV, FLAC, Ogg or MP3")
    try:
        import soundfile
    except (ImportError, OSError):  # an OSError where libsndfile is missing
        raise MissingExtraError(f"soundfile, which reads {encoding} files,", "audio") from None
    try:
        opened = stack.enter_context(soundfile.SoundFile(file))
    except (soundfile.SoundFileError, ValueError, TypeError) as problem:
        raise InputError(f"{name}: can't be decoded ({one_line(problem)})") from None
    check_channels(opened.channels, name)
    return Recording(name, opened.samplerate, opened.frames, _decoded(opened, name))


def _decoded(opened: Any, name: str) -> Iterator[NDArray[np.float64]]:
    import soundfile

    while True:
        try:
            block = opened.read(BLOCK, dtype="float64", always_2d=True)
        except (soundfile.SoundFileError, ValueError) as problem:
            raise InputError(f"{name}: can't be decoded ({one_line(problem)})") from None
        if not len(block):
            return
        yield block


def pieces(array: Any) -> Iterator[NDArray[np.float64]]:
    """Yield samples ``[n]`` or ``[n, channels]`` in blocks ``float64 [n, channels]``; integers as -1 to 1.

    Raises:
        InputError: If they have another shape, or are no numbers.
    """
    samples = np.asarray(array)
    if samples.dtype.kind not in "fiu" or samples.ndim not in (1, 2):
        raise InputError(f"expected samples [n] or [n, channels], got {samples.dtype} {list(samples.shape)}")
    samples = samples[:, None] if samples.ndim == 1 else samples
    for at in range(0, len(samples), BLOCK):
        block = samples[at : at + BLOCK].astype(np.float64)
        if samples.dtype.kind in "iu":
            half = 2.0 ** (8 * samples.dtype.itemsize - 1)
            block = (block - half if samples.dtype.kind == "u" else block) / half
        yield block
