"""The worst mistakes of a model on a data set, and a picture of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from runtime.inputs import AudioInput, SequenceInput
from runtime.tasks import Forecasting
from runtime.tensors import single

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from zoo.measure.answers import Answers
    from zoo.tasks import Task

MOST = 12
PICTURE = "worst.png"


@dataclass(frozen=True)
class Mistake:
    """A wrong answer.

    Args:
        index: The sample's place in the split.
        item: The sample's name.
        target: The right answer.
        answer: The model's answer.
        severity: How wrong that is; above 0.
    """

    index: int
    item: str
    target: str
    answer: str
    severity: float

    def to_dict(self) -> dict[str, Any]:
        """Return the mistake as reports have it."""
        return {
            "place": self.index,
            "item": self.item,
            "target": self.target,
            "answer": self.answer,
            "badness": self.severity,
        }


def find_mistakes(known: Task, answers: Answers) -> list[Mistake]:
    """Return at most `MOST` mistakes of a task, the worst first."""
    output = answers.spec.output
    severity = known.severity(output, answers.raw, answers.targets)
    indices = [int(i) for i in np.argsort(-severity, kind="stable")[:MOST] if severity[i] > 0]
    return [
        Mistake(
            i,
            answers.split.name(i),
            known.written(output, answers.targets[i]),
            prediction.summary,
            float(severity[i]),
        )
        for i, prediction in zip(indices, answers.predictions(indices), strict=True)
    ]


def draw_mistakes(mistakes: Sequence[Mistake], answers: Answers, title: str) -> dict[str, bytes]:
    """Return a PNG of mistakes by its file name; nothing without mistakes, or of a table's rows.

    Args:
        mistakes: The mistakes.
        answers: Among which they are.
        title: The model and the data set.
    """
    drawable = answers.seen.ndim > 2 or isinstance(answers.spec.input, AudioInput)
    if not mistakes or not drawable:
        return {}
    from zoo.report import plots

    indices = [mistake.index for mistake in mistakes]
    names = ["/".join(Path(mistake.item).parts[-2:]) for mistake in mistakes]
    title = f"{title}: the worst mistakes"
    output = answers.spec.output
    if isinstance(output, Forecasting):
        targets, forecasts = answers.targets[indices], single(answers.raw)[indices]
        captions = [
            f"{name}\noff by {mistake.severity:.3g} {output.unit}"
            for name, mistake in zip(names, mistakes, strict=True)
        ]
        return {
            PICTURE: plots.forecast_gallery(
                _histories(answers, indices), targets, forecasts, captions, f"{title}, {output.target}"
            )
        }
    captions = [f"{name}\n{mistake.target} →\n{mistake.answer}" for name, mistake in zip(names, mistakes, strict=True)]
    return {PICTURE: plots.gallery(answers.shown(indices), captions, title)}


def _histories(answers: Answers, indices: Sequence[int]) -> list[NDArray[Any]]:
    """Return the target's last values before each forecast; empty where it is none of the features."""
    input_spec, output = answers.spec.input, answers.spec.output
    if (
        isinstance(input_spec, SequenceInput)
        and isinstance(output, Forecasting)
        and output.target in input_spec.features
    ):
        known = max(24, 2 * output.horizon)
        return list(answers.seen[indices, -known:, input_spec.features.index(output.target)])
    return [np.empty(0)] * len(indices)
