"""Predict, or load models, in six rounds; prints the resident bytes after each as JSON.

Arguments: the engine, a bundle, ``predictions`` or ``models``, and how many of them a round has.
"""

from __future__ import annotations

import gc
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

import runtime

ROUNDS = 6


def resident() -> int:
    """Return this process's resident memory in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def predictions(bundle: str, engine: str) -> Callable[[int], None]:
    """Return a function that makes that many predictions, a tenth of them of images that are resized."""
    model = runtime.load(bundle, engine=engine, threads=1)
    random = np.random.default_rng(2)
    images = [random.integers(0, 256, (8 + i % 9, 8 + i % 7, 3), np.uint8) for i in range(70)]
    ready = [np.resize(image, model.spec.input.shape) for image in images]

    def predict(count: int) -> None:
        for at in range(count):
            model.predict((images if at % 10 == 0 else ready)[at % len(images)])

    return predict


def models(bundle: str, engine: str) -> Callable[[int], None]:
    """Return a function that loads that many models, asks each once and drops it."""

    def load(count: int) -> None:
        for _ in range(count):
            runtime.load(bundle, engine=engine, threads=1).predict(np.zeros((12, 10, 3), np.uint8))

    return load


if __name__ == "__main__":
    name, folder, kind, many = sys.argv[1:]
    run = {"predictions": predictions, "models": models}[kind](folder, name)
    sizes = []
    for _ in range(ROUNDS):
        run(int(many))
        gc.collect()
        sizes.append(resident())
    sys.stdout.write(json.dumps(sizes))
