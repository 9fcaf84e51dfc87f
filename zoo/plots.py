"""Pictures of a run: curves over the epochs and the confusion matrix."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure

if TYPE_CHECKING:
    from collections.abc import Sequence

TRAIN, VALIDATION = "#7a8ba3", "#d1495b"
MOST_NUMBERS = 25


def curves(history: Sequence[dict[str, float]]) -> bytes:
    """Draw loss and accuracy of training and validation over the epochs, as PNG."""
    epochs = [row["epoch"] for row in history]
    figure = Figure((9, 3.6), layout="constrained")
    for axes, metric in zip(figure.subplots(1, 2), ("loss", "accuracy"), strict=True):
        for stage, name, colour in (("train", "training", TRAIN), ("val", "validation", VALIDATION)):
            axes.plot(epochs, [row[f"{stage}_{metric}"] for row in history], ".-", color=colour, label=name)
        axes.set(title=metric, xlabel="epoch")
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False)
    best = max(history, key=lambda row: (row["val_accuracy"], -row["val_loss"]))
    axes.plot(best["epoch"], best["val_accuracy"], "o", mfc="none", color=VALIDATION, ms=11)
    axes.set_title(f"accuracy (best on validation: {best['val_accuracy']:.2%}, epoch {best['epoch']})")
    return _png(figure)


def confusion(metrics: dict[str, Any], labels: Sequence[str], title: str) -> bytes:
    """Draw the confusion matrix of `zoo.evaluate.evaluate`, as PNG; the shade is the share of each row."""
    counts = np.array(metrics["confusion"])
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    side = float(np.clip(1.8 + 0.45 * len(labels), 4, 16))
    figure = Figure((side + 1, side), layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    figure.colorbar(image, ax=axes, label="share of the row", shrink=0.8)
    axes.set(title=title, xlabel="answer", ylabel="label")
    turned = 45 if max(map(len, labels)) > 3 else 0
    axes.set_xticks(range(len(labels)), labels, rotation=turned, ha="right" if turned else "center")
    axes.set_yticks(range(len(labels)), labels)
    if len(labels) <= MOST_NUMBERS:
        for (row, column), count in np.ndenumerate(counts):
            if count:
                colour = "white" if shares[row, column] > 0.5 else "#333333"
                axes.text(column, row, str(count), ha="center", va="center", color=colour, fontsize=9)
    return _png(figure)


def _png(figure: Figure) -> bytes:
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=110, metadata={"Software": None})
    return file.getvalue()
