"""How well a model listens to a long recording whose words are known: words found and missed, false alarms per hour."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from runtime.errors import DataError
from zoo.data._tables import read_table

if TYPE_CHECKING:
    from runtime.audio.listening import Heard

TOLERANCE = 0.3
"""Seconds that a label may be heard before or after the middle of its word."""


@dataclass(frozen=True)
class Word:
    """A word in a recording.

    Args:
        start: Where it begins, in seconds.
        end: Where it ends, in seconds.
        label: The word.
    """

    start: float
    end: float
    label: str

    @property
    def middle(self) -> float:
        """The time between its ends, in seconds."""
        return (self.start + self.end) / 2


@dataclass(frozen=True)
class ListeningScore:
    """What was heard of a recording's words.

    Args:
        words: How many words the recording has.
        found: How many of them were heard in time.
        false_alarms: How many labels were heard where there is no such word, or once more.
        hours: The length of the recording.
        delays: Of each word found, how many seconds after its middle it was heard; below 0 before it.
    """

    words: int
    found: int
    false_alarms: int
    hours: float
    delays: tuple[float, ...]

    @property
    def false_alarms_per_hour(self) -> float:
        """The false alarms of an hour."""
        return self.false_alarms / self.hours

    @property
    def missed(self) -> float:
        """The share of words that were not found."""
        return 1 - self.found / self.words


def read_words(path: Path) -> list[Word]:
    """Read the words of a recording from a CSV file with the columns ``start``, ``end`` and ``label``.

    Raises:
        DataError: If the file can't be read, lacks a column, or its times are none.
    """
    table = read_table(path)
    if missing := [name for name in ("start", "end", "label") if name not in table.columns]:
        raise DataError(f"{path}: has no column {missing[0]!r}; wanted start and end in seconds, and label")
    times = [table.numbers(name) for name in ("start", "end")]
    starts, ends = (np.full(1, np.nan) if each is None else each for each in times)
    if not np.isfinite(starts).all() or not np.isfinite(ends).all() or (ends < starts).any():
        raise DataError(f"{path}: start and end must be times in seconds, the end after the start")
    return [Word(*word) for word in zip(starts.tolist(), ends.tolist(), table.columns["label"], strict=True)]


def score_listening(
    heard: Iterable[Heard], words: Sequence[Word], seconds: float, tolerance: float = TOLERANCE
) -> ListeningScore:
    """Compare what was heard with the words of a recording; each word can be found once.

    Args:
        heard: The labels in their order.
        words: The words.
        seconds: The length of the recording.
        tolerance: How far from a word's middle it may be heard, in seconds.
    """
    left, delays, false_alarms = list(words), [], 0
    for each in heard:
        near = [w for w in left if w.label == each.label and abs(each.time - w.middle) <= tolerance]
        if near:
            word = min(near, key=lambda w: abs(each.time - w.middle))
            left.remove(word)
            delays.append(each.time - word.middle)
        else:
            false_alarms += 1
    return ListeningScore(len(words), len(delays), false_alarms, seconds / 3600, tuple(delays))
