"""Which of the parity tests take minutes."""

from __future__ import annotations

import pytest

DIAGNOSED_NIGHTLY = (
    "autoencoder", "crnn", "detect", "googlenet", "keyword-stream", "lstm", "mobilenet", "rnn", "transfer", "vgg",
)  # fmt: skip
"""Recipes whose layers, and ways to join them, the others have too: convolutions (cnn), branches (resnet), dense layers
(mlp) and recurrent ones (gru); `tests/export/test_diagnosis.py` has a detector's two outputs. A new recipe is diagnosed
in every run."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave most diagnoses to ``make nightly``: each converts a network a second time."""
    for item in items:
        parameters = getattr(item, "callspec", None)
        if parameters is not None and parameters.params.get("network") in DIAGNOSED_NIGHTLY:
            item.add_marker(pytest.mark.nightly)
