"""A model's outputs on a split, and pictures of some: of a detector's boxes, and of recordings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from runtime.inputs import AudioInput
from runtime.postprocess import decode
from runtime.tasks import Detection, DetectionPrediction
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
    """Return a PNG with the answers to some samples by its file name; nothing of models of other kinds.

    Of a detector they are the first pictures with its boxes; of recordings some of every label, which sort them.

    Args:
        answers: The model's outputs.
        title: The model and the data set.
    """
    count, most = len(answers.seen), min(MOST_EXAMPLES, len(answers.seen))
    if isinstance(answers.spec.output, Detection):
        indices = [*range(most)]
    elif isinstance(answers.spec.input, AudioInput):
        indices = [i * count // most for i in range(most)]
    else:
        return {}
    predictions = answers.predictions(indices)
    if not predictions:
        return {}
    from zoo.report import plots

    names = ["/".join(Path(answers.split.name(i)).parts[-2:]) for i in indices]
    captions = [f"{name}\n{each.summary}" for name, each in zip(names, predictions, strict=True)]
    return {EXAMPLES: plots.gallery(answers.shown(indices), captions, f"{title}: examples")}
