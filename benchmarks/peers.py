"""Files to answers against other pipelines on the same ONNX file: Optimum's (ResNet-18) and Ultralytics' (YOLOv8).

All with random weights, whose values don't change the time, and as `zoo import` takes them. `make bench-peers` runs
this module in an environment of its own, for Optimum wants older releases than the extras of edgezoo do.
"""

from __future__ import annotations

import argparse
import logging
import os
import tempfile
import warnings
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import runtime
from benchmarks.measure import Row, alternate, ratio_row, show
from benchmarks.pipeline import photos
from zoo.imports.facts import ModelFacts
from zoo.imports.run import import_file

BAR = 0.80
COUNT, ROUNDS = 100, 5
SIDE, BOXES_BAR = 320, 0.60
PHOTOS = {(640, 480): 100, (1280, 720): 100, (4000, 3000): 20}
"""Sizes and numbers of the photos that a detector reads."""


def rows(work_folder: Path) -> Iterator[Row]:
    """Measure each peer."""
    yield from labels(work_folder)
    yield from boxes(work_folder)


def labels(work_folder: Path) -> Iterator[Row]:
    """Measure classifiers."""
    files = photos(work_folder / "peers", (640, 480), COUNT)
    for name, peer in (("Optimum's pipeline, ResNet-18", optimum), ("Ultralytics' predict, YOLOv8n-cls", ultralytics)):
        file, scaling, theirs = peer(work_folder, [str(path) for path in files])
        mean, std = (tuple(255 * value for value in values) for values in scaling)
        facts = ModelFacts(labels=tuple(f"class {i}" for i in range(1000)), size=(224, 224), mean=mean, std=std)
        model = runtime.load(import_file(file, facts, out=work_folder / f"{file.stem}-bundle").bundle.path)
        yield ratio_row(f"{COUNT} JPEGs, {name}", *alternate(lambda: list(model.stream(files)), theirs, ROUNDS), BAR)  # noqa: B023


Scaling = tuple[list[float], list[float]]


def optimum(work_folder: Path, files: list[str]) -> tuple[Path, Scaling, Callable[[], object]]:
    """Return ResNet-18 as Optimum runs it."""
    import torch
    from optimum.onnxruntime import ORTModelForImageClassification
    from optimum.onnxruntime import pipeline as pipeline_of
    from transformers import ConvNextImageProcessor, ResNetConfig, ResNetForImageClassification

    folder = work_folder / "resnet-18"
    config = ResNetConfig(layer_type="basic", depths=[2, 2, 2, 2], hidden_sizes=[64, 128, 256, 512], num_labels=1000)
    network = ResNetForImageClassification(config).eval()
    network.config.save_pretrained(folder)
    processor = ConvNextImageProcessor(size={"shortest_edge": 224}, crop_pct=0.875)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network, (torch.zeros(1, 3, 224, 224),), str(folder / "model.onnx"), dynamo=False,
            input_names=["pixel_values"], output_names=["logits"],
            dynamic_axes={"pixel_values": {0: "batch"}, "logits": {0: "batch"}},
        )  # fmt: skip
    model = ORTModelForImageClassification.from_pretrained(folder)
    pipe = pipeline_of("image-classification", model=model, image_processor=processor)
    return folder / "model.onnx", ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]), lambda: pipe(files)


def ultralytics(work_folder: Path, files: list[str]) -> tuple[Path, Scaling, Callable[[], object]]:
    """Return Ultralytics' smallest classifier as it exports and runs it."""
    file, predict = exported(work_folder, "yolov8n-cls", imgsz=224, simplify=False, dynamic=True)
    return file, ([0.0] * 3, [1.0] * 3), lambda: list(predict(files))


def boxes(work_folder: Path) -> Iterator[Row]:
    """Measure Ultralytics' smallest detector, whose boxes ours equal: both letterbox as OpenCV does."""
    file, predict = exported(work_folder, "yolov8n", imgsz=SIDE)
    model = runtime.load(import_file(file, ModelFacts(), out=work_folder / "boxes-bundle").bundle.path)
    for (width, height), count in PHOTOS.items():
        files = photos(work_folder / f"boxes-{width}", (width, height), count)
        names = [str(path) for path in files]
        times = alternate(lambda: list(model.stream(files)), lambda: list(predict(names, imgsz=SIDE)), ROUNDS)  # noqa: B023
        yield ratio_row(f"{count} JPEGs of {width}×{height} to boxes, Ultralytics' predict, YOLOv8n", *times, BOXES_BAR)


def exported(work_folder: Path, name: str, **options: Any) -> tuple[Path, Callable[..., Iterable[object]]]:
    """Return a network of Ultralytics with random weights as it exports it to ONNX, and what predicts with the file."""
    os.environ.update(
        YOLO_AUTOINSTALL="false", YOLO_CONFIG_DIR=str(work_folder), YOLO_OFFLINE="true", YOLO_VERBOSE="false"
    )
    from ultralytics import YOLO

    logging.getLogger("ultralytics").setLevel(logging.ERROR)
    YOLO(f"{name}.yaml").save(str(work_folder / f"{name}.pt"))
    file = Path(YOLO(str(work_folder / f"{name}.pt")).export(format="onnx", **options))
    task = "classify" if name.endswith("-cls") else "detect"
    return file, partial(YOLO(str(file), task=task).predict, stream=True, verbose=False)


def main() -> None:
    """Print ours, the peer's, the ratio and the bar of each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print JSON for scripts")
    as_json = parser.parse_args().json
    with tempfile.TemporaryDirectory() as folder:
        show("edgezoo against other pipelines", list(rows(Path(folder))), as_json)


if __name__ == "__main__":
    main()
