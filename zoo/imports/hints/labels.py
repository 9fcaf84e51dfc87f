"""Labels in a text file beside the model: labels.txt, or the model's own name with .txt."""

from __future__ import annotations

from pathlib import Path

from zoo.imports.facts import ModelFacts
from zoo.imports.graphs import Graph
from zoo.imports.labels import from_lines
from zoo.imports.sidecar import read_text

SOURCE = "labels.txt beside it"


def read(path: Path, data: bytes, graph: Graph) -> ModelFacts | None:
    """Return the labels; see `zoo.imports.hints`."""
    for name in (f"{path.stem}.txt", f"{path.stem}_labels.txt", "labels.txt"):
        text = read_text(path.with_name(name))
        if text and text.strip():
            return ModelFacts(labels=from_lines(text))
    return None
