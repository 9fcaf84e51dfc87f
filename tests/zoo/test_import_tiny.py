"""MLPerf Tiny's reference files: imported, they answer on LiteRT and on TFLM as the file does by hand."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from tflite_micro import runtime as tflm

import zoo
from zoo.imports.facts import ModelFacts
from zoo.imports.run import import_file

FILES = {"vww_96_int8": (96, 96, 3), "pretrainedResnet_quant": (32, 32, 3), "kws_ref_model": (49, 10, 1)}
FOLDER = Path(os.environ.get("EDGEZOO_SHARED", Path(__file__).parents[3] / "shared")) / "data" / "tiny-models"
pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="the reference files are not here")


def by_hand(data, values, *, micro):
    """Return the integers that a file gives for integers, ``int8 [1, ...]``."""
    if micro:
        interpreter = tflm.Interpreter.from_bytes(data, arena_size=500_000)
        interpreter.set_input(values, 0)
        interpreter.invoke()
        return interpreter.get_output(0).copy()
    interpreter = Interpreter(model_content=data)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], values)
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])


@pytest.mark.parametrize("micro", [False, True], ids=["litert", "tflm"])
@pytest.mark.parametrize("name", FILES)
def test_a_reference_file_answers_as_it_does_by_hand(name, micro, tmp_path):
    path = tmp_path / f"{name}.{'tflm' if micro else 'tflite'}"
    shutil.copy(FOLDER / f"{name}.tflite", path)
    data = path.read_bytes()
    interpreter = Interpreter(model_content=data)
    scale, zero = interpreter.get_output_details()[0]["quantization"]
    input_scale, input_zero = interpreter.get_input_details()[0]["quantization"]
    images = name != "kws_ref_model"
    bundle = import_file(path, ModelFacts(input="image" if images else "tensors"), out=tmp_path / "bundle").bundle
    model = zoo.load(bundle.path)
    assert model.engine_name == ("tflm" if micro else "litert")
    random = np.random.default_rng(0)
    for _ in range(10):
        values = random.integers(-128, 128, (1, *FILES[name]), np.int8)
        wanted = (by_hand(data, values, micro=micro).astype(np.float64) - zero) * scale
        if images:
            scores = model.predict((values[0].astype(np.int16) + 128).astype(np.uint8)).scores
        else:
            scores = model.predict((values[0] - np.float32(input_zero)) * np.float32(input_scale)).outputs["Identity"]
        assert np.abs(scores - wanted[0]).max() <= 1e-6
