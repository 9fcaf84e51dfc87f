"""Recordings as training data: what is a word, a speaker and a split, and how bad files are told."""

from __future__ import annotations

import struct
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import export
from runtime.audio.resampling import Resampling
from runtime.audio.wav import encode_wav
from runtime.errors import DataError, InputNote, MissingExtraError, OptionError
from runtime.inputs import AudioInput
from tests.zoo.recordings import RATE, fill, write
from zoo.data import Audio, Classes, Split, fold, load_dataset
from zoo.data._groups import check_group, shared_groups, split_by_group
from zoo.measure.evaluate import evaluate
from zoo.tasks import task
from zoo.train.config import TrainConfig, resolve
from zoo.train.plan import plan
from zoo.train.prepare import prepare

INPUT = AudioInput("audio", "audio", RATE, RATE, Resampling())


def takes(speakers="abcd", labels=("no", "yes"), count=3):
    return [f"{label}_{speaker}_{take}.wav" for label in labels for speaker in speakers for take in range(count)]


def names(split: Split) -> set[str]:
    return {item.name for item in split.items}


def test_a_folder_per_word(tmp_path):
    root = fill(tmp_path / "words", *(f"{label}/{i}.wav" for label in ("no", "yes", "_silence_") for i in range(5)))
    dataset = load_dataset(f"audio:{root}", 0)
    assert dataset.target == Classes(("_silence_", "no", "yes"))
    assert (dataset.name, dataset.content, dataset.group) == ("words", Audio(RATE, 0.5, ("_silence_",)), "")
    assert dataset.origin().samples == {"train": 12, "validation": 3}
    for split in dataset.splits.values():
        assert [item.parent.name for item in split.items] == [dataset.target.labels[target] for target in split.targets]


def test_names_tell_word_and_speaker(tmp_path):
    root = fill(tmp_path, *takes(), "notes/readme.wav")
    with pytest.warns(InputNote, match="1 in no class folder and not named LABEL_speaker_take"):
        dataset = load_dataset(f"audio:{root}", 0)
    assert (dataset.target, dataset.group) == (Classes(("no", "yes")), "speaker")
    assert dataset.origin().samples == {"train": 20, "validation": 4}
    for split in dataset.splits.values():
        assert [item.name.split("_")[1] for item in split.items] == split.groups
        assert [item.name.split("_")[0] for item in split.items] == [dataset.target.labels[t] for t in split.targets]


@pytest.mark.parametrize(
    ("files", "speakers"),
    [
        (["yes/anna_1.wav", "yes/ben_2.wav", "no/anna_3.wav", "no/ben_1.wav"], {"anna", "ben"}),
        (
            ["yes/0a1b_nohash_0.wav", "yes/2c_nohash_1.wav", "no/0a1b_nohash_0.wav", "no/2c_nohash_0.wav"],
            {"0a1b", "2c"},
        ),
        (["yes/yes_anna_x.wav", "yes/yes_ben_y.wav", "no/no_anna_x.wav", "no/no_ben_x.wav"], {"anna", "ben"}),
        (["yes/yes_1.wav", "yes/yes_2.wav", "no/no_1.wav", "no/no_2.wav"], set()),
        (["yes/clip_1.wav", "yes/clip_2.wav", "no/clip_1.wav", "no/clip_2.wav"], set()),
        (["yes/green_frog.wav", "yes/red_fox.wav", "no/anna_1.wav", "no/ben_1.wav"], set()),
    ],
    ids=["speaker and take", "Speech Commands", "all three", "no speaker", "one name for all", "other names"],
)
def test_speakers_in_folders(tmp_path, files, speakers):
    dataset = load_dataset(f"audio:{fill(tmp_path, *files)}", 0)
    assert {group for split in dataset.splits.values() for group in split.groups} == speakers
    assert dataset.group == ("speaker" if speakers else "")


def test_noises_need_no_speaker(tmp_path):
    files = ["yes/a_1.wav", "yes/b_1.wav", "no/a_1.wav", "no/b_1.wav", "noise/rain.wav", "noise/the wind.wav"]
    dataset = load_dataset(f"audio:{fill(tmp_path, *files)}", 0)
    groups = {group for split in dataset.splits.values() for group in split.groups}
    assert groups == {"a", "b", "noise/rain.wav", "noise/the wind.wav"}


def test_the_commonest_rate_and_the_usual_length(tmp_path):
    for i in range(38):
        write(tmp_path / "yes" / f"{i}.wav", 0.61, 44_100)
    write(tmp_path / "no" / "0.wav", 7.0, RATE)
    write(tmp_path / "no" / "1.wav", 0.1, RATE)
    assert load_dataset(f"audio:{tmp_path}", 0).content == Audio(16_000, 0.7)
    for i in range(38):
        write(tmp_path / "no" / f"more{i}.wav", 0.3, RATE)
    assert load_dataset(f"audio:{tmp_path}", 0).content == Audio(RATE, 0.7)


