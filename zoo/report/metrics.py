"""Which metric selects a run, whether it beats the baseline, and whether the run over-fits."""

from __future__ import annotations

from collections.abc import Sequence

from runtime.humanize import figure

PARTED = 0.1
"""How far the validation loss must rise above its lowest value, relative to that, to count as over-fitting."""


def selected_by(history: Sequence[dict[str, float]], metric: str) -> str:
    """Return the metric that chose a run's best epoch, or the task's own where the validation loss did."""
    names = [key.removeprefix("val_") for key in history[0] if key.startswith("val_") and key != "val_loss"]
    return names[0] if names else metric


def beats(better: str, value: float, baseline: float) -> bool:
    """Tell whether a metric's value is better than that of an answer which ignores the input."""
    return value > baseline if better == "max" else value < baseline


def over_fitting(history: Sequence[dict[str, float]]) -> str | None:
    """Return a sentence if the validation loss rose for good while the training loss still fell, else None."""
    if len(history) < 3:
        return None
    lowest = min(range(len(history)), key=lambda i: history[i]["val_loss"])
    low, last = history[lowest], history[-1]
    parted = last["val_loss"] > low["val_loss"] * (1 + PARTED) and last["train_loss"] < low["train_loss"]
    if not parted or lowest == len(history) - 1:
        return None
    losses = [figure("loss", row[name]) for name in ("val_loss", "train_loss") for row in (low, last)]
    return (
        f"over-fitting since epoch {int(low['epoch'])}: the validation loss rose from {losses[0]} to {losses[1]} while "
        f"the training loss fell from {losses[2]} to {losses[3]}; more data, augmentation, dropout, weight_decay or a "
        "smaller network help"
    )
