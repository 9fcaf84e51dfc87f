"""How well a model listens to long recordings whose words are known: words found and missed, false alarms per hour."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from runtime.errors import DataError
from runtime.humanize import number
from zoo.data._tables import Table, read_table

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from runtime.audio.listening import Heard, Listening

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
    """What was heard of the words of recordings.

    Args:
        found: The words that were heard in time, each with what was heard.
        missed: The other words.
        false_alarms: What was heard where there is no such word, or once more.
        seconds: The length of the recordings.
    """

    found: tuple[tuple[Word, Heard], ...]
    missed: tuple[Word, ...]
    false_alarms: tuple[Heard, ...]
    seconds: float

    @property
    def words(self) -> int:
        """How many words there are."""
        return len(self.found) + len(self.missed)

    @property
    def recall(self) -> float | None:
        """The share of words that were found; None where there are none."""
        return len(self.found) / self.words if self.words else None

    @property
    def false_alarms_per_hour(self) -> float:
        """The false alarms of an hour."""
        return len(self.false_alarms) / self.seconds * 3600

    @property
    def f1(self) -> float:
        """The harmonic mean of the share of words found and the share of what was heard that is right, 0 to 1."""
        return 2 * len(self.found) / max(1, self.words + len(self.found) + len(self.false_alarms))

    @property
    def delays(self) -> list[float]:
        """Of each word found, how many seconds after its middle it was heard; below 0 before it."""
        return [heard.time - word.middle for word, heard in self.found]

    def of_label(self, label: str) -> ListeningScore:
        """Return the score of one label alone."""
        return ListeningScore(
            tuple(pair for pair in self.found if pair[0].label == label),
            tuple(word for word in self.missed if word.label == label),
            tuple(heard for heard in self.false_alarms if heard.label == label),
            self.seconds,
        )

    def to_dict(self) -> dict[str, float | None]:
        """Return the figures as JSON values."""
        return {
            "words": self.words,
            "found": len(self.found),
            "missed": len(self.missed),
            "recall": self.recall,
            "false_alarms": len(self.false_alarms),
            "false_alarms_per_hour": self.false_alarms_per_hour,
        }


def joined(scores: Sequence[ListeningScore]) -> ListeningScore:
    """Return the score of several recordings together."""
    return ListeningScore(
        tuple(pair for score in scores for pair in score.found),
        tuple(word for score in scores for word in score.missed),
        tuple(heard for score in scores for heard in score.false_alarms),
        sum(score.seconds for score in scores),
    )


def summarize_rules(rules: Listening, figures: Mapping[str, Any], recordings: str) -> str:
    """Return a line on what rules find.

    Args:
        rules: The rules.
        figures: See `ListeningScore.to_dict`, and the recordings' length in ``seconds``.
        recordings: What the recordings are.
    """
    return (
        f"listens  from an average of {rules.threshold:g} over {rules.smoothing} looks on: {figures['found']} of "
        f"{figures['words']} words found, {number(figures['false_alarms_per_hour'], 3)} false alarms an hour, in "
        f"{figures['seconds'] / 60:.0f} minutes of {recordings}"
    )


def read_words(path: Path) -> list[Word]:
    """Read the words of a recording from a CSV file, in the order of their times.

    The column ``label`` holds the words; ``start`` and ``end``, or ``time`` for their middle, hold seconds from the
    start of the recording.

    Raises:
        DataError: If the file can't be read, lacks a column, or a time is none; names the line.
    """
    table = read_table(path)
    names = ("start", "end") if "start" in table.columns or "end" in table.columns else ("time", "time")
    if missing := [name for name in (*names, "label") if name not in table.columns]:
        raise DataError(
            f"{path}: has no column {missing[0]!r}; wanted label, and start and end or else time, in seconds"
        )
    starts, ends = (_times(table, name) for name in names)
    labels = table.columns["label"]
    for wrong, problem in (
        (ends < starts, "the word ends before it starts"),
        (np.array([not label for label in labels]), "the label is empty"),
    ):
        if wrong.any():
            raise DataError(f"{path}: {table.lines_of(np.flatnonzero(wrong).tolist())}: {problem}")
    words = [Word(*word) for word in zip(starts.tolist(), ends.tolist(), labels, strict=True)]
    return sorted(words, key=lambda word: word.middle)


def _times(table: Table, name: str) -> NDArray[np.float64]:
    """Return a column of times.

    Raises:
        DataError: If one is missing, below 0 or no number.
    """
    times = table.numbers(name)
    times = np.full(len(table.lines), np.nan) if times is None else times
    wrong = ~(times >= 0)
    if wrong.any():
        raise DataError(
            f"{table.path}: column {name!r}, {table.lines_of(np.flatnonzero(wrong).tolist())}: wanted seconds from "
            "the start of the recording, 0 or more"
        )
    return times


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
    left, hits, false_alarms = list(words), [], []
    for each in heard:
        near = [w for w in left if w.label == each.label and abs(each.time - w.middle) <= tolerance]
        if near:
            word = min(near, key=lambda w: abs(each.time - w.middle))
            left.remove(word)
            hits.append((word, each))
        else:
            false_alarms.append(each)
    return ListeningScore(tuple(hits), tuple(left), tuple(false_alarms), seconds)
