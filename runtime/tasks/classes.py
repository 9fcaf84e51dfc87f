"""Classes: one of several, one of two, or any number of them. The graph gives logits, or says that it doesn't.

Softmax and sigmoid are here and not in the graphs of our recipes: an int8 softmax loses the answer, and a graph that
ends in logits can be compared with the original at full precision. Other networks contain one of them: then the
output's `activation` names it, and it is not applied again.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from runtime.frozen_dataclass import frozen_dataclass
from runtime.printable import is_printable
from runtime.schema import check_types
from runtime.tasks.prediction import Better, Prediction
from runtime.tensor_spec import OneTensor

if TYPE_CHECKING:
    from numpy.typing import NDArray

Activation = Literal["none", "softmax", "sigmoid"]
"""What a graph ends in: ``none`` gives logits, the others probabilities. A graph that ends in a log-softmax gives
logits, for their softmax are the same probabilities."""


@frozen_dataclass
class ClassPrediction(Prediction):
    """One class of several.

    Args:
        labels: What each score stands for.
        scores: Probabilities ``float32 [labels]`` that sum to 1; each by itself where the graph contains a sigmoid.
        k: How many labels `top` lists.
    """

    labels: tuple[str, ...]
    scores: NDArray[np.float32]
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
        return _ranked(self.labels, self.scores, self.k)

    @property
    def bars(self) -> list[tuple[str, float]]:
        """The same as `top`."""
        return self.top

    @property
    def summary(self) -> str:
        """The answer and its nearest rivals."""
        return "   ".join(f"{label} {score:.1%}" for label, score in self.top)

    def to_dict(self) -> dict[str, Any]:
        """Return ``label``, ``score`` and ``top``."""
        top = [{"label": label, "score": score} for label, score in self.top]
        return {"label": self.label, "score": self.score, "top": top}

    def __repr__(self) -> str:
        """Return the answer and its nearest rivals in one line."""
        rivals = ", ".join(f"{label} {score:.3f}" for label, score in self.top[1:3])
        return f"Prediction({self.label!r} {self.score:.3f}{'; then ' if rivals else ''}{rivals})"


@frozen_dataclass
class LabelsPrediction(Prediction):
    """Any number of labels.

    Args:
        names: What each score stands for.
        scores: Probabilities ``float32 [labels]``, each by itself.
        threshold: The probability from which a label holds.
        k: How many labels `top` lists.
    """

    names: tuple[str, ...]
    scores: NDArray[np.float32]
    threshold: float
    k: int = 5

    @property
    def labels(self) -> list[str]:
        """The labels that hold, likeliest first; perhaps none."""
        return [label for label, score in _ranked(self.names, self.scores, len(self.names)) if score >= self.threshold]

    @property
    def top(self) -> list[tuple[str, float]]:
        """The `k` likeliest labels with their probabilities, whether they hold or not."""
        return _ranked(self.names, self.scores, self.k)

    @property
    def bars(self) -> list[tuple[str, float]]:
        """The same as `top`."""
        return self.top

    @property
    def summary(self) -> str:
        """The labels that hold, with their probabilities."""
        held = [(name, score) for name, score in _ranked(self.names, self.scores, len(self.names))
                if score >= self.threshold]  # fmt: skip
        return "   ".join(f"{name} {score:.1%}" for name, score in held) or "none"

    def to_dict(self) -> dict[str, Any]:
        """Return ``labels``, ``threshold`` and ``top``."""
        top = [{"label": label, "score": score} for label, score in self.top]
        return {"labels": self.labels, "threshold": self.threshold, "top": top}


@frozen_dataclass
class Classification(OneTensor):
    """One class of several: the graph gives logits ``float32 [batch, labels]``.

    Args:
        task: Always ``classification``.
        name: The graph's output name.
        labels: What each logit stands for.
        activation: What the graph makes of the logits itself.
    """

    task: Literal["classification"]
    name: str
    labels: tuple[str, ...]
    activation: Activation = "none"

    AXES: ClassVar[tuple[str, ...]] = ("label",)
    metric: ClassVar[str] = "accuracy"
    better: ClassVar[Better] = "max"

    def __post_init__(self) -> None:
        """Check the types, and that the labels can be told apart."""
        check_types(self)
        check_labels(self.labels, 2)

    @property
    def shape(self) -> tuple[int]:
        """One logit for each label."""
        return (len(self.labels),)

    def decode(self, raw: NDArray[np.float32], seen: NDArray[Any], k: int) -> list[Prediction]:
        """Return the probabilities of each row with their labels."""
        scores = self.probabilities(raw)
        return [ClassPrediction(seen[i], self.labels, scores[i], k) for i in range(len(raw))]

    def probabilities(self, raw: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the probability of each label, ``float32 [batch, labels]``."""
        return softmax(raw) if self.activation == "none" else clipped(raw)

    def agreement(self, reference: NDArray[Any], outputs: NDArray[Any], slack: float) -> NDArray[np.bool_]:
        """Tell whether the same label wins; in a tie either winner counts."""
        chosen = np.take_along_axis(reference, outputs.argmax(axis=1)[:, None], axis=1)[:, 0]
        return np.asarray(chosen >= reference.max(axis=1) - 2 * slack)

    def measure(self, raw: NDArray[np.float32], targets: NDArray[np.int64]) -> float:
        """Return the share of samples whose target ``int64 [samples]`` wins."""
        return float((raw.argmax(axis=1) == np.reshape(targets, len(raw))).mean())


