"""TFLite metadata: a table ``ModelMetadata`` in the file, and label files in a zip at its end (metadata_schema.fbs)."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

from runtime.errors import BundleError, OptionError, one_line
from runtime.formats import flatbuffer
from runtime.formats.tflite import buffer
from zoo.imports import appended
from zoo.imports.facts import ModelFacts
from zoo.imports.graphs import Graph
from zoo.imports.labels import from_lines

SOURCE = "TFLite metadata in the file"
NAME, DESCRIPTION, SUBGRAPHS, LICENSE = 0, 1, 3, 5
INPUTS, OUTPUTS = 2, 3
"""Fields of ``SubGraphMetadata``."""
PROCESS, FILES = 4, 6
"""Fields of ``TensorMetadata``."""
NORMALIZATION = 1
"""The tag of ``NormalizationOptions`` in the union of processing units."""
AXIS_LABELS = 2
"""The tag of labels along an axis among the types of associated files."""

UNREADABLE = (BundleError, struct.error, IndexError, *appended.UNREADABLE)


def read(path: Path, data: bytes, graph: Graph) -> ModelFacts | None:
    """Return the facts; see `zoo.imports.hints`."""
    try:
        table = buffer(data, "TFLITE_METADATA") if data[4:8] == b"TFL3" else None
        return _facts(data, table) if table else None
    except UNREADABLE as problem:
        raise OptionError(f"{path}: its TFLite metadata can't be read ({one_line(problem)})") from None


def _facts(data: bytes, table: bytes) -> ModelFacts:
    root = flatbuffer.root(table)
    graphs = _tables(table, root, SUBGRAPHS)
    inputs, outputs = (_tables(table, graphs[0], part) if graphs else [] for part in (INPUTS, OUTPUTS))
    scaling = _scaling(table, inputs[0]) if inputs else {}
    return ModelFacts(
        name=_text(table, root, NAME),
        summary=_text(table, root, DESCRIPTION),
        licence=_text(table, root, LICENSE),
        labels=_labels(data, table, outputs[0]) if outputs else None,
        **scaling,
    )


def _scaling(table: bytes, tensor: int) -> dict[str, Any]:
    for unit in _tables(table, tensor, PROCESS):
        tag, options = flatbuffer.field(table, unit, 0), flatbuffer.field(table, unit, 1)
        if tag and options and table[tag] == NORMALIZATION:
            normalization = flatbuffer.target(table, options)
            mean, std = (flatbuffer.field(table, normalization, part) for part in (0, 1))
            if mean and std:
                return {"mean": flatbuffer.numbers(table, mean, "f"), "std": flatbuffer.numbers(table, std, "f")}
    return {}


def _labels(data: bytes, table: bytes, tensor: int) -> tuple[str, ...] | None:
    """Return the first label file of a tensor; others are translations."""
    for file in _tables(table, tensor, FILES):
        name, kind = _text(table, file, 0), flatbuffer.field(table, file, 2)
        if name and kind and table[kind] == AXIS_LABELS:
            return from_lines(appended.read_member(data, name))
    return None


def _tables(table: bytes, parent: int, number: int) -> list[int]:
    vector = flatbuffer.field(table, parent, number)
    return flatbuffer.tables(table, vector) if vector else []


def _text(table: bytes, parent: int, number: int) -> str | None:
    field = flatbuffer.field(table, parent, number)
    text = flatbuffer.content(table, field).decode() if field else ""
    return " ".join(text.split())[:500] or None
