"""Recordings become the samples that a network takes: decoding, mono, another rate, one length."""

from __future__ import annotations

import io
import math
import struct
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from runtime import InputError, Waveform
from runtime.audio.decoding import read_mono
from runtime.audio.resampling import Resampler, Resampling
from runtime.audio.wav import encode_wav
from runtime.inputs import AudioInput

RATE = 8_000
CLIP = AudioInput("audio", "audio", RATE, 400)
NOISE = np.random.default_rng(0).uniform(-0.9, 0.9, (400, 1))
SUBTYPES = {"PCM_U8": 8, "PCM_16": 16, "PCM_24": 24, "PCM_32": 32, "FLOAT": 0, "DOUBLE": 0}


def written(samples: Any, rate: int = RATE, file_format: str = "WAV", subtype: str | None = None) -> bytes:
    """Return an encoded file as libsndfile writes it."""
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format=file_format, subtype=subtype)
    return file.getvalue()


@pytest.mark.parametrize("file_format", ["WAV", "WAVEX"])
@pytest.mark.parametrize("subtype", SUBTYPES)
@pytest.mark.parametrize("channels", [1, 2, 8])
def test_every_encoding_of_wav(file_format: str, subtype: str, channels: int) -> None:
    content = written(np.tile(NOISE, channels), file_format=file_format, subtype=subtype)
    expected, _ = soundfile.read(io.BytesIO(content), dtype="float64", always_2d=True)
    assert np.array_equal(CLIP.read(content), expected.mean(1).astype(np.float32))


@pytest.mark.parametrize("file_format", ["FLAC", "OGG", "MP3"])
def test_other_encodings_through_soundfile(file_format: str, tmp_path: Path) -> None:
    tone = 0.5 * np.sin(np.arange(RATE) / 5)
    path = tmp_path / "tone"
    path.write_bytes(written(tone, 16_000, file_format))
    clip = AudioInput("audio", "audio", 16_000, RATE).read(path)
    delays = [np.abs(np.roll(clip, -delay)[2000:6000] - tone[2000:6000]).max() for delay in range(-1200, 1200)]
    assert min(delays) < 0.06  # lossy encoders change and delay the samples


