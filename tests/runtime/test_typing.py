"""Programs under a strict type checker need no cast for what a model predicts."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROGRAM = """
import asyncio
import io
from pathlib import Path
from typing import Any

import numpy as np
import runtime
import zoo
from PIL import Image

model = runtime.load("bundle")
reveal_type(model)
reveal_type(model.predict("seven.png").to_dict())
reveal_type(model.predict(Path("seven.png")))
reveal_type(model.predict(b"GIF8"))
reveal_type(model.predict(io.BytesIO()))
reveal_type(model.predict(Image.new("L", (28, 28))))
reveal_type(model.predict({"length": 1.5, "kind": "a"}))
reveal_type(model.predict(["seven.png", Path("eight.png")], top=3))
reveal_type(model.predict(({"length": 1.5}, {"length": 2})))
reveal_type(model.predict(np.zeros((28, 28), np.uint8)))
reveal_type(asyncio.run(model.predict_async("seven.png")))
reveal_type(asyncio.run(model.predict_async(["seven.png"])))
reveal_type(next(model.stream(["seven.png"])))
prediction = zoo.load("mnist-cnn").predict("seven.png")
reveal_type(prediction.summary)
if isinstance(prediction, zoo.ClassPrediction):
    reveal_type(prediction.label)
elif isinstance(prediction, zoo.ValuePrediction):
    reveal_type(prediction.unit)
reveal_type(prediction.label)
prediction.summary.label
"""
ONE, SEVERAL = "runtime.tasks.prediction.Prediction", "list[runtime.tasks.prediction.Prediction]"
TYPES = [
    "runtime.model.Model", "dict[str, Any]", ONE, ONE, ONE, ONE, ONE, SEVERAL, SEVERAL, "Any", ONE, SEVERAL, ONE,
    "str", "str", "str", "Any",
]  # fmt: skip


@pytest.mark.slow
def test_a_prediction_is_typed(tmp_path):
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    command = [sys.executable, "-m", "mypy", "--strict", program]  # with the cache of `make check`
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    lines = result.stdout.replace("builtins.", "").splitlines()
    assert [re.findall('"(.*)"', line)[0] for line in lines if "Revealed type" in line] == TYPES, result.stdout
    errors = [line for line in lines if ": error: " in line]
    assert len(errors) == 1, result.stdout + result.stderr
    assert '"str" has no attribute "label"' in errors[0]
