"""Manifests that code makes, and damages."""

from __future__ import annotations

import copy
import json

from runtime.bundle import Card, DataOrigin, FileEntry, Manifest, ModelFile, Origin, Parity, write_manifest
from runtime.spec import FileSpec, ModelSpec

PARITY = Parity("onnxruntime 1", 8, 1e-6, 1e-7, 1.0, 1.0, "accuracy", 0.5, 0.5, 3, 1e-6, 1e-5, 120.0)
SPEC = FileSpec("onnx", "fp32", "float32", None)
ENTRY = FileEntry("0" * 64, 10)


def manifest_of(taken, output, files=None):
    spec = ModelSpec("people", taken, output)
    models = files or {"model.onnx": ModelFile(SPEC, PARITY)}
    return Manifest(
        spec.format, "edgezoo", "2026-01-01T00:00:00Z", spec, models,
        dict.fromkeys((*models, "golden.npz", "README.md"), ENTRY),
        Card(
            "A test.",
            DataOrigin("d", "s", "l", {"train": 3}, "f", {"train": {"a": 1}}),
            Origin("w", "s", "l"),
            {"accuracy": 0.5},
            {"recipe": None, "options": {"widths": [1, 2]}},
        ),
    )  # fmt: skip


def text_of(manifest):
    return write_manifest(manifest).decode()


def whole(manifest):
    """Return a manifest as it is read: with the fields that are written only where they hold something."""
    value = json.loads(text_of(manifest))
    for file in value["models"].values():
        file["spec"] = {"lengths": {}, "dtypes": {}, "quantization": {}, "unbatched": [], **file["spec"]}
        file["parity"] = file["parity"] and {"tensors": {}, "metrics": {}, "labels": {}, **file["parity"]}
    return value


JUNK = (None, -1, 0, 0.5, 1e300, "", "x", "a\nb", [], [1], {}, {"a": 1}, True, "onnx", "L", 2**20)


def spots(value, path=()):
    yield path
    for key, item in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from spots(item, (*path, key))


def damaged(value, random):
    value = copy.deepcopy(value)
    *way, last = list(spots(value))[1 + random.integers(len(list(spots(value))) - 1)]
    holder = value
    for key in way:
        holder = holder[key]
    kind = random.integers(4)
    if kind == 0:
        holder.pop(last)
    elif kind == 1 and isinstance(holder, dict):
        holder[f"{last}s"] = holder[last]
    else:
        holder[last] = JUNK[random.integers(len(JUNK))]
    return value
