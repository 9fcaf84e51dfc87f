"""`zoo evaluate BUNDLE RECORDING`: words found, misses and false alarms, of recordings with their words beside them."""

from __future__ import annotations

import json

import numpy as np
import pytest

from runtime.audio.wav import encode_wav
from tests.mobile_demo.ears import RATE, export_ears, export_streaming_ears, sounds

SOUNDS = sounds(
    ("silence", 0.5), ("low", 0.5), ("silence", 1), ("high", 0.5), ("silence", 1), ("low", 0.5), ("silence", 1)
)
WORDS = "time,label\n2.25,high\n3.75,low\n0.75,low\n4.5,silence\n"


@pytest.fixture(scope="session")
def ears(once):
    return once("ears/ears", export_ears)


@pytest.fixture(scope="session")
def streaming_ears(once):
    return once("streaming-ears/streaming-ears", export_streaming_ears)


@pytest.fixture
def recording(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "long.csv").write_text(WORDS)
    (tmp_path / "long.wav").write_bytes(encode_wav(SOUNDS.astype(np.float32), RATE))
    return tmp_path / "long.wav"


@pytest.mark.parametrize("bundle", ["ears", "streaming_ears"])
def test_all_words_of_a_recording_are_found(bundle, recording, cli, request):
    answer = cli("evaluate", request.getfixturevalue(bundle), recording, "--json")
    assert answer.status == 0, answer.err
    report = json.loads(answer.out)
    figures = {"words": 3, "found": 3, "missed": 0, "recall": 1.0, "false_alarms": 0, "false_alarms_per_hour": 0.0}
    assert {key: report[key] for key in figures} == figures
    assert report["seconds"] == 5.0
    assert {label: counts["found"] for label, counts in report["labels"].items()} == {"low": 2, "high": 1}
    assert json.loads((recording.parent / report["folder"] / "metrics.json").read_text())["found"] == 3


def test_misses_and_false_alarms_have_their_labels_and_times(ears, recording, cli):
    words = recording.parent / "others.csv"
    words.write_text("start,end,label\n0.5,1,low\n2,2.5,low\n")
    answer = cli("evaluate", ears, recording, "--annotations", words, "--json")
    report = json.loads(answer.out)
    assert (report["words"], report["found"], report["missed"], report["false_alarms"]) == (2, 1, 1, 2)
    assert report["false_alarms_per_hour"] == 2 * 3600 / 5
    (single,) = report["recordings"]
    assert single["misses"] == [{"time": 2.25, "label": "low"}]
    assert [(round(alarm["time"], 1), alarm["label"]) for alarm in single["alarms"]] == [(2.2, "high"), (3.8, "low")]


def test_a_table_for_people_of_several_recordings(ears, recording, cli):
    second = recording.with_name("second.wav")
    second.write_bytes(recording.read_bytes())
    second.with_suffix(".csv").write_text("time,label\n0.75,low\n")
    answer = cli("evaluate", ears, recording.parent, "--out", recording.parent / "out")
    assert answer.status == 0, answer.err
    rows = [line.split() for line in answer.out.splitlines()]
    assert "2 recordings, 10.0 s" in answer.out
    assert ["all", "labels", "4", "4", "100.00%", "0", "2", "720"] in rows
    assert ["high", "1", "1", "100.00%", "0", "1", "360"] in rows


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("time,label\n1,mid\n", "labels that the model doesn't know: mid; it knows: low, high, silence"),
        ("time,label\n5.01,low\n", "a word that ends at 5.01 s, and the recording ends at 5 s"),
        ("time\n1\n", "has no column 'label'"),
        (None, "no such file"),
    ],
    ids=["an unknown label", "after the end", "no label", "no table"],
)
def test_annotations_that_fit_no_recording(ears, recording, cli, words, message):
    table = recording.with_suffix(".csv")
    table.unlink() if words is None else table.write_text(words)
    answer = cli("evaluate", ears, recording)
    assert (answer.status, answer.out) == (2, "")
    assert message in answer.err
    assert "Traceback" not in answer.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "name either a data set with --data, or RECORDINGs"),
        (["long.wav", "--data", "tones"], "name either a data set"),
        (["long.wav", "--split", "test"], "are for data sets"),
        (["--data", "tones", "--annotations", "long.csv"], "--annotations is for a RECORDING"),
        (["long.wav", "long.csv", "--annotations", "long.csv"], "is of one recording, got 2"),
        (["gone.wav", "--annotations", "long.csv"], "gone.wav: can't be read"),
        (["long.csv", "--annotations", "long.csv"], "is no recording that can be read"),
        (["*.flac"], "no such file"),
    ],
)
def test_arguments_that_make_no_sense(ears, recording, cli, arguments, message):
    answer = cli("evaluate", ears, *arguments)
    assert (answer.status, answer.out) == (2, "")
    assert message in answer.err


def test_a_model_that_does_not_listen(trained_bundle, recording, cli):
    answer = cli("evaluate", trained_bundle, recording)
    assert answer.status == 2
    assert "does not listen to long recordings; evaluate it on a data set with --data" in answer.err


def test_a_recording_that_is_shorter_than_its_header_says(ears, recording, cli):
    recording.write_bytes(recording.read_bytes()[:-16_000])
    answer = cli("evaluate", ears, recording)
    assert answer.status == 2
    assert answer.err.count("\n") <= 3