def test_headers_alone_are_read_at_first(tmp_path):
    root = fill(tmp_path, *takes())
    for file in root.iterdir():
        file.write_bytes(file.read_bytes()[:60])
    assert load_dataset(f"audio:{root}", 0).content == Audio(RATE, 0.5)


def test_a_speaker_is_in_one_split_where_asked(tmp_path):
    dataset = load_dataset(f"audio:{fill(tmp_path, *takes())}", 0)
    assert shared_groups(dataset)
    held = []
    for seed in (0, 0, 1, 2, 3):
        parted = split_by_group(dataset, seed)
        assert shared_groups(parted) == []
        assert len({*parted.splits["validation"].groups}) == 1
        assert {*parted.splits["validation"].targets.tolist()} == {0, 1}
        assert names(parted.splits["train"]) | names(parted.splits["validation"]) == {
            file.name for file in tmp_path.iterdir()
        }
        held.append(parted.splits["validation"].groups[0])
    assert held[0] == held[1]
    assert len({*held}) > 1
    assert split_by_group(parted, 7) is parted, "no speaker is in both: nothing to mend"


def test_training_keeps_every_word_where_it_can(tmp_path):
    files = [*takes("abc"), *takes("d", ["maybe"], 6), *takes("e", ["maybe"], 1)]
    dataset = load_dataset(f"audio:{fill(tmp_path, *files)}", 0)
    for seed in range(10):
        parted = split_by_group(dataset, seed)
        assert {*parted.splits["train"].targets.tolist()} == {0, 1, 2}


def test_folds_by_speaker(tmp_path):
    dataset = load_dataset(f"audio:{fill(tmp_path, *takes())}", 0)
    held = [split_by_group(dataset, 3, (i, 2)).splits["validation"] for i in range(2)]
    assert names(held[0]) | names(held[1]) == {file.name for file in tmp_path.iterdir()}
    assert not {*held[0].groups} & {*held[1].groups}
    assert [len({*split.groups}) for split in held] == [2, 2]
    with pytest.raises(DataError, match="5 parts of which each has its own speakers need as many of them; there are 4"):
        split_by_group(dataset, 3, (0, 5))
    assert fold(dataset, 3, 0, 0).splits["validation"].groups, "folds of takes keep the speakers' names"


def test_a_group_that_is_not_known(tmp_path):
    with pytest.raises(
        OptionError, match="'tones' have no 'speaker'; its names tell no groups: leave out group=speaker"
    ):
        check_group(load_dataset("tones", 0), "speaker")
    dataset = load_dataset(f"audio:{fill(tmp_path, *takes())}", 0)
    check_group(dataset, "speaker")
    with pytest.raises(OptionError, match="have no 'person'; write group=speaker, or leave out group=person"):
        check_group(dataset, "person")


def test_own_splits_are_kept_and_shared_speakers_told(tmp_path):
    for part, speakers in (("train", "abc"), ("val", "cd"), ("test", "e")):
        fill(tmp_path, *(f"{part}/{name}" for name in takes(speakers)))
    with pytest.warns(
        InputNote, match=r"1 speaker is in train and in validation \(c\): .*; --set group=speaker splits"
    ):
        dataset = load_dataset(f"audio:{tmp_path}", 0)
    assert {name: {*split.groups} for name, split in dataset.splits.items()} == {
        "test": {"e"},
        "train": {"a", "b", "c"},
        "validation": {"c", "d"},
    }
    parted = split_by_group(dataset, 0)
    assert shared_groups(parted) == []
    assert names(parted.splits["test"]) == names(dataset.splits["test"])


def test_a_word_without_a_file_in_train_is_refused(tmp_path):
    fill(tmp_path, *(f"train/{name}" for name in takes("ab", ["no"])), *(f"val/{name}" for name in takes("cd")))
    dataset = load_dataset(f"audio:{tmp_path}", 0)
    with pytest.raises(DataError, match="no readable samples in train of: yes"):
        prepare(dataset, INPUT, problems=task("binary").problems)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: None, "no such folder"),
        (lambda path: path.write_text("no folder"), "not a folder"),
        (lambda path: path.mkdir(), "has no labeled recordings; put those of each word into a folder named after it"),
        (lambda path: fill(path, "one.wav", "two_1.wav"), "has no labeled recordings"),
        (lambda path: (path / "yes").mkdir(parents=True), "has no labeled recordings"),
    ],
    ids=["missing", "a file", "empty", "other names", "no files"],
)
def test_a_folder_without_labeled_recordings(tmp_path, make, message):
    path = tmp_path / "data"
    make(path)
    with pytest.raises(DataError, match=f"{path}: {message}"):
        load_dataset(f"audio:{path}", 0)


