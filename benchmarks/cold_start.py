"""`zoo predict BUNDLE image.jpg` as a whole process against the shortest script that does the same by hand."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.measure import Row, alternate, ratio_row

ONNX = """
import sys, numpy as np, onnxruntime
from PIL import Image
image = Image.open(sys.argv[2]).convert("RGB").resize((224, 224))
session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
print(session.run(None, {"image": np.asarray(image)[None]})[0].argmax())
"""
LITERT = """
import sys, numpy as np
from PIL import Image
from ai_edge_litert.interpreter import Interpreter
image = Image.open(sys.argv[2]).convert("RGB").resize((224, 224))
interpreter = Interpreter(sys.argv[1], num_threads=2)
interpreter.allocate_tensors()
interpreter.set_tensor(interpreter.get_input_details()[0]["index"], np.asarray(image)[None])
interpreter.invoke()
print(interpreter.get_tensor(interpreter.get_output_details()[0]["index"]).argmax())
"""


def rows(efficientnet: Path, folder: Path) -> Iterator[Row]:
    """Measure both engines on a 640x480 JPEG."""
    image = folder / "image.jpg"
    coarse = np.random.default_rng(0).integers(0, 256, (24, 32, 3), np.uint8)
    Image.fromarray(coarse).resize((640, 480), Image.Resampling.BICUBIC).save(image, quality=90)
    zoo = str(Path(sys.executable).with_name("zoo"))
    for engine, suffix, script in (("onnxruntime", "onnx", ONNX), ("litert", "tflite", LITERT)):
        ours = [zoo, "predict", str(efficientnet), str(image), "--engine", engine]
        by_hand = [sys.executable, "-c", script, str(efficientnet / f"model.{suffix}"), str(image)]
        measured = alternate(lambda: _run(ours), lambda: _run(by_hand), 15)  # noqa: B023
        yield ratio_row(f"zoo predict, whole process, {engine}", *measured, 1.3)


def _run(command: list[str]) -> None:
    subprocess.run(command, check=True, capture_output=True, env={**os.environ, "PYTHONDONTWRITEBYTECODE": ""})
