"""The worst mistakes of a model on a data set, and a picture of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from runtime.decode import decode
from runtime.inputs import SequenceInput
from runtime.tasks import Forecasting

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from runtime.spec import ModelSpec
    from zoo.data import Split
    from zoo.tasks import Task

MOST = 12
PICTURE = "worst.png"


@dataclass(frozen=True)
class Answers:
    """What a model was given and gave.

    Args:
        spec: The model's input and task.
        split: The raw items, which have names.
        seen: What the model was given, ``[samples, *input.shape]``.
        raw: Raw outputs ``float32 [samples, *output.shape]``.
        targets: What is right, ``[samples, ...]``.
    """

    spec: ModelSpec
    split: Split
    seen: NDArray[Any]
    raw: NDArray[Any]
    targets: NDArray[Any]


@dataclass(frozen=True)
class Wrong:
    """A wrong answer: of which sample, its name, what was right, what was said, and how wrong that is."""

    place: int
    item: str
    target: str
    answer: str
    badness: float


def worst(known: Task, answers: Answers) -> list[Wrong]:
    """Return at most `MOST` mistakes of a task, the worst first."""
    output = answers.spec.output
    badness = known.badness(output, answers.raw, answers.targets)
    places = [int(i) for i in np.argsort(-badness, kind="stable")[:MOST] if badness[i] > 0]
    said = decode(output, answers.raw[places], answers.seen[places], 1) if places else []
    return [
        Wrong(
            i,
            answers.split.name(i),
            known.written(output, answers.targets[i]),
            each.summary,
            float(badness[i]),
        )
        for i, each in zip(places, said, strict=True)
    ]


def drawn(found: Sequence[Wrong], answers: Answers, title: str) -> dict[str, bytes]:
    """Return a PNG of mistakes by its file name; nothing without mistakes, or of a table's rows.

    Args:
        found: The mistakes.
        answers: Among which they are.
        title: Whose they are.
    """
    if not found or answers.seen.ndim < 3:
        return {}
    from zoo.measure import plots

    places = [wrong.place for wrong in found]
    names = ["/".join(Path(wrong.item).parts[-2:]) for wrong in found]
    title = f"{title}: the worst mistakes"
    output = answers.spec.output
    if isinstance(output, Forecasting):
        came, said = answers.targets[places], answers.raw[places]
        captions = [
            f"{name}\noff by {wrong.badness:.3g} {output.unit}" for name, wrong in zip(names, found, strict=True)
        ]
        return {
            PICTURE: plots.forecast_gallery(
                _histories(answers, places), came, said, captions, f"{title}, {output.target}"
            )
        }
    captions = [f"{name}\n{wrong.target} →\n{wrong.answer}" for name, wrong in zip(names, found, strict=True)]
    return {PICTURE: plots.gallery(list(answers.seen[places]), captions, title)}


def _histories(answers: Answers, places: Sequence[int]) -> list[NDArray[Any]]:
    """Return the target's last values before each forecast; empty where it is none of the features."""
    taken, output = answers.spec.input, answers.spec.output
    if isinstance(taken, SequenceInput) and isinstance(output, Forecasting) and output.target in taken.features:
        known = max(24, 2 * output.horizon)
        return list(answers.seen[places, -known:, taken.features.index(output.target)])
    return [np.empty(0)] * len(places)
