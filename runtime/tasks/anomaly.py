"""Anomalies: how far an input is from what the model was trained to reconstruct."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from runtime.frozen_dataclass import frozen_dataclass
from runtime.humanize import number
from runtime.schema import check_types
from runtime.tasks.prediction import Better, Prediction
from runtime.tensor_spec import OneTensor

if TYPE_CHECKING:
    from numpy.typing import NDArray


@frozen_dataclass
class AnomalyPrediction(Prediction):
    """How unlike the training data an input is.

    Args:
        score: The mean square of what the reconstruction missed.
        threshold: The score above which an input counts as an anomaly.
    """

    score: float
    threshold: float

    @property
    def is_anomaly(self) -> bool:
        """Whether the score is above the threshold."""
        return self.score > self.threshold

    @property
    def summary(self) -> str:
        """The verdict, the score and the threshold."""
        verdict = "anomaly" if self.is_anomaly else "normal"
        return f"{verdict}, score {number(self.score)} (threshold {number(self.threshold)})"

    def to_dict(self) -> dict[str, Any]:
        """Return ``score``, ``threshold`` and ``is_anomaly``."""
        return {"score": self.score, "threshold": self.threshold, "is_anomaly": self.is_anomaly}


@frozen_dataclass
class Anomaly(OneTensor):
    """An anomaly score: the graph gives what its reconstruction missed, ``float32 [batch, features]``.

    Squaring and averaging are not in the graph: its int8 version would lose the small scores that matter.

    Args:
        task: Always ``anomaly``.
        name: The graph's output name.
        features: How many features the graph reconstructs.
        threshold: The score above which an input counts as an anomaly.
    """

    task: Literal["anomaly"]
    name: str
    features: int
    threshold: float

    AXES: ClassVar[tuple[str, ...]] = ("feature",)
    metric: ClassVar[str] = "roc_auc"
    better: ClassVar[Better] = "max"

    def __post_init__(self) -> None:
        """Check the types, and the ranges."""
        check_types(self)
        if self.features < 1 or not self.threshold > 0:
            raise ValueError(f"features and threshold must be above 0, got {self.features} and {self.threshold}")

    @property
    def shape(self) -> tuple[int]:
        """One residual for each feature."""
        return (self.features,)

    def scores(self, raw: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the mean square of each sample's residuals, ``float64 [samples]``."""
        return np.asarray((raw.astype(np.float64) ** 2).mean(axis=1))

    def decode(self, raw: NDArray[np.float32], seen: NDArray[Any], k: int) -> list[Prediction]:
        """Return the score of each sample."""
        return [AnomalyPrediction(x, float(s), self.threshold) for x, s in zip(seen, self.scores(raw), strict=True)]

    def agreement(self, reference: NDArray[Any], outputs: NDArray[Any], slack: float) -> NDArray[np.bool_]:
        """Tell whether the scores are on the same side of the threshold."""
        score, other = self.scores(reference), self.scores(outputs)
        tied = np.abs(score - self.threshold) <= 2 * slack * np.sqrt(score)
        return np.asarray(((score > self.threshold) == (other > self.threshold)) | tied)

    def measure(self, raw: NDArray[np.float32], targets: NDArray[np.int64]) -> float:
        """Return the area under the ROC curve: how often an anomaly (target 1) scores above a normal input (0).

        Where one of the two is absent there is nothing to tell apart, and it is 0.5.
        """
        scores, odd = self.scores(raw), np.reshape(targets, len(raw)) == 1
        if odd.all() or not odd.any():
            return 0.5
        _, positions, counts = np.unique(scores, return_inverse=True, return_counts=True)
        ranks = (np.cumsum(counts) - (counts - 1) / 2)[positions]  # ties share their mean rank (Mann and Whitney 1947)
        above = ranks[odd].sum() - odd.sum() * (odd.sum() + 1) / 2
        return float(above / (odd.sum() * (~odd).sum()))
