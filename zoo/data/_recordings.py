"""Files of recordings: their label and speaker by their names, the commonest rate and the usual length."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

from runtime.audio.decoding import open_recording
from runtime.errors import InputError
from zoo.data import Split

MAX_RATE = 16_000
"""What networks need of speech, in Hz; a network may be told to take more."""
FITTING_SHARE = 0.95
SPEAKER = "speaker"


def measure(files: Sequence[Path]) -> tuple[int, float]:
    """Return the commonest rate of recordings, `MAX_RATE` at most, and a length in seconds that 95 % of them fit in.

    The headers alone are read. Files that can't be opened don't count: who reads them tells of them.

    Raises:
        MissingExtraError: If a file is FLAC, Ogg or MP3, and soundfile is not installed.
    """
    rates: Counter[int] = Counter()
    lengths: list[float] = []
    for file in files:
        try:
            with open_recording(file) as recording:
                rates[recording.rate] += 1
                lengths += [recording.seconds] if recording.seconds else []
        except InputError:
            continue
    rate = max(rates, key=lambda rate: (rates[rate], rate), default=MAX_RATE)
    length = sorted(lengths or [1.0])[math.ceil(FITTING_SHARE * (len(lengths) or 1)) - 1]
    return min(rate, MAX_RATE), max(0.1, math.ceil(round(10 * length, 6)) / 10)


def name_label(file: Path) -> str | None:
    """Return the label of a file that is named ``LABEL_speaker_take`` and lies in no folder; None for others."""
    label, *speaker_and_take = file.stem.rsplit("_", 2)
    return label if label and len(speaker_and_take) == 2 and all(speaker_and_take) and len(file.parts) == 1 else None


def name_speaker(file: Path, label: str) -> str | None:
    """Return the speaker of a file by its name; None where it doesn't tell.

    Args:
        file: Named ``LABEL_speaker_take``, ``speaker_take`` with digits for the take, or ``speaker_nohash_take``.
        label: Its label.
    """
    if "_nohash_" in file.stem:
        return file.stem.partition("_nohash_")[0] or None
    named = file.stem.startswith(f"{label}_")
    speaker, _, take = file.stem.removeprefix(f"{label}_").rpartition("_")
    return speaker if speaker and "_" not in speaker and (named or take.isdecimal()) else None


def with_speakers(
    splits: dict[str, Split], labels: Sequence[str], background: Collection[str] = ()
) -> tuple[dict[str, Split], str]:
    """Return splits of files with their speakers as groups, and what the groups are: nothing where names don't tell.

    Args:
        splits: Files, or items with the names of files, with classes as targets.
        labels: All labels.
        background: Labels whose files may have names that tell no speaker; each of these is a group by itself.
    """
    speakers: set[str] = set()
    grouped: dict[str, Split] = {}
    for name, split in splits.items():
        groups = []
        for i, target in enumerate(split.targets.tolist()):
            file = Path(split.name(i))
            speaker = name_speaker(file, labels[target])
            if speaker is not None:
                speakers.add(speaker)
            elif labels[target] not in background:
                return splits, ""
            groups.append(speaker or f"{labels[target]}/{file.name}")
        grouped[name] = replace(split, groups=groups)
    return (grouped, SPEAKER) if len(speakers) > 1 else (splits, "")
