"""Decisions over time: from the scores of windows of a stream to the labels that are heard, each once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from runtime.errors import shown
from runtime.frozen_dataclass import frozen_dataclass
from runtime.schema import check_types

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

MAX_SMOOTHING = 1000


@frozen_dataclass
class Listening:
    """How labels are told from the scores of a stream.

    Args:
        step: Samples from one look at the stream to the next.
        delay: Samples from the middle of a word to the end of the audio that gives it its highest score.
        smoothing: How many looks' scores are averaged.
        threshold: The average score from which on a label is heard, above 0 to 1.
        refractory: Seconds after a label in which the same label is not heard again.
        ignored: Labels that stand for nothing of interest, such as silence.
    """

    step: int
    delay: int
    smoothing: int = 3
    threshold: float = 0.6
    refractory: float = 0.5
    ignored: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check the types and ranges."""
        check_types(self)
        if self.step < 1 or self.delay < 0 or not 1 <= self.smoothing <= MAX_SMOOTHING:
            raise ValueError(
                f"listening needs a step above 0, a delay of 0 or more and smoothing of 1 to {MAX_SMOOTHING}, "
                f"got {self.step}, {self.delay} and {self.smoothing}"
            )
        if not 0 < self.threshold <= 1 or not 0 <= self.refractory <= 3600:
            raise ValueError(
                "listening needs a threshold above 0 to 1 and 0 to 3600 s of refractory time, "
                f"got {self.threshold} and {self.refractory}"
            )

    def check_labels(self, labels: tuple[str, ...]) -> None:
        """Check that labels are left to be heard.

        Raises:
            ValueError: If `ignored` holds one that is none, or all of them.
        """
        for label in self.ignored:
            if label not in labels:
                raise ValueError(f"listening ignores {shown(label)}, which is none of the labels")
        if set(labels) <= {*self.ignored}:
            raise ValueError("listening ignores every label")


@frozen_dataclass
class Heard:
    """A label that was heard.

    Args:
        time: Its middle, in seconds from the start of the stream.
        label: The label.
        score: The highest average score that it had, 0 to 1.
    """

    time: float
    label: str
    score: float

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON values; the time to a millisecond."""
        return {"time": round(self.time, 3), "label": self.label, "score": round(self.score, 6)}


class Decisions:
    """Labels from the scores of a stream.

    A label is heard while its average score is the highest and at least the threshold. It is told when that ends, with
    the middle of that time, each look weighted by its score.

    Args:
        listening: The rules.
        labels: What the scores stand for.
        rate: Samples per second, in Hz.
    """

    def __init__(self, listening: Listening, labels: tuple[str, ...], rate: int) -> None:
        self.rules, self.labels, self.rate = listening, labels, rate
        self.recent = np.zeros((listening.smoothing - 1, len(labels)))
        """The scores of the looks before, which the next average has too; zeros before the first look."""
        self.looks = 0
        self.last: dict[str, float] = {}
        self.label, self.weight, self.moment, self.peak = "", 0.0, 0.0, 0.0

    def push(self, ends: Sequence[int], scores: NDArray[np.float32]) -> list[Heard]:
        """Take the scores ``float32 [looks, labels]`` of audio that ends with these samples; return what ended there.

        Many looks at a time take less time than one after the other.
        """
        averages = self.averages(scores)
        looks = zip(ends, averages.argmax(1).tolist(), averages.max(1).tolist(), strict=True)
        return [heard for look in looks if (heard := self.decide(*look))]

    def averages(self, scores: NDArray[np.float32]) -> NDArray[np.float64]:
        """Take the scores ``float32 [looks, labels]`` of the next looks; return their averages, as `decide` needs."""
        count, smoothing = len(scores), self.rules.smoothing
        known = np.concatenate([self.recent, scores])
        sums = np.zeros(scores.shape)
        for start in range(smoothing):
            sums += known[start : start + count]
        numbers = np.arange(self.looks + 1, self.looks + count + 1)
        self.recent, self.looks = known[count:], self.looks + count
        return np.asarray(sums / np.minimum(numbers, smoothing)[:, None])

    def decide(self, end: int, best: int, score: float) -> Heard | None:
        """Take the highest average `score` of the audio that ends with sample `end`, and the number of its label."""
        label = self.labels[best] if score >= self.rules.threshold else ""
        label = "" if label in self.rules.ignored else label
        heard = None
        if label != self.label:
            heard = self.flush()
            self._start(label)
        if label:
            self.weight += score
            self.moment += score * end
            self.peak = max(self.peak, score)
        return heard

    def flush(self) -> Heard | None:
        """Return the label that is heard as the stream ends."""
        label, rules = self.label, self.rules
        if not label:
            return None
        # the average of several looks is as old as the middle one of them
        late = rules.delay + rules.step * (rules.smoothing - 1) / 2
        time = max(0.0, (self.moment / self.weight - late) / self.rate)
        again = time - self.last.get(label, -np.inf) < rules.refractory
        self.last[label] = time
        score = self.peak
        self._start("")
        return None if again else Heard(time, label, score)

    def _start(self, label: str) -> None:
        self.label, self.weight, self.moment, self.peak = label, 0.0, 0.0, 0.0
