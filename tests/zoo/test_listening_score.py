"""Words found and missed, and false alarms: in made-up answers, and in a recording that is composed."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from benchmarks.listening import compose
from runtime.audio.decoding import open_recording
from runtime.audio.listening import Heard
from runtime.errors import DataError
from tests.zoo.recordings import fill
from zoo.data import load_dataset
from zoo.measure.listening import Word, read_words, score_listening

WORDS = [Word(1.0, 1.4, "yes"), Word(2.0, 2.2, "no"), Word(2.4, 2.6, "no")]


@pytest.mark.parametrize(
    ("heard", "found", "false_alarms"),
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
def test_each_word_is_found_once_in_its_time(heard, found, false_alarms):
    score = score_listening([Heard(time, label, 1.0) for time, label in heard], WORDS, 1800)
    assert (score.words, score.found, score.false_alarms) == (3, found, false_alarms)
    assert score.false_alarms_per_hour == 2 * false_alarms
    assert score.missed == pytest.approx(1 - found / 3)
    assert len(score.delays) == found


def test_a_composed_recording_has_its_words_where_the_table_says(tmp_path):
    labels = ("no", "yes", "silence")
    root = fill(tmp_path / "words", *(f"{label}/{i}.wav" for label in labels for i in range(30)))
    dataset = load_dataset(f"audio:{root}", 0)
    recording, table = compose(tmp_path / "out", dataset, seconds=20, words=8)
    words = read_words(table)
    assert sorted(word.label for word in words) == ["no"] * 4 + ["yes"] * 4
    assert min(b.start - a.end for a, b in itertools.pairwise(words)) >= 0.999
    with open_recording(recording) as opened:
        assert (opened.rate, opened.frames) == (8_000, 20 * 8_000)
        samples = np.concatenate([*opened.blocks])[:, 0]
    for word in words:
        assert word.end - word.start == pytest.approx(0.5, abs=1e-3)
        assert 0.1 < samples[round(word.start * 8_000) : round(word.end * 8_000)].std() < 0.2
        assert samples[round(word.end * 8_000) + 8 :][:800].std() < 0.06
    again = compose(tmp_path / "again", dataset, seconds=20, words=8)
    assert [file.read_bytes() for file in again] == [recording.read_bytes(), table.read_bytes()]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("start,label\n1,yes\n", "has no column 'end'; wanted start and end in seconds, and label"),
        ("start,end,label\n2,1,yes\n", "the end after the start"),
        ("start,end,label\nsoon,later,yes\n", "start and end must be times"),
        ("start,end,label\n1,,yes\n2,3,no\n", "start and end must be times"),
    ],
    ids=["no end", "backwards", "no numbers", "a gap"],
)
def test_a_table_of_words_that_makes_no_sense(tmp_path, text, message):
    file = tmp_path / "words.csv"
    file.write_text(text)
    with pytest.raises(DataError, match=message):
        read_words(file)
