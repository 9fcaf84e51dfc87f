"""Raw scores to answers: softmax, labels and the `Prediction` that `predict` returns.

Nothing of this is in the graph: an int8 softmax loses the answer, and a graph that ends in logits can be
compared with the original at full precision.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from runtime.errors import EngineError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from runtime.spec import Classification


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Prediction:
    """One classified input.

    Args:
        labels: What each score stands for.
        scores: Probabilities ``float32 [labels]`` that sum to 1.
        pixels: What the model saw: ``uint8 [height, width, channels]``.
        k: How many labels `top` lists.
    """

    labels: tuple[str, ...]
    scores: NDArray[np.float32]
    pixels: NDArray[np.uint8]
    k: int = 5

    @property
    def label(self) -> str:
        """The likeliest label."""
        return self.labels[int(self.scores.argmax())]

    @property
    def score(self) -> float:
        """The probability of `label`, 0 to 1."""
        return float(self.scores.max())

    @property
    def top(self) -> list[tuple[str, float]]:
        """The `k` likeliest labels with their probabilities, best first."""
        best = np.argsort(-self.scores, kind="stable")[: self.k]
        return [(self.labels[i], float(self.scores[i])) for i in best]

    def __repr__(self) -> str:
        """Return the answer and its nearest rivals in one line."""
        rivals = ", ".join(f"{label} {score:.3f}" for label, score in self.top[1:3])
        return f"Prediction({self.label!r} {self.score:.3f}{'; then ' if rivals else ''}{rivals})"

    def _repr_html_(self) -> str:
        """Return a picture for notebooks: the input as the model saw it, and the scores as bars."""
        from runtime.picture import prediction_html

        return prediction_html(self)


def decode(output: Classification, logits: NDArray[np.float32], pixels: NDArray[np.uint8], k: int) -> list[Prediction]:
    """Turn a batch of logits into predictions.

    Args:
        output: The manifest's output part.
        logits: ``float32 [batch, labels]``.
        pixels: ``uint8 [batch, height, width, channels]``, the inputs that gave the logits.
        k: How many labels each prediction's `top` lists.

    Raises:
        EngineError: If a logit is not finite or there isn't one for each label.
    """
    if logits.ndim != 2 or logits.shape[1] != len(output.labels):
        raise EngineError(f"the model gave {list(logits.shape)} for [batch, {len(output.labels)} labels]")
    if not np.isfinite(logits).all():
        raise EngineError("the model gave logits that are not finite; the file is broken or was trained to NaN")
    return [Prediction(output.labels, row, seen, k) for row, seen in zip(softmax(logits), pixels, strict=True)]


def softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return probabilities ``float32 [batch, labels]`` of finite logits."""
    with np.errstate(over="ignore"):
        powers: NDArray[np.float32] = np.exp(logits - logits.max(axis=1, keepdims=True), dtype=np.float32)
    powers /= powers.sum(axis=1, keepdims=True)
    return powers
