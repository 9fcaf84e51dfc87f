"""Features of audio in the graph: equal to torchaudio's, to SciPy's filter, and to themselves in every format."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from export.formats import Graph, format_module, format_names
from runtime.engines import engine_for, engine_module
from zoo.recipes._features import Bands, Framing, mel_weights
from zoo.recipes._front_end import (
    BIAS,
    FLOOR,
    GAIN,
    POWER,
    SOFTEST,
    TIME_CONSTANT,
    BandNorm,
    Mask,
    MelEnergies,
    front_end,
)

RATES = (8_000, 16_000, 11_100, 22_050)
"""Windows of 240, 480, 333 and 662 samples; clips of the last two are no whole hops. Of odd rates torchaudio rounds the
half down, and with it all frequencies."""
FEATURES = ("log-mel", "mfcc", "pcen")
LOUDEST = 1 / FLOOR


def clips(rate, seconds=1.0):
    """Return noise, a sine of full scale, silence, a click and a soft rising tone, ``float32 [5, samples]``."""
    samples = round(rate * seconds)
    random, times = np.random.default_rng(0), np.arange(samples) / rate
    rising = 0.01 * np.sin(2 * np.pi * (100 + 0.2 * rate * times) * times)
    signals = [
        random.uniform(-1, 1, samples), np.sin(880 * np.pi * times), 0 * times, times == 0.5, rising + 1e-4,
    ]  # fmt: skip
    return np.stack(signals).astype(np.float32)


def features(kind, rate, values):
    network = front_end(values.shape[1], Framing(rate), Bands(), kind)[:-1]  # before they are normalised
    with torch.no_grad():
        return network(torch.from_numpy(values)).numpy()


def scaling(framing):
    """Return what torchaudio's energies are multiplied by, so that a sine of full scale has 1 / FLOOR."""
    width = framing.window_samples
    return LOUDEST * (2 / torch.hann_window(width, dtype=torch.float64).sum().item()) ** 2


