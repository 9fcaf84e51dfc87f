"""The public sets of speech: what is read, held out, downloaded and refused."""

from __future__ import annotations

import hashlib
import shutil
from collections import Counter

import numpy as np
import pytest

from runtime.errors import DataError, InputNote
from tests.zoo.recordings import fill, write
from tests.zoo.server import served
from tests.zoo.test_data_photos import archive
from zoo.data import Audio, Split, load_dataset
from zoo.data._groups import shared_groups, split_by_group
from zoo.data.speech_commands import LABELS, WORDS

NOISES = 2


def digits(root, takes=range(12), speakers=("anna", "ben")):
    return fill(
        root, *(f"{digit}_{speaker}_{take}.wav" for digit in range(10) for speaker in speakers for take in takes)
    )


def test_spoken_digits(tmp_path):
    dataset = load_dataset(f"spoken-digits:{digits(tmp_path / 'some')}", 0)
    assert (dataset.name, dataset.content) == ("spoken-digits", Audio(8_000, 0.5))
    assert dataset.licence == "CC BY-SA 4.0"
    takes = {name: {int(item.stem.split("_")[2]) for item in split.items} for name, split in dataset.splits.items()}
    assert takes == {"train": {6, 7, 8, 9, 11}, "validation": {5, 10}, "test": {0, 1, 2, 3, 4}}
    for split in dataset.splits.values():
        assert [int(item.name[0]) for item in split.items] == split.targets.tolist()
        assert {*split.groups} == {"anna", "ben"}
    assert load_dataset(f"spoken-digits:{tmp_path / 'some'}", 5).origin() == dataset.origin()
    assert shared_groups(split_by_group(dataset, 0)) == []


def test_spoken_digits_may_lack_the_takes_that_are_held_out(tmp_path):
    assert list(load_dataset(f"spoken-digits:{digits(tmp_path, range(5, 8))}", 0).splits) == ["train", "validation"]


def test_held_out_takes_by_themselves_are_a_test(tmp_path):
    dataset = load_dataset(f"spoken-digits:{digits(tmp_path, range(2))}", 0)
    assert dataset.origin().samples == {"train": 0, "validation": 0, "test": 40}


def test_a_folder_without_spoken_digits(tmp_path):
    with pytest.raises(DataError, match="none: no such folder"):
        load_dataset(f"spoken-digits:{tmp_path / 'none'}", 0)
    fill(tmp_path, "yes_anna_1.wav", "1_anna_b.wav")
    with pytest.raises(DataError, match=r"holds no recordings named DIGIT_speaker_TAKE\.wav"):
        load_dataset(f"spoken-digits:{tmp_path}", 0)
    fill(tmp_path, "1_anna_7.wav")
    with pytest.warns(InputNote, match=r"2 not named DIGIT_speaker_TAKE.wav \(.*1_anna_b.wav"):
        load_dataset(f"spoken-digits:{tmp_path}", 0)


def commands(root):
    """Write nine speakers' takes of 13 words; one speaker is listed for validation, another for test."""
    for word in (*WORDS, "bed", "cat", "five"):
        fill(root, *(f"{word}/{speaker}_nohash_{take}.wav" for speaker in range(9) for take in range(2)))
    for number in range(NOISES):
        write(root / "_background_noise_" / f"noise {number}.wav", 12, 16_000)
    for name, speaker in (("validation", 7), ("testing", 8)):
        lines = [f"{word}/{speaker}_nohash_{take}.wav" for word in (*WORDS, "bed", "cat", "five") for take in range(2)]
        (root / f"{name}_list.txt").write_text("\n".join(lines) + "\n")
    return root


def test_speech_commands(tmp_path):
    root = commands(tmp_path / "commands")
    dataset = load_dataset(f"speech-commands:{root}", 0)
    assert (dataset.content, dataset.target.labels) == (Audio(16_000, 1.0, ("unknown", "silence")), LABELS)
    for name, count in (("train", 14), ("validation", 2), ("test", 2)):
        assert dataset.balance()[name] == dict.fromkeys(LABELS, count)
    assert dataset.group == "speaker"
    assert not shared_groups(dataset) and not shared_groups(dataset, "test")
    for name, split in dataset.splits.items():
        others = {item.parent.name for item, target in zip(split.items, split.targets, strict=True) if target == 10}
        assert others <= {"bed", "cat", "five"}
        for item in (item for item, target in zip(split.items, split.targets, strict=True) if target == 11):
            assert (item.dtype, item.shape) == (np.float32, (16_000,)), name
    other = load_dataset(f"speech-commands:{root}", 1)
    assert other.origin().fingerprint != dataset.origin().fingerprint
    assert identity(other.splits["test"]) == identity(dataset.splits["test"])


def identity(split: Split) -> Counter:
    return Counter(str(item) if not isinstance(item, np.ndarray) else item.tobytes() for item in split.items)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda root: (root / "testing_list.txt").unlink(), "testing_list.txt: can't be read"),
        (
            lambda root: (root / "validation_list.txt").write_bytes(b"\xff\xfe\x00"),
            "validation_list.txt: can't be read",
        ),
        (lambda root: shutil.rmtree(root / "stop"), "has no folder of recordings named 'stop'"),
        (lambda root: shutil.rmtree(root / "_background_noise_"), "has no recordings of noise in _background_noise_"),
        (lambda root: (root / "_background_noise_" / "noise 0.wav").write_bytes(b"RIFF"), "noise 0.wav: .*truncated"),
    ],
    ids=["no list", "no text", "no word", "no noise", "bad noise"],
)
def test_a_damaged_folder_of_speech_commands(tmp_path, damage, message):
    root = commands(tmp_path)
    damage(root)
    with pytest.raises(DataError, match=message):
        load_dataset(f"speech-commands:{root}", 0)


@pytest.fixture
def server(tmp_path, monkeypatch):
    """Archives of both sets on a server, in a true layout."""
    files = tmp_path / "server"
    files.mkdir()
    made = tmp_path / "made" / "free-spoken-digit-dataset-1.0.9"
    digits(made / "recordings", range(4, 7))
    spoken = archive(files / "v1.0.9.tar.gz", made)
    words = archive(files / "speech_commands_v0.02.tar.gz", *sorted(commands(tmp_path / "made" / "commands").iterdir()))
    monkeypatch.setenv("EDGEZOO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    with served(files) as address:
        for module, file in (("spoken_digits", spoken), ("speech_commands", words)):
            monkeypatch.setattr(f"zoo.data.{module}.URL", f"{address}{file.name}")
            monkeypatch.setattr(f"zoo.data.{module}.SHA256", hashlib.sha256(file.read_bytes()).hexdigest())
        yield files


@pytest.mark.parametrize(("source", "count"), [("spoken-digits", 60), ("speech-commands", 12 * 18)])
def test_what_is_missing_is_downloaded_once(source, count, server):
    dataset = load_dataset(source, 0)
    assert sum(dataset.origin().samples.values()) == count
    for file in server.iterdir():
        file.unlink()
    assert load_dataset(source, 0).origin() == dataset.origin()


@pytest.mark.parametrize("source", ["spoken-digits", "speech-commands"])
def test_a_download_that_came_wrong_is_refused_and_not_kept(source, server, tmp_path):
    for file in server.iterdir():
        file.write_bytes(file.read_bytes()[:-50])
    with pytest.raises(DataError, match=f"{source} can't be downloaded .*not the file that is known.* {source}:PATH"):
        load_dataset(source, 0)
    assert [*(tmp_path / "cache").iterdir()] == []
