"""Recordings and streams in the app against Python's: manifests, decoding, mono, other rates, one length, decisions."""

from __future__ import annotations

import dataclasses
import io
import json
import struct
from itertools import product

import numpy as np
import pytest
import soundfile

from runtime.audio.listening import Decisions, Listening
from runtime.audio.resampling import Resampler, Resampling
from runtime.audio.wav import encode_wav
from runtime.errors import InputError
from runtime.inputs import AudioInput
from runtime.tasks import Classification
from tests.mobile_demo.manifests import (
    assert_refused_in_a_sentence,
    assert_taken_or_refused_as_in_python,
    manifest_of,
    text_of,
    whole,
)

RATE = 16_000
CLIP = AudioInput("audio", "audio", RATE, 2_000)
LABELS = ("low", "high", "silence")
OUTPUT = Classification("classification", "logits", LABELS)
RULES = Listening(step=50, delay=200, smoothing=3, threshold=0.5, refractory=0.3, ignored=("silence",))
SUBTYPES = ("PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE")
RATES = (8_000, 11_025, 16_000, 22_050, 44_100, 48_000, 96_000, 192_000)
FILTERS = (Resampling(), Resampling(6, 0.99, 14.8), Resampling(64, 0.9, 0.0))
CALL = """async (cases) => {
    for (const [i, input] of cases.entries()) {
        const clip = model.readClip(input, model.openRecording(await file("in" + i)));
        await give("out" + i, clip.data);
    }
}"""


def noise(length, channels=1, seed=0):
    return np.random.default_rng(seed).uniform(-0.9, 0.9, (length, channels))


def written(samples, rate=RATE, file_format="WAV", subtype="PCM_16"):
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format=file_format, subtype=subtype)
    return file.getvalue()


def field(input_spec):
    """Return an input as it stands in a manifest."""
    return dataclasses.asdict(input_spec)


def read(layer, cases):
    """Return the clips that the app makes of files, each for an input, ``float32 [samples]``."""
    for number, (content, _) in enumerate(cases):
        layer.files[f"in{number}"] = content
    layer.call(CALL, [field(input_spec) for _, input_spec in cases])
    return [np.frombuffer(layer.files.pop(f"out{number}"), np.float32) for number in range(len(cases))]


def test_integers_at_the_models_rate_are_read_exactly(layer):
    kinds = product(("WAV", "WAVEX"), SUBTYPES[:4], (1, 2, 3, 8))
    cases = [
        (written(noise(1_999 + channels, channels), file_format=file_format, subtype=subtype), CLIP)
        for file_format, subtype, channels in kinds
    ]
    for clip, (content, input_spec) in zip(read(layer, cases), cases, strict=True):
        assert np.array_equal(clip, input_spec.read(content))


