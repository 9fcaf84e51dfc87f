"""Ctrl-C ends a command whose engine doesn't come back, with one line and without an abort."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

from tests.runtime.hostile import at_grey, for_ever

ZOO = """
import os, signal
from runtime.opening import OpenedFile

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
    for_ever(bundle_copy, at_grey(77))
    images = tmp_path / "images"
    images.mkdir()
    for number in range(20):
        Image.fromarray(np.full((12, 10, 3), 77 if number == 11 else 50, np.uint8)).save(images / f"{number:02}.png")
    sources = [images] if several else [images / "11.png"]
    command = [sys.executable, "-c", ZOO, "predict", bundle_copy, *sources, "--engine", "onnxruntime", "--trusted"]
    process = subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
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
