"""Files to boxes against the loop that people write: open, letterbox, run, decode and suppress, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image

import runtime
from benchmarks.boxes import CONFIDENCE, IOU, by_hand
from benchmarks.measure import Row, alternate, ratio_row
from benchmarks.pipeline import photos
from benchmarks.predict import bare_litert, bare_onnx
from runtime.tasks import Detection

SIDE, LABELS, STRIDES = 320, ("one", "two", "three"), (8, 16, 32)
CELLS = sum((SIDE // stride) ** 2 for stride in STRIDES)
SIZE, COUNT = (640, 480), 100
BARS = {"fp32": 0.80, "int8": 0.65}


def detector(folder: Path) -> Path:
    """Export a detector on tf_efficientnet_lite0 for 320x320 RGB in fp32 and int8; the weights are random."""
    import torch

    import export
    from zoo.recipes._detector import Detector

    torch.manual_seed(0)
    network = Detector("tf_efficientnet_lite0", len(LABELS)).eval()
    tensors = (
        export.TensorSpec("distances", (CELLS, 4), axes=("cell", "side")),
        export.TensorSpec("scores", (CELLS, len(LABELS)), axes=("cell", "label")),
    )
    layout = export.Distances("distances", STRIDES)
    steps = export.image_steps((SIDE, SIDE), "RGB", fit="pad", ground=(114, 114, 114))
    spec = export.ModelSpec(
        "detector",
        export.ImageInput("image", "image", (SIDE, SIDE, 3), steps),
        Detection("detection", tensors, LABELS, SIDE, SIDE, layout, CONFIDENCE, IOU),
    )
    random = np.random.default_rng(0)
    samples = [random.integers(0, 256, (SIDE, SIDE, 3), np.uint8) for _ in range(4)]
    return export.export(
        export.NormalizePixels(network, [0.5] * 3, [0.5] * 3), spec, samples, out=folder / "detector",
        precisions=("fp32", "int8"), calibration=export.Calibration(samples * 8, number=32), allow_drift=True,
        targets=[[("one", 0, 0, 9, 9)]] * len(samples),
    ).path  # fmt: skip


def rows(folder: Path, work_folder: Path, rounds: int = 5) -> Iterator[Row]:
    """Measure the detector in fp32 and int8 on both engines; `work_folder` holds the images."""
    files = photos(work_folder / "detected", SIZE, COUNT)
    for engine, suffix, bare in (("onnxruntime", "onnx", bare_onnx), ("litert", "tflite", bare_litert)):
        for precision, mark in (("fp32", ""), ("int8", ".int8")):
            file = folder / f"model{mark}.{suffix}"
            model = runtime.load(file, engine=engine)
            loop = loop_by_hand(bare(file), files)
            measured = alternate(lambda: list(model.stream(files)), loop, rounds)  # noqa: B023
            what = f"{COUNT} JPEGs of {SIZE[0]}×{SIZE[1]} to boxes, {precision}, {engine}"
            yield ratio_row(what, *measured, BARS[precision])


def loop_by_hand(run: Callable[[np.ndarray], list[np.ndarray]], files: list[Path]) -> Callable[[], list[int]]:
    """Return a loop that decodes with Pillow, letterboxes, runs an engine on every CPU, and suppresses with numpy."""

    def loop() -> list[int]:
        counts = []
        for file in files:
            image = Image.open(file).convert("RGB")
            scale = min(SIDE / image.width, SIDE / image.height)
            inner = image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.BILINEAR)
            padded = Image.new("RGB", (SIDE, SIDE), (114, 114, 114))
            padded.paste(inner, ((SIDE - inner.width) // 2, (SIDE - inner.height) // 2))
            outputs = run(np.asarray(padded)[None])
            distances, scores = sorted((each[0] for each in outputs), key=lambda each: -each.shape[1])
            counts.append(len(by_hand(distances, scores)))
        return counts

    return loop
