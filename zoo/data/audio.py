"""Your own recordings, `audio:PATH`: one folder per word, or LABEL_speaker_take.wav; wav, flac, ogg or mp3."""

from __future__ import annotations

import warnings
from pathlib import Path

from runtime.audio.decoding import RECORDINGS
from runtime.errors import DataError, InputError, InputNote
from runtime.humanize import counted
from zoo.data import Audio, Classes, Dataset
from zoo.data._class_folders import OUTSIDE, check_printable, class_labels, find_parts, list_files, to_splits
from zoo.data._groups import shared_groups
from zoo.data._recordings import measure, name_label, with_speakers
from zoo.files import warn_of_skipped

BACKGROUND = ("silence", "noise", "background", "background_noise", "unknown")
"""Labels that stand for no word, in any case and between any underscores."""
MOST_NAMES = 5


def load(path: Path | None, seed: int) -> Dataset:
    """Return the recordings below `path`, of which the headers are read.

    Files in folders bear the folders' names, and their speaker is told by names such as ``speaker_take.wav``,
    ``LABEL_speaker_take.wav`` and ``speaker_nohash_take.wav``. Where more files lie beside than in the folders, those
    named ``LABEL_speaker_take.wav`` are the data.

    Raises:
        DataError: If there is no such folder, or nothing in it is labeled.
        MissingExtraError: If a file is FLAC, Ogg or MP3, and soundfile is not installed.
    """
    if path is None:
        raise DataError("audio needs a path, a folder with one folder per word in it: audio:PATH")
    skipped: dict[str, list[str]] = {}
    parts = find_parts(path, skipped)
    in_folders = {name: list_files(part, RECORDINGS, skipped) for name, part in parts.items()}
    labels, listed = class_labels(path, parts), in_folders
    if len(skipped.get(OUTSIDE, ())) > sum(map(len, in_folders.values())):
        skipped = {}
        parts = find_parts(path, skipped)
        unnamed = "in no class folder and not named LABEL_speaker_take"
        listed = {name: list_files(part, RECORDINGS, skipped, name_label, unnamed) for name, part in parts.items()}
        labels = tuple(sorted({label for files in listed.values() for label in files.values()}))
        check_printable(path, labels, "the label in the file names")
    if not any(listed.values()):
        raise DataError(
            f"{path}: has no labeled recordings; put those of each word into a folder named after it, or name them "
            "LABEL_speaker_take.wav"
        )
    warn_of_skipped(skipped)
    background = tuple(label for label in labels if label.strip("_").lower() in BACKGROUND)
    splits, group = with_speakers(to_splits(listed, labels, seed), labels, background)
    dataset = Dataset(
        name=path.resolve().name,
        content=Audio(*measure([file for files in listed.values() for file in files]), background),
        target=Classes(labels),
        splits=splits,
        source="a folder of recordings",
        licence="not stated",
        group=group,
    )
    _warn_of_shared(dataset, {*parts} - {"train"})
    return dataset


def _warn_of_shared(dataset: Dataset, own: set[str]) -> None:
    """Warn of speakers that the user's own splits share."""
    for split in ("validation", "test"):
        if split in own and (shared := shared_groups(dataset, split)):
            names = ", ".join(shared[:MOST_NAMES]) + (", …" if len(shared) > MOST_NAMES else "")
            count = f"{counted(len(shared), dataset.group)} {'is' if len(shared) == 1 else 'are'}"
            advice = f"; --set group={dataset.group} splits training and validation anew" * (split == "validation")
            text = f"{dataset.name}: {count} in train and in {split} ({names}): its figures tell nothing of strangers"
            warnings.warn(str(InputError(text + advice)), InputNote, stacklevel=3)
