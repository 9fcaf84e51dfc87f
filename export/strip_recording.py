"""Recordings without what says more than the network hears: titles, places, notes of the recorder, what came before."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import numpy as np

from runtime.audio.decoding import open_recording
from runtime.audio.wav import encode_wav

if TYPE_CHECKING:
    from runtime.inputs import AudioInput


def strip_recording(data: bytes, input_spec: AudioInput) -> bytes:
    """Return a recording as a WAV file that holds nothing but audio, of which the network takes the same samples.

    A WAV file that is no longer than a clip keeps its encoding and its rate. Of any other recording the clip remains.

    Args:
        data: The file.
        input_spec: What the network takes.

    Raises:
        InputError: If it can't be read.
    """
    clip = input_spec.read(data)
    if data.startswith(b"RIFF"):
        stripped = _without_other_chunks(data)
        with open_recording(stripped) as recording:
            fits = recording.seconds is not None and recording.seconds <= input_spec.samples / input_spec.rate
        if fits and np.array_equal(input_spec.read(stripped), clip):
            return stripped
    return encode_wav(clip, input_spec.rate)


def _without_other_chunks(data: bytes) -> bytes:
    """Return a WAV file with its format and its audio alone."""
    kept, position = [], 12
    while position + 8 <= len(data):
        kind, size = struct.unpack_from("<4sI", data, position)
        if kind in (b"fmt ", b"data"):
            kept.append(data[position : position + 8 + size] + bytes(size % 2))
        if kind == b"data":
            break
        position += 8 + size + size % 2
    content = b"WAVE" + b"".join(kept)
    return struct.pack("<4sI", b"RIFF", len(content)) + content
