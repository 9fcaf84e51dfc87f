"""The worst mistakes of a model on a data set, and a picture of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from runtime.decode import decode
from zoo.tasks import task

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from runtime.tasks import Output

MOST = 12
PICTURE = "worst.png"


class Wrong(NamedTuple):
    """A wrong answer: of which sample, what was right, what was said, and how wrong that is."""

    place: int
    target: str
    answer: str
    badness: float


def worst(output: Output, raw: NDArray[Any], targets: NDArray[Any], seen: NDArray[Any]) -> list[Wrong]:
    """Return at most `MOST` mistakes, the worst first.

    Args:
        output: The task.
        raw: Raw outputs ``float32 [samples, *output.shape]``.
        targets: What is right, ``[samples, ...]``.
        seen: What the model was given, ``[samples, *input.shape]``.
    """
    known = task(output.task)
    badness = known.badness(output, raw, targets)
    places = [int(i) for i in np.argsort(-badness, kind="stable")[:MOST] if badness[i] > 0]
    answers = decode(output, raw[places], seen[places], 1) if places else []
    return [
        Wrong(i, known.written(output, targets[i]), answer.summary, float(badness[i]))
        for i, answer in zip(places, answers, strict=True)
    ]


def drawn(found: Sequence[Wrong], seen: NDArray[Any], name: str) -> dict[str, bytes]:
    """Return a PNG of mistakes by its file name; nothing without mistakes, or of a table's rows.

    Args:
        found: The mistakes.
        seen: What the model was given, ``[samples, *input.shape]``.
        name: The model's name.
    """
    if not found or seen.ndim < 3:
        return {}
    from zoo import plots

    captions = [f"{wrong.target} → {wrong.answer}" for wrong in found]
    return {PICTURE: plots.gallery(seen[[wrong.place for wrong in found]], captions, f"{name}: the worst mistakes")}
