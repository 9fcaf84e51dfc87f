"""Metadata that Ultralytics' exporter writes into its ONNX files: task, names and image size as Python literals."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

from runtime.errors import OptionError
from zoo.imports.facts import RGB, ModelFacts
from zoo.imports.graphs import Graph
from zoo.imports.labels import from_numbers

SOURCE = "Ultralytics' metadata in the file"
TASKS = {"classify": "classification"}
MAX_LITERAL = 2**19


def read(path: Path, data: bytes, graph: Graph) -> ModelFacts | None:
    """Return the facts; see `zoo.imports.hints`."""
    properties = graph.properties
    if not {"names", "imgsz", "task"} <= properties.keys():
        return None
    task = TASKS.get(properties["task"], properties["task"])
    if task != "classification":
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
        fit="crop",  # ultralytics.data.augment.classify_transforms: short side, then centre
        share=1.0,
        interpolation="bilinear",
        mean=(0.0,) * RGB,
        std=(255.0,) * RGB,
        order="RGB",
    )


def _literal(path: Path, key: str, properties: dict[str, str]) -> Any:
    text = properties[key]
    try:
        if len(text) > MAX_LITERAL:
            raise ValueError(f"{len(text)} characters")
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError) as problem:
        raise OptionError(f"{path}: its metadata {key!r} can't be read ({type(problem).__name__})") from None
