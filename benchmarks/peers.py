"""Files to labels against other pipelines on the same ONNX file: Optimum's (ResNet-18) and Ultralytics' (a classifier).

Both with random weights, whose values don't change the time, and as `zoo import` takes them. `make bench-peers` runs
this module in an environment of its own, for Optimum wants older releases than the extras of edgezoo do.
"""

from __future__ import annotations

import argparse
import logging
import os
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import runtime
from benchmarks.measure import Row, alternate, ratio_row, show
from benchmarks.pipeline import photos
from zoo.imports.facts import ModelFacts
from zoo.imports.run import import_file

BAR = 0.80
COUNT, ROUNDS = 100, 5


def rows(work_folder: Path) -> Iterator[Row]:
    """Measure each peer."""
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
    os.environ.update(
        YOLO_AUTOINSTALL="false", YOLO_CONFIG_DIR=str(work_folder), YOLO_OFFLINE="true", YOLO_VERBOSE="false"
    )
    from ultralytics import YOLO

    logging.getLogger("ultralytics").setLevel(logging.ERROR)
    network = YOLO("yolov8n-cls.yaml")
    network.save(str(work_folder / "yolov8n-cls.pt"))
    file = Path(
        YOLO(str(work_folder / "yolov8n-cls.pt")).export(format="onnx", imgsz=224, simplify=False, dynamic=True)
    )
    model = YOLO(str(file), task="classify")
    return file, ([0.0] * 3, [1.0] * 3), lambda: list(model.predict(files, stream=True, verbose=False))


def main() -> None:
    """Print ours, the peer's, the ratio and the bar of each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print JSON for scripts")
    as_json = parser.parse_args().json
    with tempfile.TemporaryDirectory() as folder:
        show("edgezoo against other pipelines", list(rows(Path(folder))), as_json)


if __name__ == "__main__":
    main()
