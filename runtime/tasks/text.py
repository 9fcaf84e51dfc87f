"""Text: a line of characters that a graph reads step by step, aligned by connectionist temporal classification.

Graves et al., Connectionist Temporal Classification, ICML 2006.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from runtime.frozen_dataclass import frozen_dataclass
from runtime.printable import is_printable
from runtime.schema import check_types
from runtime.tasks.classes import Activation, clipped, softmax
from runtime.tasks.prediction import Better, Prediction
from runtime.tensor_spec import OneTensor

if TYPE_CHECKING:
    from numpy.typing import NDArray

BLANK = 0
"""The class of a step that says nothing; character i of the alphabet is class i + 1."""
PADDING = -1
"""What fills up targets that are shorter than the longest."""


@frozen_dataclass
class TextPrediction(Prediction):
    """A line of text.

    Args:
        text: The line.
        score: The probability of the path that was read, 0 to 1.
    """

    text: str
    score: float

    @property
    def summary(self) -> str:
        """The line and its probability."""
        return f"{self.text!r} {self.score:.1%}"

    def to_dict(self) -> dict[str, Any]:
        """Return ``text`` and ``score``."""
        return {"text": self.text, "score": self.score}


@frozen_dataclass
class CTC(OneTensor):
    """A line of text: the graph gives logits ``float32 [batch, time, 1 + characters]``, of which 0 is the blank.

    Args:
        task: Always ``ctc``.
        name: The graph's output name.
        alphabet: The characters that it can read.
        activation: What the graph makes of the logits itself.
    """

    task: Literal["ctc"]
    name: str
    alphabet: str
    activation: Activation = "none"

    AXES: ClassVar[tuple[str, ...]] = ("steps", "character")
    metric: ClassVar[str] = "line_error_rate"
    better: ClassVar[Better] = "min"

    def __post_init__(self) -> None:
        """Check the types, and the alphabet."""
        check_types(self)
        if not self.alphabet or len(set(self.alphabet)) != len(self.alphabet) or not is_printable(self.alphabet):
            raise ValueError(f"alphabet must be different, printable characters, got {self.alphabet[:40]!r}")

    @property
    def shape(self) -> tuple[None, int]:
        """Any number of steps, and a logit for the blank and each character."""
        return (None, 1 + len(self.alphabet))

    def decode(self, raw: NDArray[np.float32], seen: NDArray[Any], k: int) -> list[Prediction]:
        """Return the text of the likeliest path of each sample."""
        likeliest = self.probabilities(raw).max(axis=2)
        return [
            TextPrediction(x, text, float(score.prod()))
            for x, text, score in zip(seen, self.texts(raw), likeliest, strict=True)
        ]

    def probabilities(self, raw: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the probability of the blank and of each character at each step, in the shape of `raw`."""
        if self.activation != "none":
            return clipped(raw)
        return softmax(raw.reshape(-1, raw.shape[2])).reshape(raw.shape)

    def texts(self, raw: NDArray[np.float32]) -> list[str]:
        """Return the text of the likeliest path: repetitions merged, blanks dropped."""
        paths = raw.argmax(axis=2)
        changes = np.diff(paths, axis=1, prepend=BLANK) != 0
        return [
            "".join(self.alphabet[code - 1] for code in path[change & (path != BLANK)])
            for path, change in zip(paths, changes, strict=True)
        ]

    def written(self, targets: NDArray[np.int64]) -> list[str]:
        """Return targets ``int64 [samples, characters]``, padded with `PADDING`, as text."""
        return ["".join(self.alphabet[code] for code in row if code != PADDING) for row in targets]

    def agreement(self, reference: NDArray[Any], outputs: NDArray[Any], slack: float) -> NDArray[np.bool_]:
        """Tell whether the texts are the same, or differ only at steps that are tied."""
        chosen = np.take_along_axis(reference, outputs.argmax(axis=2)[:, :, None], axis=2)[:, :, 0]
        tied = (chosen >= reference.max(axis=2) - 2 * slack).all(axis=1)
        same = [one == other for one, other in zip(self.texts(reference), self.texts(outputs), strict=True)]
        return np.asarray(np.array(same, bool) | tied)

    def measure(self, raw: NDArray[np.float32], targets: NDArray[np.int64]) -> float:
        """Return the share of lines that are not exactly right."""
        pairs = zip(self.texts(raw), self.written(targets), strict=True)
        return float(np.mean([text != target for text, target in pairs]))
