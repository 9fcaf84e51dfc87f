"""A line of text, aligned by connectionist temporal classification; character and line error rate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from runtime.errors import OptionError
from runtime.tasks import CTC
from runtime.tasks.text import BLANK, PADDING
from zoo.data import Texts
from zoo.tasks._classes import described

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch
    from numpy.typing import NDArray

    from runtime.inputs import Input
    from zoo.data import Dataset, Target
    from zoo.recipes import Training

BY_METRIC = True


def suits(target: Target) -> bool:
    """Take texts."""
    return isinstance(target, Texts)


def convert(dataset: Dataset, training: Training) -> Dataset:
    """Return the data set as it is.

    Raises:
        OptionError: If its targets are no texts.
    """
    if suits(dataset.target):
        return dataset
    raise OptionError(f"task=ctc needs texts; the targets of {dataset.name!r} are {described(dataset)}")


def problems(dataset: Dataset) -> list[str]:
    """Return the characters that no training line holds."""
    alphabet = dataset.target.alphabet  # type: ignore[union-attr]
    targets = dataset.splits["train"].targets
    absent = [character for i, character in enumerate(alphabet) if not (targets == i).any()]
    return [f"no training line holds: {' '.join(absent)}"] if absent else []


def output(dataset: Dataset, input_spec: Input, training: Training) -> CTC:
    """Return logits of the blank and each character."""
    return CTC("ctc", "logits", dataset.target.alphabet)  # type: ignore[union-attr]


def loss(
    output: CTC, training: Training, targets: NDArray[np.int64]
) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
    """Return the CTC loss; a line that is longer than the network's steps counts as 0."""
    import torch

    def aligned(logits: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
        steps = logits.float().log_softmax(2).transpose(0, 1)  # [time, batch, classes]
        lengths = (wanted != PADDING).sum(1)
        times = torch.full((len(logits),), logits.shape[1], dtype=torch.long)
        return torch.nn.functional.ctc_loss(
            steps, (wanted + 1).clamp(min=1), times, lengths, blank=BLANK, zero_infinity=True
        )

    return aligned


def baseline(output: CTC, targets: NDArray[np.int64]) -> NDArray[Any]:
    """Return one step of blank: an empty line."""
    row = np.zeros((1, 1 + len(output.alphabet)), np.float32)
    row[:, BLANK] = 1
    return row


def report(output: CTC, raw: NDArray[np.float32], targets: NDArray[np.int64]) -> dict[str, Any]:
    """Return line and character error rate."""
    from torchmetrics.functional.text import char_error_rate

    texts, wanted = output.texts(raw), output.written(targets)
    return {
        "metrics": {
            "line_error_rate": output.measure(raw, targets),
            "character_error_rate": float(char_error_rate(texts, wanted)),
        }
    }


def draw(output: CTC, raw: NDArray[Any], targets: NDArray[Any], title: str) -> dict[str, bytes]:
    """Return the share of lines read right for each length."""
    from zoo.report import plots

    wanted = output.written(targets)
    right = [text == line for text, line in zip(output.texts(raw), wanted, strict=True)]
    return {"lines.png": plots.line_bars([len(line) for line in wanted], right, title)}


def severity(output: CTC, raw: NDArray[Any], targets: NDArray[Any]) -> NDArray[Any]:
    """Return the number of characters to change."""
    from torchmetrics.functional.text import edit_distance

    pairs = zip(output.texts(raw), output.written(targets), strict=True)
    return np.array([0.0 if one == other else float(edit_distance(one, other)) for one, other in pairs])


def written(output: CTC, target: Any) -> str:
    """Return the line."""
    return output.written(target[None])[0]
