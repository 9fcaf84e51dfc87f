"""Ctrl-C ends a command whose engine doesn't come back, with one line and without an abort."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from importlib.util import find_spec

import numpy as np
import pytest
from PIL import Image

from export.formats import tflite
from runtime.bundle import Bundle
from runtime.spec import FileSpec, encode_metadata
from tests.runtime.hostile import at_gray, for_ever, for_ever_in_tflm

ZOO = """
import os, signal
from runtime.opened_file import OpenedFile

signal.signal(signal.SIGINT, signal.default_int_handler)  # background jobs ignore it

run = OpenedFile.run

def noted(self, inputs):
    if any((image == 77).all() for image in inputs["image"]):
        os.write(1, b"looping")
    return run(self, inputs)

OpenedFile.run = noted
from zoo.__main__ import main
main()
"""


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
@pytest.mark.parametrize("several", [False, True], ids=["in the main thread", "in a worker"])
def test_an_engine_that_loops(bundle_copy, tmp_path, several):
    for_ever(bundle_copy, at_gray(77))
    images = tmp_path / "images"
    images.mkdir()
    for number in range(20):
        Image.fromarray(np.full((12, 10, 3), 77 if number == 11 else 50, np.uint8)).save(images / f"{number:02}.png")
    sources = [images] if several else [images / "11.png"]
    assert_interrupted("predict", bundle_copy, *sources, "--engine", "onnxruntime", "--trusted")


@pytest.mark.skipif(find_spec("tflite_micro") is None, reason="has builds for Linux on x86-64 only")
def test_an_interpreter_that_loops_with_python_s_lock(tiny_bundle, tmp_path):
    metadata = encode_metadata(Bundle.read(tiny_bundle).manifest.model, FileSpec("tflm", "fp32", "float32", 1))
    (tmp_path / "loop.tflm").write_bytes(tflite.embed(for_ever_in_tflm(), "edgezoo", metadata))
    Image.fromarray(np.full((12, 10, 3), 77, np.uint8)).save(tmp_path / "77.png")
    assert_interrupted("predict", tmp_path / "loop.tflm", tmp_path / "77.png")


def assert_interrupted(*words):
    """Run a command, interrupt it when its engine gets the grey value 77, and see that it ends soon, with one line."""
    process = subprocess.Popen(
        [sys.executable, "-c", ZOO, *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        assert process.stdout.read(len("looping")) == b"looping"
        time.sleep(0.2)  # it is inside of the engine now
        start = time.monotonic()
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    finally:
        process.kill()
    assert errors == b"zoo: interrupted\n"
    assert process.returncode == 130
    assert time.monotonic() - start < 20
