"""How networks of audio listen to streams: each function makes the rules, as a recipe's `listening` does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runtime.audio.listening import Listening
from runtime.tasks import Classification
from zoo.data import Audio

if TYPE_CHECKING:
    from runtime.inputs import AudioInput
    from runtime.tasks import Output
    from zoo.data import Dataset

STEP = 0.1
"""Seconds from one window of a stream to the next."""
SMOOTHING, THRESHOLD = 5, 0.5
"""Windows whose scores are averaged, and the average from which on a label is heard (docs/log.md)."""


def windows(options: Any, dataset: Dataset, input_spec: AudioInput, output: Output) -> Listening | None:
    """Listen by whole clips that overlap; a word gets its highest score in the middle of one."""
    if not isinstance(output, Classification) or not isinstance(dataset.content, Audio):
        return None
    step = max(1, round(STEP * input_spec.rate))
    return Listening(step, input_spec.samples // 2, SMOOTHING, THRESHOLD, ignored=dataset.content.background)
