"""Files to labels against the loop that everybody writes: open, resize, run, one file after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image

import runtime
from benchmarks.measure import Row, alternate, ratio_row
from benchmarks.predict import bare_litert, bare_onnx

SIZES = {"640×480": ((640, 480), 100, 5), "12 megapixels": ((4000, 3000), 8, 1)}
"""For each size the images on disk, and how often each is read a round: 500 files to labels, or 8."""
BARS = {"640×480": {"fp32": 0.80, "int8": 0.65}, "12 megapixels": {"fp32": 0.30, "int8": 0.30}}


def rows(folder: Path, work_folder: Path, rounds: int = 5) -> Iterator[Row]:
    """Measure a bundle of an image network in fp32 and int8 on both engines; `work_folder` holds the images."""
    for name, ((width, height), count, times) in SIZES.items():
        files = photos(work_folder / name, (width, height), count) * times
        for engine, suffix, bare in (("onnxruntime", "onnx", bare_onnx), ("litert", "tflite", bare_litert)):
            for precision, mark in (("fp32", ""), ("int8", ".int8")):
                file = folder / f"model{mark}.{suffix}"
                model = runtime.load(file, engine=engine)
                shape = model.spec.input.shape
                loop = by_hand(bare(file), files, (shape[1], shape[0]))
                measured = alternate(lambda: list(model.stream(files)), loop, rounds)  # noqa: B023
                what = f"{len(files)} JPEGs of {name} to labels, {precision}, {engine}"
                yield ratio_row(what, *measured, BARS[name][precision])


def by_hand(
    run: Callable[[np.ndarray], list[np.ndarray]], files: list[Path], size: tuple[int, int]
) -> Callable[[], list[int]]:
    """Return a loop that decodes with Pillow, crops and resizes at once, and runs an engine on every CPU."""

    def loop() -> list[int]:
        labels = []
        for file in files:
            image = Image.open(file).convert("RGB")
            side = min(image.size)
            left, top = (image.width - side) / 2, (image.height - side) / 2
            image = image.resize(size, Image.Resampling.BILINEAR, box=(left, top, left + side, top + side))
            labels.append(int(run(np.asarray(image)[None])[0].argmax()))
        return labels

    return loop


def photos(folder: Path, size: tuple[int, int], count: int) -> list[Path]:
    """Write JPEGs as cameras do: smooth shapes with some noise."""
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(count):
        random = np.random.default_rng(i)
        coarse = Image.fromarray(random.integers(0, 256, (24, 32, 3), np.uint8))
        smooth = np.asarray(coarse.resize(size, Image.Resampling.BICUBIC), np.float32)
        noisy = smooth + random.normal(0, 5, smooth.shape).astype(np.float32)
        Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(folder / f"{i:03}.jpg", quality=90)
    return sorted(folder.iterdir())
