"""WAV files, read block by block: integers of 8 to 32 bits and floats, of any number of channels.

The format is that of RIFF (Microsoft and IBM, 1991) with WAVE_FORMAT_EXTENSIBLE.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from runtime.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

PCM, FLOAT, EXTENSIBLE = 1, 3, 0xFFFE
BITS = {PCM: (8, 16, 24, 32), FLOAT: (32, 64)}
OPEN_END = 0xFFFFFFF0
"""A size from here on, or of 0, says that the writer could not go back to write it: the data goes to the end."""
MAX_CHUNKS = 1000
MAX_CHANNELS = 64
BLOCK = 2**14
"""Frames that are read at a time."""


class WavReader:
    """An open WAV file.

    Args:
        file: The file at its start.
        name: What to call it in messages.

    Attributes:
        rate: Frames per second, in Hz.
        channels: Samples of a frame.

    Raises:
        InputError: If it is damaged, or an encoding that is none of the above.
    """

    def __init__(self, file: BinaryIO, name: str) -> None:
        self.file, self.name = file, name
        header = self._read(12)
        if header[:4] != b"RIFF" or header[8:] != b"WAVE":
            raise InputError(f"{name}: not a WAV file")
        described = False
        for _ in range(MAX_CHUNKS):
            kind, size = struct.unpack("<4sI", self._read(8))
            if kind == b"data":
                break
            if kind == b"fmt ":
                self._describe(self._read(min(size, 40)))
                described = True
                size -= min(size, 40)
            self._skip(size + size % 2)
        else:
            raise InputError(f"{name}: damaged: no audio among its first {MAX_CHUNKS} chunks")
        if not described:
            raise InputError(f"{name}: damaged: its format is not stated before its audio")
        self.size = None if size == 0 or size >= OPEN_END else size

    def _describe(self, fields: bytes) -> None:
        if len(fields) < 16:
            raise InputError(f"{self.name}: damaged: its format takes {len(fields)} bytes, not 16 or more")
        code, self.channels, self.rate, _, self.frame_bytes, bits = struct.unpack("<HHIIHH", fields[:16])
        if code == EXTENSIBLE and len(fields) == 40:
            code = int.from_bytes(fields[24:26], "little")
        if bits not in BITS.get(code, ()):
            raise InputError(
                f"{self.name}: a WAV file of encoding {code} with {bits} bits; wanted PCM of 8, 16, 24 or 32 bits or "
                "floats of 32 or 64: convert it"
            )
        if not self.channels or self.frame_bytes != self.channels * bits // 8:
            raise InputError(
                f"{self.name}: damaged: a frame of {self.channels} channels of {bits} bits in {self.frame_bytes} bytes"
            )
        check_channels(self.channels, self.name)
        self.code, self.bits = code, bits

    @property
    def frames(self) -> int | None:
        """How many frames its header says that it has; None where the writer could not tell."""
        return None if self.size is None else self.size // self.frame_bytes

    def blocks(self) -> Iterator[NDArray[np.float64]]:
        """Yield the samples block by block, ``float64 [frames, channels]``; integers as -1 to 1.

        Raises:
            InputError: If the file ends before its audio does.
        """
        left = self.size
        while left is None or left >= self.frame_bytes:
            wanted = BLOCK if left is None else min(BLOCK, left // self.frame_bytes)
            data = self.file.read(wanted * self.frame_bytes)
            frames = len(data) // self.frame_bytes
            if left is not None:
                if len(data) < wanted * self.frame_bytes:
                    raise InputError(f"{self.name}: truncated: {left - len(data)} bytes of its audio are missing")
                left -= len(data)
            if not frames:
                return
            yield self._values(data[: frames * self.frame_bytes]).reshape(frames, self.channels)

    def _values(self, data: bytes) -> NDArray[np.float64]:
        if self.code == FLOAT:
            return np.frombuffer(data, f"<f{self.bits // 8}").astype(np.float64)
        if self.bits == 8:
            return (np.frombuffer(data, np.uint8) - 128.0) / 128
        if self.bits == 24:  # as the upper bytes of 32 bits
            wide = np.zeros((len(data) // 3, 4), np.uint8)
            wide[:, 1:] = np.frombuffer(data, np.uint8).reshape(-1, 3)
            return np.asarray(wide.view("<i4")[:, 0] / 2.0**31)
        return np.asarray(np.frombuffer(data, f"<i{self.bits // 8}") / 2.0 ** (self.bits - 1))

    def _read(self, count: int) -> bytes:
        data = self.file.read(count)
        if len(data) < count:
            raise InputError(f"{self.name}: {'truncated' if data else 'empty or truncated'}: not a whole WAV file")
        return data

    def _skip(self, count: int) -> None:
        while count:
            data = self.file.read(min(count, 2**20))
            if not data:
                raise InputError(f"{self.name}: truncated: it ends before its audio")
            count -= len(data)


def check_channels(channels: int, name: str) -> None:
    """Check, before samples are read, that a recording has no more than `MAX_CHANNELS`.

    Raises:
        InputError: If it has more.
    """
    if channels > MAX_CHANNELS:
        raise InputError(f"{name}: has {channels} channels; at most {MAX_CHANNELS} can be read")


def encode_wav(samples: NDArray[np.float32], rate: int) -> bytes:
    """Return samples ``float32 [n]`` as a WAV file of 32-bit floats, which holds them exactly."""
    data = np.ascontiguousarray(samples, "<f4").tobytes()
    fields = struct.pack("<HHIIHH", FLOAT, 1, rate, 4 * rate, 4, 32)
    head = struct.pack("<4s4sI", b"WAVE", b"fmt ", len(fields)) + fields + struct.pack("<4sI", b"data", len(data))
    return struct.pack("<4sI", b"RIFF", len(head) + len(data)) + head + data
