"""The thresholds that a call may set."""

from __future__ import annotations

from typing import TypedDict


class Thresholds(TypedDict, total=False):
    """The thresholds that a call may set instead of the manifest's: `runtime.tasks.Detection` says what they mean."""

    confidence: float
    iou: float
