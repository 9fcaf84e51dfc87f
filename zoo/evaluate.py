"""Metrics of a trained network on a split: accuracy, loss, precision and recall per class, confusion matrix."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torchmetrics.functional.classification import multiclass_confusion_matrix

if TYPE_CHECKING:
    from numpy.typing import NDArray

BATCH = 64


def evaluate(
    network: torch.nn.Module, pixels: NDArray[np.uint8], targets: NDArray[np.int64], labels: tuple[str, ...]
) -> dict[str, Any]:
    """Measure a network in evaluation mode on the CPU.

    Args:
        network: Takes ``uint8 [batch, height, width, channels]``, gives logits ``[batch, labels]``.
        pixels: ``uint8 [samples, height, width, channels]``.
        targets: ``int64 [samples]``.
        labels: What each target stands for.

    Returns:
        ``samples``, ``accuracy``, ``loss``, ``classes`` (label: precision, recall, samples; None where undefined) and
        ``confusion`` (rows are targets, columns answers).
    """
    with torch.inference_mode():
        logits = torch.cat(
            [network(torch.from_numpy(np.array(pixels[at : at + BATCH]))) for at in range(0, len(pixels), BATCH)]
        )
    wanted = torch.from_numpy(targets)
    confusion = multiclass_confusion_matrix(logits, wanted, len(labels)).numpy()
    hits, answered, present = np.diag(confusion), confusion.sum(0), confusion.sum(1)
    return {
        "samples": len(targets),
        "accuracy": float(hits.sum() / len(targets)),
        "loss": float(torch.nn.functional.cross_entropy(logits, wanted)),
        "classes": {
            label: {
                "precision": float(hits[i] / answered[i]) if answered[i] else None,
                "recall": float(hits[i] / present[i]) if present[i] else None,
                "samples": int(present[i]),
            }
            for i, label in enumerate(labels)
        },
        "confusion": confusion.tolist(),
    }
