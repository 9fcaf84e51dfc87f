"""Labels are heard in streams, each once and at its time, however the stream is cut."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from runtime import InputError, Model, ModelSpec, OptionError, Waveform
from runtime.audio.listening import Decisions, Heard, Listening
from runtime.audio.wav import encode_wav
from runtime.inputs import AudioInput
from runtime.spec import FileSpec
from runtime.tasks import Classification

RATE = 1_000
CLIP = AudioInput("audio", "audio", RATE, 400)
LABELS = ("low", "high", "silence")
RULES = Listening(step=50, delay=200, smoothing=2, threshold=0.6, refractory=0.3, ignored=("silence",))


class Loudness:
    """A network that tells by their mean whether the middle 100 samples of a clip are quiet, low or high."""

    version, device, threads, skipped = "fake 1", "cpu", 1, ()

    def run(self, inputs: dict[str, Any]) -> dict[str, Any]:
        level = inputs["audio"][:, 150:250].mean(1)
        scores = np.stack([(level > 0.2) & (level < 0.6), level >= 0.6, level <= 0.2], 1)
        return {"logits": np.where(scores, 5, -5).astype(np.float32)}


def model(listening: Listening | None = RULES) -> Model:
    from pathlib import Path

    spec = ModelSpec("ears", CLIP, Classification("classification", "logits", LABELS), listening)
    return Model(spec, Path("ears.onnx"), FileSpec("onnx", "fp32", "float32", None), "fake", Loudness(), ())  # type: ignore[arg-type]


def stream(*words: tuple[float, float]) -> Any:
    """Return 5 s of silence with words of 200 ms, each of a middle in seconds and a level."""
    samples = np.zeros(5 * RATE, np.float32)
    for middle, level in words:
        samples[round(middle * RATE) - 100 : round(middle * RATE) + 100] = level
    return samples


WORDS = stream((0.15, 0.9), (1.2, 0.4), (2.5, 0.9), (3.4, 0.9), (4.9, 0.4))


def test_each_word_is_heard_once_at_its_middle() -> None:
    heard = list(model().listen([WORDS]))
    assert [word.label for word in heard] == ["high", "low", "high", "high", "low"]
    assert [word.time for word in heard] == pytest.approx([0.15, 1.2, 2.5, 3.4, 4.9], abs=0.03)
    assert all(word.score > 0.9 for word in heard)


@pytest.mark.parametrize("pieces", [2, 50, 5_000])
def test_the_pieces_of_a_stream_change_nothing(pieces: int) -> None:
    assert list(model().listen(np.array_split(WORDS, pieces))) == list(model().listen([WORDS]))


def test_streams_of_other_kinds_hear_the_same() -> None:
    expected = list(model().listen([WORDS]))
    integers = np.rint(WORDS * 32767).astype("<i2")
    data = integers.tobytes()
    for source in (
        [integers],
        [data[:101], data[101:]],
        [np.stack([WORDS, WORDS], 1)],
        Waveform(WORDS, RATE),
        encode_wav(WORDS, RATE),
    ):
        assert [(word.time, word.label) for word in model().listen(source)] == [
            (word.time, word.label) for word in expected
        ]


def test_a_stream_of_another_rate_is_resampled() -> None:
    heard = list(model().listen(np.array_split(np.repeat(WORDS, 4), 9), rate=4 * RATE))
    assert [word.label for word in heard] == ["high", "low", "high", "high", "low"]
    assert [word.time for word in heard] == pytest.approx([0.15, 1.2, 2.5, 3.4, 4.9], abs=0.03)


def test_words_come_while_the_stream_goes_on() -> None:
    read = 0

    def chunks() -> Iterator[Any]:
        nonlocal read
        for chunk in np.array_split(WORDS, 100):
            read += 1
            yield chunk

    first = next(model().listen(chunks()))
    assert first.time == pytest.approx(0.15, abs=0.03)
    assert read <= 12


def test_a_label_is_not_heard_again_within_the_refractory_time() -> None:
    twice = stream((1.0, 0.9), (1.5, 0.9), (2.5, 0.4), (3.5, 0.9))
    rules = replace(RULES, refractory=0.7)
    assert [word.label for word in model(rules).listen([twice])] == ["high", "low", "high"]
    eager = replace(RULES, refractory=0)
    assert [word.label for word in model(eager).listen([twice])] == ["high", "high", "low", "high"]


def test_the_threshold_of_a_call() -> None:
    assert not list(model().listen([WORDS], threshold=1.0))


def test_scores_are_averaged_before_they_are_compared() -> None:
    decisions = Decisions(Listening(10, 0, 3, 0.58, 0), ("a", "b"), 10)
    scores = [[0.9, 0.1], [0.2, 0.8], [0.9, 0.1], [0.9, 0.1], [0.0, 1.0], [0.0, 1.0]]
    heard = [decisions.push([10 * (i + 1)], np.array([row], np.float32)) for i, row in enumerate(scores)]
    # averages of a: 0.9, 0.55, 0.67, 0.67, 0.6, 0.3
    assert [[word.label for word in words] for words in heard] == [[], ["a"], [], [], [], ["a"]]
    last = decisions.flush()
    assert last == Heard(pytest.approx(5.0), "b", pytest.approx(0.7))
    at_once = Decisions(Listening(10, 0, 3, 0.58, 0), ("a", "b"), 10)
    assert at_once.push(range(10, 70, 10), np.array(scores, np.float32)) == [word for words in heard for word in words]
    assert at_once.flush() == last


def test_what_does_not_listen_says_so() -> None:
    with pytest.raises(OptionError, match="'ears' does not listen to streams"):
        model(None).listen([WORDS])
    with pytest.raises(OptionError, match="threshold above 0 to 1"):
        model().listen([WORDS], threshold=0)
    with pytest.raises(InputError, match="the stream: holds samples that are not finite"):
        list(model().listen([np.full(10, np.nan)]))


@pytest.mark.parametrize(
    "fields",
    [{"step": 0}, {"delay": -1}, {"smoothing": 0}, {"threshold": 0}, {"refractory": -1}, {"ignored": ("x",)},
     {"ignored": LABELS}],
)  # fmt: skip
def test_rules_out_of_range_are_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"listening (needs|ignores)"):
        model(Listening(**{"step": 50, "delay": 0} | fields))
