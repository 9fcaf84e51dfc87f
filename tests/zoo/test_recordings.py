"""Long recordings and microphones on the command line: labels with the times at which they are heard."""

from __future__ import annotations

import csv
import json
import sys
import types

import numpy as np
import pytest

import export
from runtime.audio.listening import Listening
from runtime.audio.wav import encode_wav
from tests.export.test_audio import SAMPLES, SPEC, Leaky

RATE = SPEC.input.rate


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    out = tmp_path_factory.mktemp("audio") / "ears"
    rules = Listening(80, 0, smoothing=2, threshold=0.5, refractory=0.2)
    spec = export.ModelSpec(SPEC.name, SPEC.input, SPEC.output, rules)
    return export.export(Leaky(), spec, samples=SAMPLES, out=out, formats=["onnx"]).path


@pytest.fixture
def recordings(tmp_path):
    (tmp_path / "short.wav").write_bytes(encode_wav(SAMPLES[30], RATE))
    (tmp_path / "long.wav").write_bytes(encode_wav(np.concatenate([SAMPLES[0], SAMPLES[39], SAMPLES[0]]), RATE))
    (tmp_path / "text.wav").write_text("Once upon a time")
    return tmp_path


def test_long_recordings_are_listened_to_and_short_ones_predicted(bundle, recordings, cli):
    answer = cli("predict", bundle, recordings, "--json")
    assert answer.status == 1
    document = json.loads(answer.out)
    long, short = document["predictions"]
    assert [each["label"] for each in long["heard"]]
    assert all(0 <= each["time"] <= 0.31 and each["score"] >= 0.5 for each in long["heard"])
    assert short["label"] in SPEC.output.labels
    (error,) = document["errors"]
    assert error["input"].endswith("text.wav")
    answer = cli("predict", bundle, recordings / "long.wav")
    assert answer.status == 0
    assert f"{long['heard'][0]['time']:.1f} s {long['heard'][0]['label']}" in answer.out


def test_a_row_for_each_label_that_is_heard(bundle, recordings, cli):
    out = recordings / "answers.csv"
    heard = json.loads(cli("predict", bundle, recordings / "long.wav", "--json").out)["predictions"][0]["heard"]
    assert cli("predict", bundle, recordings / "long.wav", "--out", out).status == 0
    with out.open() as file:
        rows = list(csv.DictReader(file))
    assert [(float(row["time"]), row["label"]) for row in rows] == [(each["time"], each["label"]) for each in heard]


class Microphone:
    """A sounddevice whose stream gives some chunks, and then nothing."""

    def __init__(self, samplerate, channels, dtype, blocksize, callback):
        assert (samplerate, channels, dtype) == (RATE, 1, "float32")
        self.blocksize, self.callback = blocksize, callback

    def start(self):
        samples = np.concatenate([SAMPLES[0], SAMPLES[39], np.zeros(4 * self.blocksize, np.float32)])
        for at in range(0, len(samples) - self.blocksize + 1, self.blocksize):
            self.callback(samples[at : at + self.blocksize, None], self.blocksize, None, None)

    def __enter__(self):
        return self

    def __exit__(self, *problem):
        pass


def pretend(monkeypatch, stream):
    module = types.SimpleNamespace(InputStream=stream, PortAudioError=ConnectionError)
    monkeypatch.setitem(sys.modules, "sounddevice", module)


def test_labels_are_told_until_the_microphone_is_unplugged(bundle, monkeypatch, cli):
    pretend(monkeypatch, Microphone)
    monkeypatch.setattr("zoo.predicting.recordings.WAIT", 0.5)
    answer = cli("predict", bundle, "--microphone", "--json")
    assert answer.status == 1
    heard = [json.loads(line) for line in answer.out.splitlines()]
    assert heard
    assert {each["label"] for each in heard} <= {*SPEC.output.labels}
    assert "the microphone has given nothing for 0.5 s: is it plugged in?" in answer.err


def test_no_microphone_is_one_line(bundle, monkeypatch, cli):
    def none(**settings):
        raise ConnectionError("Error querying device -1")

    pretend(monkeypatch, none)
    answer = cli("predict", bundle, "--microphone")
    assert (answer.status, answer.out) == (2, "")
    assert "the microphone can't be opened (Error querying device -1)" in answer.err
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    assert "pip install 'edgezoo[audio]'" in cli("predict", bundle, "--microphone").err
    assert (
        "--microphone is for models that listen; mnist-cnn takes images"
        in cli("predict", "mnist-cnn", "--microphone").err
    )
    assert "name either INPUTs, a --camera or the --microphone" in cli("predict", bundle, "--microphone", "a.wav").err
