"""Random changes of recordings: each does what its name says, and follows from PyTorch's generator."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from runtime.audio.wav import encode_wav
from runtime.errors import InputError, OptionError
from zoo.data import Classes
from zoo.recipes import Training
from zoo.train.augment import augmenter
from zoo.train.augment_audio import FILTER, GAINS, SHIFT, SNRS, SPEEDS, AudioAugmentation, check_audio, read_background

RATE = 8_000
TIMES = np.arange(RATE) / RATE
NONE = np.zeros(0, np.float32)


def tone():
    """Return a tone of 500 Hz between silence, ``float32 [1, 8000]``."""
    sounding = abs(TIMES - 0.5) < 0.15
    return np.where(sounding, 0.5 * np.sin(1_000 * np.pi * TIMES), 0).astype(np.float32)[None]


def changed(names, recording, times=40, background=NONE):
    augment = AudioAugmentation(names, background)
    torch.manual_seed(0)
    return np.stack([augment(recording, np.array([7]), 0, 0)[0] for _ in range(times)])


def frequency(samples):
    return np.abs(np.fft.rfft(samples * np.hanning(len(samples)))).argmax() * RATE / len(samples)


def middle(samples):
    """Return where the sound is, in samples."""
    return (samples**2 * np.arange(len(samples))).sum() / (samples**2).sum()


def rms(samples):
    return np.sqrt((samples.astype(np.float64) ** 2).mean(axis=-1))


def test_speed_changes_pitch_and_length():
    clips = changed(("speed",), tone())
    pitches = np.array([frequency(samples) for samples in clips])
    lengths = np.array([(np.abs(samples) > 0.05).sum() for samples in clips])
    assert pitches.min() >= 500 * SPEEDS[0] - 5 and pitches.max() <= 500 * SPEEDS[1] + 5
    assert np.ptp(pitches) > 150
    assert np.corrcoef(pitches, lengths)[0, 1] < -0.95
    assert all(abs(middle(samples) - RATE / 2) < 10 for samples in clips)


def test_shift_moves_the_sound():
    offsets = np.array([middle(samples) for samples in changed(("shift",), tone())]) - RATE / 2
    assert np.abs(offsets).max() <= SHIFT * RATE + 2
    assert np.ptp(offsets) > SHIFT * RATE


def test_gain_makes_softer_and_louder():
    levels = 20 * np.log10(rms(changed(("gain",), tone())) / rms(tone()))
    assert GAINS[0] - 0.01 <= levels.min() < -5 and 0 < levels.max() <= GAINS[1] + 0.01


def test_filter_makes_some_frequencies_louder_than_others():
    click = np.zeros((1, RATE), np.float32)
    click[0, RATE // 2] = 1
    levels = 20 * np.log10(np.abs(np.fft.rfft(changed(("filter",), click), axis=1)))
    assert np.abs(levels).max() <= FILTER + 0.01
    assert (np.ptp(levels, axis=1) > 0.3 * FILTER).all()
    assert np.abs(np.diff(levels[:, 100:], axis=1)).max() < 0.2  # neighboring frequencies are alike


@pytest.mark.parametrize("background", [NONE, np.sin(2 * np.pi * 60 * np.arange(30_000) / RATE).astype(np.float32)])
def test_noise_is_so_much_softer_than_the_sound(background):
    recording = tone()
    noise = changed(("noise",), recording, background=background) - recording
    noisy = noise[rms(noise) > 0]
    assert 0.4 < len(noisy) / len(noise) < 1
    sounding = recording[recording != 0]
    distance = 20 * np.log10(rms(sounding) / rms(noisy))
    assert SNRS[0] - 0.1 <= distance.min() < 15 and 30 < distance.max() <= SNRS[1] + 0.1
    if len(background):
        assert all(frequency(samples) == pytest.approx(60, abs=2) for samples in noisy)


def test_silence_stays_silent():
    assert not changed(("speed", "shift", "filter", "gain", "noise"), np.zeros((1, RATE), np.float32)).any()


def test_changes_follow_from_the_generator():
    names = ("speed", "shift", "filter", "gain", "noise")
    first, second = changed(names, tone()), changed(names, tone())
    assert np.array_equal(first, second)
    assert first.dtype == np.float32 and len({samples.tobytes() for samples in first}) == len(first)


def test_background_is_read_from_folders_at_the_network_s_rate(tmp_path):
    (tmp_path / "inner").mkdir()
    for name, level in (("a.wav", 0.25), ("inner/b.wav", -0.5)):
        (tmp_path / name).write_bytes(encode_wav(np.full(4_000, level, np.float32), 4_000))
    (tmp_path / "notes.txt").write_text("no recording")
    samples = read_background(str(tmp_path), RATE)
    assert samples.dtype == np.float32 and samples.shape == (16_000,)
    assert samples[4_000] == pytest.approx(0.25, abs=1e-3) and samples[12_000] == pytest.approx(-0.5, abs=1e-3)
    augment = augmenter(Training(augment=("noise",), background=str(tmp_path / "a.wav")), tone(), Classes(("x",)), RATE)
    assert np.array_equal(augment.background, samples[:8_000])


def test_what_is_no_background_is_refused(tmp_path):
    with pytest.raises(OptionError, match="is no recording, and no folder with some"):
        check_audio(("noise",), str(tmp_path))
    with pytest.raises(OptionError, match="add noise to augment, or leave background out"):
        check_audio(("gain",), str(tmp_path))
    with pytest.raises(
        OptionError, match="augment=flip changes pictures; recordings have: speed, shift, filter, gain, noise"
    ):
        check_audio(("flip",), "")
    (tmp_path / "renamed.wav").write_text("hello")
    with pytest.raises(InputError, match=r"renamed\.wav: is no recording"):
        read_background(str(tmp_path), RATE)