def test_every_encoding_rate_and_number_of_channels_is_read_as_in_python(layer):
    cases = [
        (
            written(noise(3_000 + 100 * channels, channels, rate), rate, subtype=subtype),
            dataclasses.replace(CLIP, rate=target, samples=samples, resampling=FILTERS[number % 3]),
        )
        for number, (rate, subtype, channels) in enumerate(product(RATES, SUBTYPES, (1, 2, 8)))
        for target, samples in (((8_000, 700), (16_000, 20_001))[number // 3 % 2],)
    ]
    for clip, (content, input_spec) in zip(read(layer, cases), cases, strict=True):
        np.testing.assert_allclose(clip, input_spec.read(content), rtol=0, atol=1e-6)


def changed(content, **fields):
    """Return a WAV file whose header says something else."""
    content = bytearray(content)
    offsets = {"code": 20, "channels": 22, "rate": 24, "frame": 32, "bits": 34, "size": 40}
    for name, value in fields.items():
        struct.pack_into("<I" if name in ("rate", "size") else "<H", content, offsets[name], value)
    return bytes(content)


SOUND = written(noise(400))


def test_odd_files_that_can_be_read(layer):
    floats = encode_wav(np.ones(400, np.float32), RATE)
    at = floats.index(b"fmt ")
    cases = [
        (changed(SOUND, size=0), CLIP),
        (changed(SOUND, size=0xFFFFFFFF)[:-1], CLIP),
        (floats[:at] + b"LIST\x03\0\0\0abc\0" + floats[at:] + b"junk", CLIP),
        (changed(SOUND, size=len(SOUND) - 44 - 1), CLIP),
    ]
    for clip, (content, input_spec) in zip(read(layer, cases), cases, strict=True):
        assert np.array_equal(clip, input_spec.read(content))


REFUSED = {
    "empty": b"",
    "cut in its header": b"RIFF",
    "cut in its audio": SOUND[:-10],
    "without audio": SOUND[:36],
    "another form": SOUND.replace(b"WAVE", b"WAVX"),
    "audio first": SOUND[:12] + SOUND[36:],
    "a short format": SOUND[:16] + struct.pack("<I", 8) + SOUND[20:],
    "a chunk beyond the end": SOUND[:12] + b"LIST" + struct.pack("<I", 2**31) + SOUND[12:],
    "chunks without end": SOUND[:12] + b"junk\0\0\0\0" * 2_000 + SOUND[12:],
    "rate 0": changed(SOUND, rate=0),
    "a high rate": changed(SOUND, rate=2**31),
    "no channels": changed(SOUND, channels=0, frame=0),
    "many channels": changed(SOUND, channels=65, frame=130),
    "a-law": changed(SOUND, code=6),
    "12 bits": changed(SOUND, bits=12),
    "a text": b"Once upon a time",
    "not a number": encode_wav(np.array([0, np.nan], np.float32), RATE),
    "infinite": written(np.array([0, np.inf]), subtype="DOUBLE"),
    "another scale": encode_wav(np.array([0, 20_000], np.float32), RATE),
    "no samples": encode_wav(np.zeros(0, np.float32), RATE),
}

NOT_WAV = "the recording: is no WAV file; decode others with decodeAudioData, and give the AudioBuffer"
"""What Python also reads is decoded by the page."""


def test_what_is_no_recording_is_refused_in_pythons_words(layer):
    for number, content in enumerate(REFUSED.values()):
        layer.files[f"in{number}"] = content
    complaints = layer.call(
        """async ([input, count]) => {
            const said = [];
            for (let i = 0; i < count; i++) {
                const content = await file("in" + i);
                said.push(window.said(() => model.readClip(input, model.openRecording(content))));
            }
            return said;
        }""",
        [field(CLIP), len(REFUSED)],
    )
    for (kind, content), complaint in zip(REFUSED.items(), complaints, strict=True):
        with pytest.raises(InputError) as problem:
            CLIP.read(content)
        assert complaint == f"ZooError: {NOT_WAV if kind == 'a text' else problem.value}", kind


def test_the_pieces_of_a_stream_are_resampled_as_in_python(layer):
    samples = noise(6_000)[:, 0]
    layer.files["samples"] = samples.tobytes()
    for source, target, piece in ((48_000, 16_000, 128), (44_101, 16_000, 1_000), (8_000, 16_000, 7)):
        layer.call(
            """async ([source, target, filter, piece]) => {
                const samples = new Float64Array((await file("samples")).buffer);
                const resampler = new model.Resampler(source, target, filter);
                const found = [];
                for (let at = 0; at < samples.length; at += piece) {
                    found.push(...resampler.push(samples.slice(at, at + piece)));
                }
                await give("resampled", Float64Array.from([...found, ...resampler.flush()]));
            }""",
            [source, target, dataclasses.asdict(Resampling()), piece],
        )
        resampler = Resampler(source, target, Resampling())
        expected = np.concatenate([resampler.push(samples), resampler.flush()])
        np.testing.assert_allclose(np.frombuffer(layer.files["resampled"]), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("rules", [RULES, dataclasses.replace(RULES, smoothing=1, threshold=0.34, refractory=0.0)])
def test_labels_are_told_from_scores_as_in_python(layer, rules):
    random = np.random.default_rng(5)
    held = np.repeat(random.integers(0, 3, 80), random.integers(1, 9, 80))  # words of different lengths
    raw = random.uniform(0, 1, (len(held), 3)) + 2 * np.eye(3)[held]
    scores = (raw / raw.sum(1, keepdims=True)).astype(np.float32)
    decisions = Decisions(rules, LABELS, 1_000)
    ends = [(number + 1) * rules.step for number in range(len(scores))]
    expected = [*decisions.push(ends, scores), decisions.flush()]
    detections = layer.call(
        """([rules, labels, ends, scores]) => {
            const decisions = new model.Decisions(rules, labels, 1000);
            return [...ends.map((end, i) => decisions.push(end, scores[i])), decisions.flush()].filter(Boolean);
        }""",
        [dataclasses.asdict(rules), LABELS, ends, scores.tolist()],
    )
    assert detections == [dataclasses.asdict(heard) for heard in expected if heard]
    assert len(detections) > 20


# manifests

MANIFESTS = [
    manifest_of(CLIP, OUTPUT),
    manifest_of(
        dataclasses.replace(CLIP, hop=500, resampling=Resampling(6, 0.5, 0.0)),
        OUTPUT,
        listening=dataclasses.replace(RULES, step=500),
    ),
]


def test_manifests_are_read_as_they_are(layer):
    for manifest in MANIFESTS:
        assert layer.call("(text) => model.parseManifest(text)", text_of(manifest)) == whole(manifest)


@pytest.mark.parametrize(
    ("part", "fields", "named"),
    [
        ("input", {"rate": 999}, "audio needs a rate of 1000 to 768000 Hz"),
        ("input", {"samples": 2**24 + 1}, "1 to 16777216 samples"),
        ("input", {"hop": 3}, "hop must divide the 2000 samples of a clip, got 3"),
        ("input", {"hop": -500}, "hop must divide"),
        ("input", {"resampling": {"zeros": 257}}, "zeros of 1 to 256"),
        ("input", {"resampling": {"rolloff": 0.4}}, "rolloff of 0.5 to 1"),
        ("listening", {"step": 0}, "a step above 0"),
        ("listening", {"threshold": 0}, "a threshold above 0"),
        ("listening", {"step": 250}, "a streaming network listens in steps of its hop, 500 samples"),
        ("listening", {"ignored": ["loud"]}, 'listening ignores "loud", which is none of the labels'),
        ("listening", {"ignored": LABELS}, "listening ignores every label"),
    ],
)
def test_manifests_out_of_range_are_refused(layer, part, fields, named):
    manifest = whole(MANIFESTS[1])
    manifest["model"][part] |= fields
    assert_refused_in_a_sentence(layer, manifest, named)


def test_only_classifiers_of_audio_listen(layer):
    manifest = whole(MANIFESTS[1])
    manifest["model"]["output"] = {"task": "multilabel", "name": "logits", "labels": ["no", "yes"], "threshold": 0.5}
    assert_refused_in_a_sentence(layer, manifest, "only a classifier of audio listens to streams")


def test_damaged_manifests_are_refused_as_in_python(layer):
    assert_taken_or_refused_as_in_python(layer, [json.loads(text_of(each)) for each in MANIFESTS], 1_000, 11)
