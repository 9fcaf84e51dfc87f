"""Our export to ONNX and TFLite, proofs and all, against the two converters called by hand."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

import export
from benchmarks.measure import Row
from runtime.native_output import suppress_output
from zoo.recipes import recipe
from zoo.train import network

ROUNDS = 3
SAMPLES = 360
BAR = 1.25


def rows() -> Iterator[Row]:
    """Measure the default cnn on MNIST's shape, proved on as many samples as the digits' validation split has."""
    torch.manual_seed(0)
    declared = recipe("cnn")
    labels = tuple("0123456789")
    image = export.ImageInput("image", "image", (28, 28, 1), export.image_steps((28, 28), "L"))
    spec = export.ModelSpec("benchmark", image, export.Classification("classification", "logits", labels))
    _, module = network.build(declared, declared.options(), spec)
    module.eval()
    samples = list(np.random.default_rng(0).integers(0, 256, (SAMPLES, 28, 28), np.uint8))
    ours, hand = [], []
    for turn in range(ROUNDS + 1):  # the first imports what both need
        with tempfile.TemporaryDirectory() as folder:
            start = time.perf_counter()
            export.export(module, spec, samples, ("onnx", "tflite"), out=Path(folder) / "bundle")
            middle = time.perf_counter()
            _by_hand(module, samples[:2], Path(folder))
            end = time.perf_counter()
        if turn:
            ours.append(middle - start)
            hand.append(end - middle)
    took, baseline = statistics.median(ours), statistics.median(hand)
    yield Row(
        "export cnn to ONNX and TFLite, proved", f"{took:.2f} s", f"{baseline:.2f} s", f"{took / baseline:.2f}×",
        f"≤ {BAR}×", took / baseline <= BAR,
    )  # fmt: skip


def _by_hand(module: torch.nn.Module, samples: list[np.ndarray], folder: Path) -> None:
    import litert_torch

    batch = torch.from_numpy(np.stack(samples)[..., None])
    with suppress_output():
        program = torch.onnx.export(
            module, (batch,), dynamo=True, input_names=["image"], output_names=["logits"],
            dynamic_shapes=({0: torch.export.Dim("batch")},), verbose=False,
        )  # fmt: skip
        program.save(str(folder / "model.onnx"), external_data=False)
        litert_torch.convert(module, (batch[:1].clone(),)).export(str(folder / "model.tflite"))
