"""Words found and missed, and false alarms: in made-up answers, and in a recording that is composed."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from benchmarks.listening import write
from runtime.audio.decoding import open_recording
from runtime.audio.listening import Heard
from runtime.errors import DataError
from tests.zoo.recordings import fill
from zoo.data import load_dataset
from zoo.measure.composition import choose_words, compose
from zoo.measure.listening import Word, joined, read_words, score_listening

WORDS = [Word(1.0, 1.4, "yes"), Word(2.0, 2.2, "no"), Word(2.4, 2.6, "no")]


@pytest.mark.parametrize(
    ("heard", "hits", "false_alarms"),
    [
        ([], 0, 0),
        ([(1.2, "yes"), (2.1, "no"), (2.5, "no")], 3, 0),
        ([(1.49, "yes")], 1, 0),
        ([(1.51, "yes")], 0, 1),
        ([(0.9, "yes")], 1, 0),
        ([(1.2, "no")], 0, 1),
        ([(1.1, "yes"), (1.3, "yes")], 1, 1),
        ([(2.3, "no"), (2.31, "no")], 2, 0),
        ([(9.0, "yes"), (9.0, "no")], 0, 2),
    ],
)
def test_each_word_is_found_once_in_its_time(heard, hits, false_alarms):
    score = score_listening([Heard(time, label, 1.0) for time, label in heard], WORDS, 1800)
    assert (score.words, len(score.found), len(score.false_alarms)) == (3, hits, false_alarms)
    assert score.false_alarms_per_hour == 2 * false_alarms
    assert (score.recall, len(score.missed)) == (pytest.approx(hits / 3), 3 - hits)
    assert len(score.delays) == hits
    assert score.f1 == pytest.approx(2 * hits / (3 + hits + false_alarms))
    assert sum(score.of_label(label).words for label in ("yes", "no")) == 3
    both = joined([score, score])
    assert (both.words, both.false_alarms_per_hour) == (6, score.false_alarms_per_hour)


def test_a_composed_recording_has_its_words_where_it_says():
    random = np.random.default_rng(0)
    sounds = list(random.uniform(-0.25, 0.25, (60, 4_000)).astype(np.float32))
    targets = np.arange(60) % 3
    chosen = choose_words(targets, [0, 1], 8, random)
    assert sorted(targets[chosen].tolist()) == [0] * 4 + [1] * 4
    assert len(set(chosen)) == 8
    labels = [("no", "yes")[targets[i]] for i in chosen]
    samples, words = compose([sounds[i] for i in chosen], labels, 8_000, 20, random)
    assert (samples.shape, samples.dtype) == ((20 * 8_000,), np.float32)
    assert [word.label for word in words] == labels
    assert min(b.start - a.end for a, b in itertools.pairwise(words)) >= 0.999
    for word, i in zip(words, chosen, strict=True):
        np.testing.assert_array_equal(samples[round(word.start * 8_000) : round(word.end * 8_000)], sounds[i])
        assert samples[round(word.end * 8_000) :][:800].std() < 0.06
    assert len(choose_words(targets, [0, 1], 90, random)) == 40
    assert choose_words(targets, [0, 5], 90, random) == []


def test_background_is_among_the_noise_between_words():
    random = np.random.default_rng(0)
    samples, _ = compose([np.ones(80)] * 3, ["yes"] * 3, 8_000, 60, random, [np.full(400, -0.75)])
    assert 1_000 < (samples == -0.75).sum() < 60 * 8_000 / 2


def test_the_benchmark_writes_a_recording_and_its_words(tmp_path):
    labels = ("no", "yes", "silence")
    root = fill(tmp_path / "words", *(f"{label}/{i}.wav" for label in labels for i in range(40)))
    recording, table = write(tmp_path / "out", load_dataset(f"audio:{root}", 0), "train")
    words = read_words(table)
    assert {word.label for word in words} == {"no", "yes"}
    with open_recording(recording) as opened:
        assert (opened.rate, opened.seconds) == (8_000, 600)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("start,end,label\n2,3,no\n0.5,1,yes\n", [Word(0.5, 1, "yes"), Word(2, 3, "no")]),
        ("label;time\nno; 2.5\nyes;0\n", [Word(0, 0, "yes"), Word(2.5, 2.5, "no")]),
    ],
    ids=["starts and ends", "times"],
)
def test_words_in_the_order_of_their_times(tmp_path, text, words):
    file = tmp_path / "words.csv"
    file.write_text(text)
    assert read_words(file) == words


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("start,label\n1,yes\n", "has no column 'end'; wanted label, and start and end or else time, in seconds"),
        ("begin,label\n1,yes\n", "has no column 'time'"),
        ("time,word\n1,yes\n", "has no column 'label'"),
        ("time,label\n", "at least one row"),
        ("start,end,label\n1,2,no\n2,1,yes\n", "line 3: the word ends before it starts"),
        ("start,end,label\nsoon,later,yes\n", "column 'start', line 2: wanted seconds"),
        ("start,end,label\n1,,yes\n2,3,no\n", "column 'end', line 2: wanted seconds"),
        ("time,label\n1,yes\n-1,no\n", "column 'time', line 3: wanted seconds"),
        ("time,label\n1,yes\nnan,no\n", "line 3: 'nan' is not a finite number"),
        ("time,label\n1,yes\n2,\n", "line 3: the label is empty"),
    ],
    ids=["no end", "no time", "no label", "no rows", "backwards", "text", "a gap", "negative", "nan", "empty label"],
)
def test_a_table_of_words_that_makes_no_sense(tmp_path, text, message):
    file = tmp_path / "words.csv"
    file.write_text(text)
    with pytest.raises(DataError, match=message):
        read_words(file)
