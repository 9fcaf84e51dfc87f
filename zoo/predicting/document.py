"""The JSON document of answers: what `zoo predict --json` prints, and `zoo serve` sends."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from runtime import Model


def document(
    model: Model, predictions: Sequence[dict[str, Any]], errors: Sequence[dict[str, str]], notes: Sequence[str]
) -> dict[str, Any]:
    """Return the document.

    Args:
        model: The model that answered.
        predictions: For each input that was answered, its name as ``input`` and the answer's values.
        errors: For each input that was not, its name as ``input`` and why as ``error``.
        notes: What else is worth knowing.
    """
    return {
        "model": model.spec.name,
        "file": model.file.name,
        "precision": model.file_spec.precision,
        "drift": model.file_spec.drift,
        "engine": model.engine.version,
        "device": model.engine.device,
        "threads": model.engine.threads,
        "skipped": model.skipped,
        "predictions": predictions,
        "errors": errors,
        "notes": notes,
    }