@frozen_dataclass
class Binary(OneTensor):
    """One class of two: the graph gives one logit ``float32 [batch, 1]``, above 0 for the second label.

    Args:
        task: Always ``binary``.
        name: The graph's output name.
        labels: What targets 0 and 1 stand for.
        activation: What the graph makes of the logit itself: a probability, above 0.5 for the second label.
    """

    task: Literal["binary"]
    name: str
    labels: tuple[str, str]
    activation: Activation = "none"

    AXES: ClassVar[tuple[str, ...]] = ("value",)
    metric: ClassVar[str] = "accuracy"
    better: ClassVar[Better] = "max"

    def __post_init__(self) -> None:
        """Check the types, and that the labels can be told apart."""
        check_types(self)
        check_labels(self.labels, 2)

    @property
    def shape(self) -> tuple[int]:
        """One logit."""
        return (1,)

    def decode(self, raw: NDArray[np.float32], seen: NDArray[Any], k: int) -> list[Prediction]:
        """Return the probabilities of both labels."""
        scores = self.probabilities(raw)
        return [ClassPrediction(seen[i], self.labels, scores[i], k) for i in range(len(raw))]

    def probabilities(self, raw: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the probabilities of both labels, ``float32 [batch, 2]``."""
        second = sigmoid(raw) if self.activation == "none" else clipped(raw)
        return np.concatenate([1 - second, second], axis=1)

    def chosen(self, raw: NDArray[np.float32]) -> NDArray[np.int64]:
        """Return the target that each row decides for, ``int64 [batch]``."""
        return np.asarray(raw[:, 0] > self._bound, np.int64)

    @property
    def _bound(self) -> float:
        return 0.0 if self.activation == "none" else 0.5

    def agreement(self, reference: NDArray[Any], outputs: NDArray[Any], slack: float) -> NDArray[np.bool_]:
        """Tell whether both decide for the same label."""
        tied = np.abs(reference[:, 0] - self._bound) <= slack
        return np.asarray((self.chosen(reference) == self.chosen(outputs)) | tied)

    def measure(self, raw: NDArray[np.float32], targets: NDArray[np.int64]) -> float:
        """Return the share of samples that are decided as the target ``int64 [samples]`` says, 0 or 1."""
        return float((self.chosen(raw) == np.reshape(targets, len(raw))).mean())


@frozen_dataclass
class MultiLabel(OneTensor):
    """Any number of labels: the graph gives logits ``float32 [batch, labels]``, each for itself.

    Args:
        task: Always ``multilabel``.
        name: The graph's output name.
        labels: What each logit stands for.
        threshold: The probability from which a label holds.
        activation: What the graph makes of the logits itself.
    """

    task: Literal["multilabel"]
    name: str
    labels: tuple[str, ...]
    threshold: float = 0.5
    activation: Activation = "none"

    AXES: ClassVar[tuple[str, ...]] = ("label",)
    metric: ClassVar[str] = "f1"
    better: ClassVar[Better] = "max"

    def __post_init__(self) -> None:
        """Check the types, and the labels and the threshold."""
        check_types(self)
        check_labels(self.labels, 1)
        if not 0 < self.threshold < 1:
            raise ValueError(f"threshold must be above 0 and below 1, got {self.threshold}")

    @property
    def shape(self) -> tuple[int]:
        """One logit for each label."""
        return (len(self.labels),)

    @property
    def _bound(self) -> float:
        return math.log(self.threshold / (1 - self.threshold)) if self.activation == "none" else self.threshold

    def decode(self, raw: NDArray[np.float32], seen: NDArray[Any], k: int) -> list[Prediction]:
        """Return the probability of each label."""
        rows = zip(seen, self.probabilities(raw), strict=True)
        return [LabelsPrediction(x, self.labels, row, self.threshold, k) for x, row in rows]

    def probabilities(self, raw: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the probability of each label by itself, ``float32 [batch, labels]``."""
        return sigmoid(raw) if self.activation == "none" else clipped(raw)

    def agreement(self, reference: NDArray[Any], outputs: NDArray[Any], slack: float) -> NDArray[np.bool_]:
        """Tell whether the same labels hold."""
        tied = np.abs(reference - self._bound) <= slack
        return np.asarray((((reference >= self._bound) == (outputs >= self._bound)) | tied).all(axis=1))

    def measure(self, raw: NDArray[np.float32], targets: NDArray[Any]) -> float:
        """Return F1 over all labels of all samples (micro average); targets are 0 or 1, ``[samples, labels]``."""
        held, wanted = raw >= self._bound, targets > 0
        both = held.sum() + wanted.sum()
        return float(2 * (held & wanted).sum() / both) if both else 1.0


def check_labels(labels: tuple[str, ...], least: int) -> None:
    """Check that labels can be told apart.

    Raises:
        ValueError: If there are fewer than `least`, or two are the same or empty, or one holds control characters.
    """
    named = all(label and is_printable(label) for label in labels)
    if len(labels) < least or len(set(labels)) != len(labels) or not named:
        number = "two" if least == 2 else "one"
        raise ValueError(
            f"labels must be {number} or more different, non-empty, printable names, got {list(labels)[:8]}"
        )


def softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return probabilities ``float32 [batch, labels]`` of finite logits."""
    # the reductions of arrays' methods take twice as long on a few values, which is how many most models give
    with np.errstate(over="ignore"):
        powers: NDArray[np.float32] = logits - np.maximum.reduce(logits, axis=1, keepdims=True)
    np.exp(powers, out=powers)
    powers /= np.add.reduce(powers, axis=1, keepdims=True)
    return powers


def sigmoid(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the probability ``float32`` of each finite logit."""
    with np.errstate(over="ignore"):
        return np.asarray(1 / (1 + np.exp(-logits)), np.float32)


def clipped(chances: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return probabilities that a graph gave: integers may round them beyond 0 or 1."""
    return np.asarray(chances.clip(0, 1), np.float32)


def _ranked(labels: tuple[str, ...], scores: NDArray[np.float32], k: int) -> list[tuple[str, float]]:
    best = np.argsort(-scores, kind="stable")[:k]
    return [(labels[i], float(scores[i])) for i in best]
