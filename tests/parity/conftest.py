"""Which of the parity tests take minutes."""

from __future__ import annotations

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave the diagnosis of GoogLeNet's TFLite file to ``make nightly``, for its conversion takes two minutes.

    Its ONNX file proves branches that are joined, the other recipes prove TFLite's reader, and the parity tests convert
    and run GoogLeNet in both formats.
    """
    for item in items:
        if "parity/test_diagnosis.py" in item.nodeid and item.nodeid.endswith("[googlenet-tflite]"):
            item.add_marker(pytest.mark.nightly)
