"""Recordings in golden packs: nothing but audio, of which the network takes the same samples."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest

from export.golden import encode
from runtime.audio.decoding import open_recording
from runtime.audio.wav import encode_wav
from runtime.errors import InputError
from runtime.inputs import AudioInput

CLIP = AudioInput("audio", "audio", 8_000, 8_000)
NOISE = np.random.default_rng(0).uniform(-0.5, 0.5, 12_000).astype(np.float32)
SECRET = b"Anna, at home"


def tagged(wav: bytes) -> bytes:
    """Return a WAV file with notes before and after its audio."""
    odd = SECRET + bytes(len(SECRET) % 2)
    note = struct.pack("<4sI", b"LIST", len(SECRET)) + odd
    content = wav[8:12] + note + wav[12:] + note
    return struct.pack("<4sI", b"RIFF", len(content)) + content + SECRET


def test_notes_go_and_the_encoding_stays():
    wav = encode_wav(NOISE[:6_000], 11_025)
    clean = encode(CLIP, tagged(wav))
    assert clean == wav
    assert encode(CLIP, clean) == clean


def test_of_a_long_recording_the_clip_stays():
    clean = encode(CLIP, tagged(encode_wav(NOISE, 8_000)))
    assert SECRET not in clean
    assert np.array_equal(CLIP.read(clean), NOISE[2_000:10_000])
    with open_recording(clean) as recording:
        assert recording.frames == 8_000


def test_an_open_end_is_closed():
    wav = bytearray(encode_wav(NOISE[:6_000], 8_000))
    wav[40:44] = bytes(4)
    clean = encode(CLIP, bytes(wav))
    assert np.array_equal(CLIP.read(clean), CLIP.read(bytes(wav)))
    with open_recording(clean) as recording:
        assert recording.frames == 8_000


@pytest.mark.parametrize("encoding", ["FLAC", "OGG", "MP3"])
def test_other_encodings_become_wav(encoding):
    soundfile = pytest.importorskip("soundfile")
    file = io.BytesIO()
    with soundfile.SoundFile(file, "w", 22_050, 1, format=encoding) as opened:
        opened.title = SECRET.decode()
        opened.write(NOISE)
    data = file.getvalue()
    assert encoding == "MP3" or SECRET in data
    clean = encode(CLIP, data)
    assert clean.startswith(b"RIFF")
    assert SECRET not in clean
    assert np.array_equal(CLIP.read(clean), CLIP.read(data))


def test_what_is_no_recording_is_refused():
    with pytest.raises(InputError, match="truncated"):
        encode(CLIP, b"RIFF")