def torchaudio_energies(rate, values):
    torchaudio = pytest.importorskip("torchaudio")
    framing = Framing(rate)
    width, points = framing.window_samples, framing.points
    energies = torchaudio.transforms.MelSpectrogram(
        rate, points, width, framing.hop_samples, f_min=20, f_max=rate / 2, n_mels=40, center=False
    ).double()
    spare = points - width  # torchaudio puts the window into the middle of the transform's points
    padded = np.pad(values.astype(np.float64), ((0, 0), (spare // 2, spare - spare // 2)))
    return energies(torch.from_numpy(padded)).transpose(1, 2).numpy() * scaling(framing)


@pytest.mark.parametrize("rate", RATES)
def test_energies_are_torchaudio_s(rate):
    values = clips(rate)
    energies = MelEnergies(Framing(rate), Bands())
    wanted = torchaudio_energies(rate, values)
    output = energies(torch.from_numpy(values)).numpy()
    assert output.shape == wanted.shape
    assert_allclose(output, wanted, rtol=0, atol=2e-6 * LOUDEST)  # torchaudio's bands are of float32
    assert_allclose(np.log(output + 1), np.log(wanted + 1), rtol=0, atol=2e-5 * np.log(LOUDEST))


@pytest.mark.parametrize("rate", RATES)
def test_mfcc_are_torchaudio_s(rate):
    torchaudio = pytest.importorskip("torchaudio")
    values = clips(rate)
    matrix = torchaudio.functional.create_dct(10, 40, "ortho").double().numpy()
    wanted = np.log(torchaudio_energies(rate, values) + 1) @ matrix
    assert_allclose(features("mfcc", rate, values), wanted, rtol=0, atol=1e-5 * np.abs(wanted).max())


def test_bands_are_torchaudio_s():
    torchaudio = pytest.importorskip("torchaudio")
    for rate, bands in ((8_000, Bands()), (16_000, Bands(24, 300, 6_000))):
        framing = Framing(rate)
        wanted = torchaudio.functional.melscale_fbanks(
            framing.points // 2 + 1, bands.low, bands.high or rate / 2, bands.count, rate
        )
        assert_allclose(mel_weights(framing, bands), wanted.numpy().T, rtol=0, atol=2e-5)


@pytest.mark.parametrize("rate", RATES)
def test_pcen_is_a_filter_of_the_first_order(rate):
    """The mean over time by SciPy's filter, which goes on from the first frame's energy."""
    from scipy.signal import lfilter

    values = clips(rate)
    framing = Framing(rate)
    energies = MelEnergies(framing, Bands())(torch.from_numpy(values)).double().numpy()
    frames = TIME_CONSTANT * rate / framing.hop_samples
    share = (np.sqrt(1 + 4 * frames**2) - 1) / (2 * frames**2)
    mean, _ = lfilter([share], [1, share - 1], energies, axis=1, zi=(1 - share) * energies[:, :1])
    wanted = (energies / (SOFTEST + mean) ** GAIN + BIAS) ** POWER - BIAS**POWER
    assert_allclose(features("pcen", rate, values), wanted, rtol=0, atol=2e-6 * wanted.max())


@pytest.mark.parametrize("kind", FEATURES)
def test_every_format_has_the_features_of_pytorch(kind):
    """Each clip within 1e-5 of the largest value of all, in the engine of each format."""
    values = clips(8_000)
    network = front_end(values.shape[1], Framing(8_000), Bands(), kind).eval()
    with torch.no_grad():
        wanted = network(torch.from_numpy(values)).numpy()
    axes = {"audio": {0: "batch"}, "features": {0: "batch"}}
    graph = Graph(network, {"audio": values[:2]}, ("features",), axes)
    for name in format_names():
        data = format_module(name).convert(graph)
        engine = engine_module(engine_for(name)).open(data, ("audio",), ("features",))
        output = np.concatenate([engine.run({"audio": clip[None]})["features"] for clip in values])
        assert_allclose(output, wanted, rtol=0, atol=1e-5 * np.abs(wanted).max(), err_msg=name)


def test_a_clip_that_is_no_multiple_of_a_hop():
    """Frames begin where hops do, whole ones alone: samples after the last frame change nothing."""
    values = np.random.default_rng(1).uniform(-1, 1, (1, 1_000)).astype(np.float32)
    whole = features("log-mel", 8_000, values)
    assert whole.shape == (1, 5, 40)  # 240 + 4 * 160 = 880
    other = values.copy()
    other[:, 880:] = 0.5
    assert_allclose(features("log-mel", 8_000, other), whole, rtol=0, atol=1e-6)
    other[:, 879] = 0.5
    assert np.abs(features("log-mel", 8_000, other) - whole)[:, :4].max() == 0


def test_silence_is_zero_and_loudness_is_bounded():
    energies = features("log-mel", 8_000, clips(8_000))
    assert energies[2].max() == 0
    assert energies[1].max() == pytest.approx(np.log(LOUDEST), abs=0.5)


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="a frame has 240 samples, the input has 239"):
        front_end(239, Framing(8_000), Bands(), "log-mel")
    with pytest.raises(ValueError, match="band 5 is narrower than a bin; choose fewer bands"):
        front_end(8_000, Framing(8_000), Bands(128), "log-mel")
    with pytest.raises(ValueError, match="bands must rise from 0 to 4000 Hz at most, got 20 to 5000 Hz"):
        front_end(8_000, Framing(8_000), Bands(high=5_000), "log-mel")
    with pytest.raises(ValueError, match="there are 1 to 40 coefficients of 40 bands, got 41"):
        front_end(8_000, Framing(8_000), Bands(), "mfcc", 41)


def test_bands_are_normalized_one_by_one():
    norm = BandNorm(3)
    values = torch.randn(4, 50, 3) * torch.tensor([1.0, 10.0, 0.1]) + torch.tensor([5.0, -3.0, 0.0])
    changed = norm.train()(values)
    assert changed.shape == values.shape
    assert_allclose(changed.mean((0, 1)).numpy(), 0, atol=1e-5)
    assert_allclose(changed.std((0, 1)).numpy(), 1, atol=0.01)


def test_masks_hide_bands_and_frames_in_training_alone():
    torch.manual_seed(0)
    values = torch.ones(64, 30, 20)
    mask = Mask(0.2)
    assert torch.equal(mask.eval()(values), values)
    hidden = mask.train()(values) == 0
    frames, bands = hidden.all(2), hidden.all(1)
    assert (hidden == frames[:, :, None] | bands[:, None]).all()
    for share in (frames.float().mean(1), bands.float().mean(1)):
        assert share.mean() > 0 and share.max() <= 0.4
    assert len({tuple(row) for row in frames.tolist()}) > 32  # each clip has its own