@pytest.mark.parametrize("sign", ["\x1b[31m", "\udcff"])
@pytest.mark.parametrize("name", ["{}/a_1.wav", "{}_a_1.wav"], ids=["folder", "file"])
def test_labels_that_can_not_be_printed_are_refused(tmp_path, sign, name):
    fill(tmp_path, name.format(sign), name.format("no"))
    with pytest.raises(DataError, match=r"the (name of the class folder|label in the file names) .* rename it"):
        load_dataset(f"audio:{tmp_path}", 0)


def test_audio_needs_a_path():
    with pytest.raises(DataError, match="audio:PATH"):
        load_dataset("audio", 0)


def pcm24(file: Path):
    write(file)
    data = file.read_bytes()
    samples = np.zeros((RATE // 2, 3), np.uint8)
    samples[:, 1:] = np.frombuffer(data[44:], np.uint8).reshape(-1, 2)
    head = data[:32] + struct.pack("<HH4sI", 3, 24, b"data", samples.size)
    file.write_bytes(head[:28] + struct.pack("<I", RATE * 3) + head[32:] + samples.tobytes())


def floats(file: Path, samples):
    file.write_bytes(encode_wav(np.array(samples, np.float32), RATE))


GOOD = {
    "8 channels.wav": lambda file: write(file, channels=8),
    "192 kHz.wav": lambda file: write(file, rate=192_000),
    "24 bits.wav": pcm24,
    "floats.wav": lambda file: floats(file, np.random.default_rng(5).uniform(-1, 1, 4000)),
}
BAD = {
    "empty.wav": (lambda file: file.write_bytes(b""), "is empty"),
    "truncated.wav": (lambda file: file.write_bytes(write(file).read_bytes()[:-100]), "truncated: 100 bytes"),
    "cut.wav": (lambda file: file.write_bytes(write(file).read_bytes()[:20]), "truncated"),
    "no samples.wav": (lambda file: write(file, seconds=0), "has no samples"),
    "text.wav": (lambda file: file.write_text("Dear diary, today I spoke."), "no recording that can be read"),
    "nan.wav": (lambda file: floats(file, [0.1, np.nan, 0.2]), "not finite"),
    "loud.wav": (lambda file: floats(file, [0.1, 20_000, 0.2]), "full scale is 1"),
}


@pytest.fixture
def mixed(tmp_path):
    """Two words with good and with bad files, all for training, and one recording that validation has, too."""
    root = fill(
        tmp_path / "mixed",
        *(f"{part}/{label}/{i}.wav" for part in ("train", "val") for label in ("a", "b") for i in (0, 1)),
    )
    for name, make in GOOD.items():
        make(root / "train" / "a" / name)
    for name, (make, _) in BAD.items():
        make(root / "train" / "b" / name)
    (root / "train" / "a" / "copy.wav").write_bytes((root / "val" / "a" / "0.wav").read_bytes())
    return root


def test_bad_recordings_are_listed_in_one_line(mixed):
    dataset = load_dataset(f"audio:{mixed}", 0)
    with pytest.raises(DataError) as caught:
        prepare(dataset, INPUT)
    message = str(caught.value)
    assert "\n" not in message
    for name, (_, why) in BAD.items():
        said = message.partition(f"train/b/{name}: ")[2].partition(str(mixed))[0]
        assert why in said
    assert f"copy.wav: the same recording is in validation ({mixed / 'val/a/0.wav'})" in message
    assert not any(name in message for name in GOOD)
    assert message.startswith(f"mixed: {len(BAD) + 1} problems: ")


def test_bad_recordings_can_be_skipped(mixed):
    prepared = prepare(load_dataset(f"audio:{mixed}", 0), INPUT, skip_bad=True)
    assert names(prepared.dataset.splits["train"]) == {"0.wav", "1.wav", *GOOD}
    assert prepared.inputs["train"].shape == (4 + len(GOOD), RATE)
    assert prepared.inputs["train"].dtype == np.float32
    assert len(prepared.skipped) == len(BAD) + 1


@pytest.mark.parametrize("suffix", ["flac", "ogg", "mp3"])
def test_other_encodings(tmp_path, suffix):
    soundfile = pytest.importorskip("soundfile")
    for label in "ab":
        for take in range(2):
            file = tmp_path / label / f"{take}.{suffix}"
            file.parent.mkdir(exist_ok=True)
            soundfile.write(file, np.random.default_rng(take).uniform(-0.5, 0.5, 11_025), 22_050)
    dataset = load_dataset(f"audio:{tmp_path}", 0)
    assert dataset.content.rate == 16_000
    assert 0.5 <= dataset.content.seconds <= 0.6
    assert prepare(dataset, INPUT).inputs["train"].shape == (2, RATE)


def test_the_library_that_reads_other_encodings_is_named(tmp_path, monkeypatch):
    fill(tmp_path, "a/0.wav", "b/0.wav")
    (tmp_path / "a" / "1.flac").write_bytes(b"fLaC" + bytes(100))
    monkeypatch.setitem(sys.modules, "soundfile", None)
    with pytest.raises(MissingExtraError, match=r"FLAC.*pip install 'edgezoo\[audio\]'"):
        load_dataset(f"audio:{tmp_path}", 0)


def test_tones():
    dataset = load_dataset("tones", 0)
    assert (dataset.content, dataset.target.labels) == (
        Audio(16_000, 1.0, ("silence",)),
        ("tone", "sweep", "clicks", "noise", "silence"),
    )
    assert dataset.origin().samples == {"train": 300, "validation": 100}
    for split in dataset.splits.values():
        for item in split.items:
            assert (item.dtype, item.shape) == (np.float32, (16_000,))
            assert np.abs(item).max() < 1
            assert (item * 2**15 == np.rint(item * 2**15)).all()
        loudness = np.array([np.abs(item).max() for item in split.items])
        assert loudness[split.targets == 4].max() < 0.03 < loudness[split.targets != 4].min()
    assert load_dataset("tones", 0).origin() == dataset.origin() != load_dataset("tones", 1).origin()
    assert dataset.origin().fingerprint.startswith("6c6114ad43f7"), "the same sounds on every machine"


def test_tones_take_no_path(tmp_path):
    with pytest.raises(DataError, match="tones takes no path"):
        load_dataset(f"tones:{tmp_path}", 0)


class Loudness(nn.Module):
    """Tells loud from quiet."""

    def forward(self, clip: torch.Tensor) -> torch.Tensor:
        loudness = clip.square().mean(1, keepdim=True)
        return torch.cat([1e3 * (loudness - 0.01), -1e3 * (loudness - 0.01)], 1)


def test_a_bundle_is_evaluated_on_recordings(tmp_path):
    root = fill(tmp_path / "words", *takes("ab", ("loud", "quiet"), 2))
    for name in ("quiet_a_0.wav", "quiet_a_1.wav", "quiet_b_0.wav"):
        floats(root / name, np.random.default_rng(len(name)).uniform(-0.01, 0.01, 4000) + 1e-4 * ord(name[-5]))
    dataset = split_by_group(load_dataset(f"audio:{root}", 0), 0)
    samples = [item for split in dataset.splits.values() for item in split.items]
    spec = export.ModelSpec("ears", INPUT, export.Classification("classification", "logits", ("loud", "quiet")))
    card = export.Card(data=dataset.origin(), training={"data": "audio:words", "training": {"group": "speaker"}})
    bundle = export.export(Loudness(), spec, samples=samples, out=tmp_path / "ears", formats=["onnx"], card=card)
    text = bundle.bytes("README.md").decode()
    assert "Its validation has no speaker of its training." in text
    whose = "8 recordings of words (a folder of recordings; licence not stated) are in golden.npz"
    assert f"{whose}; a voice among them tells who spoke." in text
    data = f"audio:{root}"
    assert evaluate(bundle.path, data).split == "validation", "the speakers are split as for the training"
    result = evaluate(bundle.path, data, split="all")
    assert result.results["metrics"]["accuracy"] == 7 / 8
    (mistake,) = result.mistakes
    assert (mistake.item, mistake.target) == (str(root / "quiet_b_1.wav"), "quiet")
    assert {"examples.png", "worst.png"} <= {*result.pictures}
    (root / "quiet_c_0.wav").write_bytes(b"RIFF")
    with pytest.raises(DataError, match=r"words: 1 problem: .*quiet_c_0.wav: .*truncated"):
        evaluate(bundle.path, data, split="all")


def test_training_splits_by_speaker_where_asked(tmp_path):
    data = f"audio:{fill(tmp_path / 'words', *takes())}"
    ready = plan(resolve(TrainConfig("keyword", data, settings={"group": "speaker"})))
    assert shared_groups(ready.prepared.dataset) == []
    assert shared_groups(plan(resolve(TrainConfig("keyword", data))).prepared.dataset)
    part = plan(resolve(TrainConfig("keyword", data, settings={"group": "speaker"}, fold=(1, 4)))).prepared.dataset
    assert len({*part.splits["validation"].groups}) == 1
    with pytest.raises(OptionError, match="'tones' have no 'speaker'"):
        plan(resolve(TrainConfig("keyword", "tones", settings={"group": "speaker"})))
