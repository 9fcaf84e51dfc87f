"""A model's outputs on a split, and the pictures of a detector's boxes among them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from runtime.postprocess import decode
from runtime.tasks import DetectionPrediction
from runtime.tensors import select, single

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from runtime.spec import ModelSpec
    from runtime.tasks import Prediction
    from runtime.tensors import Tensors
    from zoo.data import Split

EXAMPLES = "examples.png"
MOST_EXAMPLES = 8


@dataclass(frozen=True)
class Answers:
    """A model's inputs and outputs on a split.

    Args:
        spec: The model's input and task.
        split: The raw items, which have names.
        seen: What the model was given, ``[samples, *input.shape]``.
        raw: Raw outputs ``float32 [samples, ...]``.
        targets: What is right, ``[samples, ...]``.
    """

    spec: ModelSpec
    split: Split
    seen: NDArray[Any]
    raw: Tensors
    targets: NDArray[Any]

    def predictions(self, indices: Sequence[int]) -> list[Prediction]:
        """Return the predictions of some samples."""
        chosen = list(indices)
        return decode(self.spec.output, select(self.raw, chosen), self.seen[chosen], 1) if chosen else []

    def shown(self, indices: Sequence[int]) -> list[NDArray[Any]]:
        """Return some inputs as a gallery shows them: pictures of a detector with its boxes, others as they are."""
        return [
            np.asarray(prediction.image()) if isinstance(prediction, DetectionPrediction) else single(prediction.input)
            for prediction in self.predictions(indices)
        ]


def draw_examples(answers: Answers, title: str) -> dict[str, bytes]:
    """Return a PNG of a detector's boxes on the first pictures of a split, by its file name; nothing of other models.

    Args:
        answers: The model's outputs.
        title: The model and the data set.
    """
    indices = range(min(MOST_EXAMPLES, len(answers.seen)))
    predictions = answers.predictions(indices)
    if not predictions or not isinstance(predictions[0], DetectionPrediction):
        return {}
    from zoo.report import plots

    captions = [f"{answers.split.name(i)}\n{each.summary}" for i, each in zip(indices, predictions, strict=True)]
    return {EXAMPLES: plots.gallery(answers.shown(indices), captions, f"{title}: examples")}
