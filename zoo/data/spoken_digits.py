"""Spoken English digits (FSDD): `spoken-digits:PATH` reads their folder; `spoken-digits` downloads it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from runtime.errors import DataError
from zoo.data import Audio, Classes, Dataset, Split
from zoo.data._class_folders import list_files
from zoo.data._download import downloaded, fetch_archive
from zoo.data._recordings import measure, name_label, with_speakers
from zoo.files import warn_of_skipped

LABELS = tuple("0123456789")
FOLDER = "free-spoken-digit-dataset-1.0.9"
URL = "https://github.com/Jakobovski/free-spoken-digit-dataset/archive/v1.0.9.tar.gz"
SHA256 = "8bc44cde129d505cbbb6b365c09f80c663f2aa77578afc634e6141a2f87100c0"
TEST_TAKES = range(5)
"""The takes of each speaker and digit that the set itself holds out."""
VALIDATION = 5
"""Every so many-th other take, counted by its number, is validation."""


def load(path: Path | None, seed: int) -> Dataset:
    """Return recordings of one digit each, named ``DIGIT_speaker_TAKE.wav``; their headers are read.

    Takes 0 to 4 of each speaker and digit are the test, where they are there, as the set's authors say; of the others
    those whose number 5 divides are validation. So every speaker is in all splits, and the seed decides nothing.

    Raises:
        DataError: If the folder is missing or holds no such files, or the set can't be downloaded.
    """
    folder = downloaded(FOLDER, _download, "spoken-digits") if path is None else path
    if not folder.is_dir():
        raise DataError(f"{folder}: {'not a folder' if folder.exists() else 'no such folder'}")
    folder = folder / "recordings" if (folder / "recordings").is_dir() else folder
    skipped: dict[str, list[str]] = {}
    files = list_files(folder, (".wav",), skipped, _label, "not named DIGIT_speaker_TAKE.wav")
    if not files:
        raise DataError(f"{folder}: holds no recordings named DIGIT_speaker_TAKE.wav")
    warn_of_skipped(skipped)
    listed: dict[str, list[Path]] = {"train": [], "validation": [], "test": []}
    for file in files:
        listed[_split(file)].append(file)
    splits = {
        name: Split(chosen, np.array([int(files[file]) for file in chosen], np.int64))
        for name, chosen in listed.items()
        if chosen or name != "test"
    }
    splits, group = with_speakers(splits, LABELS)
    return Dataset(
        name="spoken-digits",
        content=Audio(*measure([*files])),
        target=Classes(LABELS),
        splits=splits,
        source="Jackson and others: Free Spoken Digit Dataset",
        licence="CC BY-SA 4.0",
        group=group,
    )


def _download(partial: Path) -> None:
    fetch_archive(URL, SHA256, partial)


def _label(file: Path) -> str | None:
    label = name_label(file)
    return label if label in LABELS and file.stem.rpartition("_")[2].isdecimal() else None


def _split(file: Path) -> str:
    take = int(file.stem.rpartition("_")[2])
    return "test" if take in TEST_TAKES else "validation" if take % VALIDATION == 0 else "train"
