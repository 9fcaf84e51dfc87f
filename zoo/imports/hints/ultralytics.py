"""Metadata of Ultralytics' exporter, in ONNX and behind TFLite files: task, names and size as Python literals."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

from runtime.errors import OptionError
from runtime.images.steps import OPENCV
from zoo.imports import appended
from zoo.imports.box_families import PIXELS
from zoo.imports.facts import RGB, ModelFacts
from zoo.imports.graphs import Graph
from zoo.imports.infer import GROUND
from zoo.imports.labels import from_numbers

SOURCE = "Ultralytics' metadata in the file"
TASKS = {"classify": "classification", "detect": "detection"}
MAX_LITERAL = 2**19


def read(path: Path, data: bytes, graph: Graph) -> ModelFacts | None:
    """Return the facts; see `zoo.imports.hints`."""
    properties = graph.properties or _appended(data)
    if not {"names", "imgsz", "task"} <= properties.keys():
        return None
    task = TASKS.get(properties["task"], properties["task"])
    if task not in TASKS.values():
        return ModelFacts(task=task)
    names, size = _literal(path, "names", properties), _literal(path, "imgsz", properties)
    sides = [size, size] if isinstance(size, int) else size
    if not isinstance(names, dict) or not (
        isinstance(sides, list | tuple)
        and len(sides) == 2
        and all(isinstance(side, int) and side > 0 for side in sides)
    ):
        raise OptionError(f"{path}: its metadata 'names' and 'imgsz' are not those of Ultralytics; remove them")
    return ModelFacts(
        name=properties.get("description") or None,
        licence=properties.get("license"),
        task=task,
        labels=from_numbers(names, f"{path}'s metadata 'names'"),
        size=(sides[0], sides[1]),
        # ultralytics.data.augment: classify_transforms is torchvision's, and takes the short side, then the centre;
        # LetterBox resizes by OpenCV and pads
        fit="crop" if task == "classification" else "pad",
        ground=None if task == "classification" else GROUND,
        share=1.0,
        interpolation="bilinear" if task == "classification" else OPENCV,
        mean=(0.0,) * RGB,
        std=(255.0,) * RGB,
        order="RGB",
        boxes=_boxes(path, properties) if task == "detection" else None,
    )


def _appended(data: bytes) -> dict[str, str]:
    """Return the metadata that is appended to TFLite files."""
    if data[4:8] != b"TFL3":
        return {}
    try:
        values = json.loads(appended.read_member(data, "metadata.json"))
    except (*appended.UNREADABLE, RecursionError):  # most TFLite files have none
        return {}
    return {str(name): str(value) for name, value in values.items()} if isinstance(values, dict) else {}


def _boxes(path: Path, properties: dict[str, str]) -> str:
    """Return how boxes are read: the exporter says whether the graph suppresses them.

    They are in pixels in ONNX files. In TFLite files that depends on the exporter's version, so the answers tell.
    """
    arguments = _literal(path, "args", properties) if "args" in properties else {}
    suppressed = isinstance(arguments, dict) and arguments.get("nms")
    family = "ranked" if suppressed or properties.get("end2end") == "True" else "yolov8"
    return family + PIXELS if path.suffix == ".onnx" else family


def _literal(path: Path, key: str, properties: dict[str, str]) -> Any:
    text = properties[key]
    try:
        if len(text) > MAX_LITERAL:
            raise ValueError(f"{len(text)} characters")
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError) as problem:
        raise OptionError(f"{path}: its metadata {key!r} can't be read ({type(problem).__name__})") from None