@pytest.mark.parametrize(("source", "target"), [(44_100, 16_000), (8_000, 16_000), (192_000, 8_000), (11_025, 8_000)])
def test_resampling_is_the_sum_that_the_contract_states(source: int, target: int) -> None:
    samples = np.random.default_rng(1).standard_normal(3_000)
    resampled = _resampled(samples, source, target)
    divisor = math.gcd(source, target)
    down, up = source // divisor, target // divisor
    base, times = min(down, up) * 0.94, np.arange(len(samples)) / down
    assert len(resampled) == math.ceil(len(samples) * up / down)
    for number in (0, 1, 17, len(resampled) // 2, len(resampled) - 1):
        crossings = base * (times - number / up)
        inside = np.maximum(0, 1 - (crossings / 24) ** 2)
        window = np.where(inside > 0, np.i0(10 * np.sqrt(inside)) / np.i0(10), 0)
        expected = (samples * base / down * np.sinc(crossings) * window).sum()
        assert resampled[number] == pytest.approx(expected, abs=1e-12)


def test_resampling_keeps_tones_and_drops_those_above_the_new_half_rate() -> None:
    times = np.arange(48_000) / 48_000
    low, high = (_resampled(np.sin(2 * np.pi * pitch * times), 48_000, 16_000) for pitch in (1_000, 9_000))
    assert np.abs(low - np.sin(2 * np.pi * 1_000 * np.arange(16_000) / 16_000))[100:-100].max() < 1e-4
    assert np.abs(high)[100:-100].max() < 1e-4


@pytest.mark.parametrize("cuts", [[1, 2, 50, 1_000], [2_999], list(range(0, 3_000, 7))])
def test_the_pieces_of_a_stream_do_not_change_it(cuts: list[int]) -> None:
    samples = np.random.default_rng(2).standard_normal(3_000)
    resampler = Resampler(44_101, 16_000, Resampling())
    parts = [resampler.push(part) for part in np.split(samples, cuts)]
    assert np.array_equal(np.concatenate([*parts, resampler.flush()]), _resampled(samples, 44_101, 16_000))


def _resampled(samples: Any, source: int, target: int) -> Any:
    return np.concatenate(list(read_mono(Waveform(samples, source), target, Resampling())))


def test_longer_recordings_are_cut_and_shorter_ones_filled_up_evenly() -> None:
    ramp = np.arange(1, 10, dtype=np.float32) / 16
    clip = AudioInput("audio", "audio", RATE, 4)
    assert clip.read(ramp).tolist() == ramp[2:6].tolist()
    assert clip.read(ramp[:1]).tolist() == [0, 1 / 16, 0, 0]
    assert clip.read(ramp[:4]).tolist() == ramp[:4].tolist()


def test_arrays_of_integers_are_scaled_by_their_type() -> None:
    clip = AudioInput("audio", "audio", RATE, 3)
    assert clip.read(np.array([-32768, 0, 16384], np.int16)).tolist() == [-1, 0, 0.5]
    assert clip.read(np.array([0, 128, 192], np.uint8)).tolist() == [-1, 0, 0.5]


def test_a_golden_sample_holds_a_clip_exactly() -> None:
    samples = NOISE[:, 0].astype(np.float32)
    assert np.array_equal(CLIP.read(CLIP.encode(samples)), samples)
    assert CLIP.encode(b"RIFF as it is") == b"RIFF as it is"


def test_a_writer_that_could_not_seek_leaves_an_open_end() -> None:
    content = bytearray(written(NOISE, subtype="PCM_16"))
    for size in (0, 0xFFFFFFFF):
        struct.pack_into("<I", content, content.index(b"data") + 4, size)
        assert np.array_equal(CLIP.read(bytes(content)), CLIP.read(written(NOISE, subtype="PCM_16")))


def test_chunks_around_the_audio_are_skipped() -> None:
    content = encode_wav(np.ones(400, np.float32), RATE)
    at = content.index(b"fmt ")
    assert CLIP.read(content[:at] + b"LIST\x03\0\0\0abc\0" + content[at:] + b"junk").tolist() == [1] * 400


def _wave(**fields: int) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setparams((1, 2, RATE, 0, "NONE", ""))
        writer.writeframes(b"\0\0" * 400)
    content = bytearray(file.getvalue())
    offsets = {"code": 20, "channels": 22, "rate": 24, "frame": 32, "bits": 34}
    for name, value in fields.items():
        struct.pack_into("<I" if name == "rate" else "<H", content, offsets[name], value)
    return bytes(content)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the recording: is empty"),
        (b"RIFF", "the recording: truncated: not a whole WAV file"),
        (_wave()[:-10], "the recording: truncated: 10 bytes of its audio are missing"),
        (_wave()[:36], "the recording: empty or truncated: not a whole WAV file"),
        (_wave(rate=0), "the recording: 0 samples per second; wanted 1000 to 768000"),
        (_wave(rate=2**31), "samples per second; wanted 1000 to 768000"),
        (_wave(channels=0), "the recording: damaged: a frame of 0 channels of 16 bits in 2 bytes"),
        (_wave(channels=0, frame=0), "the recording: damaged: a frame of 0 channels of 16 bits in 0 bytes"),
        (_wave(channels=65, frame=130), "has 65 channels; at most 64 can be read"),
        (_wave(code=6), "the recording: a WAV file of encoding 6 with 16 bits; wanted PCM"),
        (_wave(bits=12), "the recording: a WAV file of encoding 1 with 12 bits"),
        (b"Once upon a time", "the recording: is no recording that can be read: wanted WAV, FLAC, Ogg or MP3"),
        (b"fLaC" + bytes(100), "the recording: can't be decoded"),
        (encode_wav(np.array([0, np.nan], np.float32), RATE), "the recording: holds samples that are not finite"),
        (encode_wav(np.array([0, 20_000], np.float32), RATE), "holds samples of 20000; full scale is 1"),
        (encode_wav(np.zeros(0, np.float32), RATE), "the recording: has no samples"),
    ],
)  # fmt: skip
def test_what_is_no_recording_is_refused_in_one_line(content: bytes, message: str) -> None:
    with pytest.raises(InputError) as problem:
        CLIP.read(content)
    assert message in str(problem.value)
    assert "\n" not in str(problem.value)


def test_arrays_that_are_no_samples_are_refused() -> None:
    for array, message in (
        (np.zeros((3, 2, 2)), "expected samples [n]"),
        (np.array([True]), "expected samples [n] or [n, channels], got bool"),
        (np.array([np.inf]), "not finite"),
        (np.zeros(0), "has no samples"),
    ):
        with pytest.raises(InputError) as problem:
            CLIP.read(array)
        assert message in str(problem.value)


def test_a_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.wav: can't be read"):
        CLIP.read(tmp_path / "none.wav")
    (tmp_path / "text.wav").write_text("Once upon a time")
    with pytest.raises(InputError, match=r"text\.wav: is no recording"):
        CLIP.read(tmp_path / "text.wav")


def test_what_is_too_long_for_a_clip_is_refused_before_it_fills_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runtime.inputs.audio.MAX_SAMPLES", 16_000)
    with pytest.raises(InputError, match="is longer than 2 s: cut it, or listen to it as a stream"):
        CLIP.read(np.zeros(20_000, np.float32))


@pytest.mark.parametrize(
    "fields",
    [{"rate": 0}, {"samples": 0}, {"samples": 2**25}, {"hop": 3}, {"hop": -1}],
)
def test_a_contract_out_of_range_is_refused(fields: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=r"audio needs|hop must"):
        AudioInput(**{"kind": "audio", "name": "audio", "rate": RATE, "samples": 400} | fields)
    with pytest.raises(ValueError, match="resampling needs"):
        Resampling(zeros=0)
    with pytest.raises(ValueError, match=r"rolloff of 0\.5 to 1"):
        Resampling(rolloff=1e-9)
