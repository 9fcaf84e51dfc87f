"""Metadata that RapidAI's converters from Paddle write into ONNX files: labels under ``character``, one a line."""

from __future__ import annotations

from pathlib import Path

from zoo.imports.facts import ModelFacts
from zoo.imports.graphs import Graph
from zoo.imports.labels import from_lines

SOURCE = "RapidAI's metadata in the file"


def read(path: Path, data: bytes, graph: Graph) -> ModelFacts | None:
    """Return the labels; see `zoo.imports.hints`."""
    text = graph.properties.get("character", "")
    return ModelFacts(labels=from_lines(text)) if text.strip() else None
