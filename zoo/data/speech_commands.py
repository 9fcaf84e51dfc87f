"""Ten words, others and silence (v0.02): `speech-commands:PATH` reads their folder; `speech-commands` downloads it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from runtime.audio.decoding import read_mono
from runtime.audio.resampling import Resampling
from runtime.errors import DataError, InputError, one_line
from runtime.regular_files import MAX_TEXT, read_regular
from zoo.data import Audio, Classes, Dataset, Split
from zoo.data._class_folders import list_files
from zoo.data._download import downloaded, fetch_archive
from zoo.data._recordings import with_speakers
from zoo.files import warn_of_skipped

if TYPE_CHECKING:
    from numpy.typing import NDArray

WORDS = ("yes", "no", "up", "down", "left", "right", "on", "off", "stop", "go")
UNKNOWN, SILENCE = "unknown", "silence"
LABELS = (*WORDS, UNKNOWN, SILENCE)
NOISE = "_background_noise_"
RATE = 16_000
FOLDER = "speech_commands_v0.02"
URL = "http://download.tensorflow.org/data/speech_commands_v0.02.tar.gz"
SHA256 = "af14739ee7dc311471de98f5f9d2c9191b18aedfe957f4a6ff791c709868ff58"
LISTS = {"validation": "validation_list.txt", "test": "testing_list.txt"}
SHARES = {"train": (0.0, 0.8), "validation": (0.8, 0.9), "test": (0.9, 1.0)}
"""The part of each recording of noise from which a split's silence is cut."""


def load(path: Path | None, seed: int) -> Dataset:
    """Return the twelve labels of MLPerf Tiny: ten words, ``unknown`` for others, and ``silence`` for background noise.

    Validation and test are the set's own lists, which hold no speaker of the training. Each split has as many of
    ``unknown`` and of ``silence`` as of a word on average: the one a choice among all other words, the other seconds of
    the noises at random levels. The test's are the same for every seed.

    Raises:
        DataError: If the lists, the words or the noises are missing or damaged, or the set can't be downloaded.
    """
    folder = downloaded(FOLDER, _download, "speech-commands") if path is None else path
    held = {name: _listed(folder / file) for name, file in LISTS.items()}
    skipped: dict[str, list[str]] = {}
    files = list_files(folder, (".wav",), skipped)
    skipped.pop("of other kinds", None)  # its lists, its licence
    warn_of_skipped(skipped)
    words: dict[str, dict[Path, str]] = {name: {} for name in SHARES}
    noises = [file for file, label in files.items() if label == NOISE]
    for file, label in files.items():
        if label != NOISE:
            name = f"{label}/{file.name}"
            split = next((split for split, names in held.items() if name in names), "train")
            words[split][file] = label
    if missing := [word for word in WORDS if word not in {*words["train"].values()}]:
        raise DataError(
            f"{folder}: has no folder of recordings named {missing[0]!r}; give that of Speech Commands v0.02"
        )
    sounds = {file.name: _samples(file) for file in noises}
    if not sounds:
        raise DataError(f"{folder}: has no recordings of noise in {NOISE}")
    splits = {}
    for stream, (name, (start, end)) in enumerate(SHARES.items()):
        random = np.random.default_rng([0 if name == "test" else seed, stream])
        parts = {
            f"{NOISE}/{noise}, {name}": sound[int(start * len(sound)) : int(end * len(sound))]
            for noise, sound in sounds.items()
        }
        splits[name] = _split(words[name], parts, random)
    splits, group = with_speakers(splits, LABELS, (SILENCE,))
    return Dataset(
        name="speech-commands",
        content=Audio(RATE, 1.0, (UNKNOWN, SILENCE)),
        target=Classes(LABELS),
        splits=splits,
        source="Warden: Speech Commands v0.02",
        licence="CC BY 4.0",
        group=group,
    )


def _download(partial: Path) -> None:
    fetch_archive(URL, SHA256, partial, FOLDER)


def _listed(file: Path) -> set[str]:
    """Return the lines of a list, ``word/speaker_nohash_take.wav``."""
    try:
        return {*read_regular(file, MAX_TEXT).decode().split()}
    except (OSError, ValueError) as problem:
        raise DataError(
            f"{file}: can't be read ({one_line(problem)}); give the folder of Speech Commands v0.02"
        ) from None


def _samples(file: Path) -> NDArray[np.float32]:
    try:
        return np.concatenate([*read_mono(file, RATE, Resampling())]).astype(np.float32)
    except InputError as problem:
        raise DataError(str(problem)) from None


def _split(words: dict[Path, str], noises: dict[str, NDArray[np.float32]], random: np.random.Generator) -> Split:
    """Return the wanted words of a split, with as many others, and as many seconds of noise, as of each on average."""
    wanted = [file for file, label in words.items() if label in WORDS]
    others = [file for file, label in words.items() if label not in WORDS]
    count = round(len(wanted) / len(WORDS))
    chosen = sorted(random.permutation(len(others))[:count].tolist())
    kept = [*wanted, *(others[i] for i in chosen)]
    silence, names = _seconds(noises, count, random)
    labels = [words[file] if words[file] in WORDS else UNKNOWN for file in kept] + [SILENCE] * len(silence)
    targets = np.array([LABELS.index(label) for label in labels], np.int64)
    return Split([*kept, *silence], targets, [*map(str, kept), *names])


def _seconds(
    noises: dict[str, NDArray[np.float32]], count: int, random: np.random.Generator
) -> tuple[list[NDArray[np.float32]], list[str]]:
    """Return seconds of noise ``float32 [16000]`` at random levels, and their names."""
    long = [name for name, samples in noises.items() if len(samples) >= RATE]
    silence, names = [], []
    for number in range(count if long else 0):
        name = long[random.integers(len(long))]
        start = random.integers(len(noises[name]) - RATE + 1)
        silence.append(np.float32(random.uniform()) * noises[name][start : start + RATE])
        names.append(f"{name} {number + 1}")
    return silence, names
