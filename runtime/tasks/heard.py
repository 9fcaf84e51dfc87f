"""Labels heard in a recording that is longer than a clip."""

from __future__ import annotations

from typing import Any

from runtime.audio.listening import Heard
from runtime.frozen_dataclass import frozen_dataclass
from runtime.tasks.prediction import Prediction


@frozen_dataclass
class HeardPrediction(Prediction):
    """The labels that are heard in a recording, in their order.

    Args:
        heard: Each label with its time and score.
    """

    heard: tuple[Heard, ...]

    @property
    def summary(self) -> str:
        """The answer in one line: each time in seconds with its label."""
        return "; ".join(f"{each.time:.1f} s {each.label} {each.score:.0%}" for each in self.heard) or "nothing heard"

    def to_dict(self) -> dict[str, Any]:
        """Return the answer as JSON values; times in seconds."""
        return {"heard": [each.to_dict() for each in self.heard]}
