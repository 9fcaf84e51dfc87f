"""Manifests that code makes, and damages."""

from __future__ import annotations

import copy
import json

import numpy as np
import pytest

from runtime.bundle import (
    Card,
    DataOrigin,
    FileEntry,
    Manifest,
    ModelFile,
    Origin,
    Parity,
    parse_manifest,
    write_manifest,
)
from runtime.errors import ManifestError
from runtime.spec import FileSpec, ModelSpec

PARITY = Parity("onnxruntime 1", 8, 1e-6, 1e-7, 1.0, 1.0, "accuracy", 0.5, 0.5, 3, 1e-6, 1e-5, 120.0)
SPEC = FileSpec("onnx", "fp32", "float32", None)
ENTRY = FileEntry("0" * 64, 10)


def manifest_of(input_spec, output, files=None, listening=None):
    spec = ModelSpec("people", input_spec, output, listening)
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
    value["model"] = {"listening": None, **value["model"]}
    for step in value["model"]["input"].get("preprocess", []):
        if step["step"] == "reduce":
            step.setdefault("letterbox", False)
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


def said(layer, texts):
    """Return the app's complaint about each text as a manifest; empty where it reads it."""
    return layer.call("(texts) => texts.map((text) => said(() => model.parseManifest(text)))", texts)


def assert_refused_in_a_sentence(layer, manifest, named):
    """Assert that Python and the app refuse a manifest, and that the app names something of it in a line."""
    text = json.dumps(manifest)
    with pytest.raises(ManifestError):
        parse_manifest(text.encode(), "manifest.json")
    (complaint,) = said(layer, [text])
    assert complaint.startswith("ZooError: manifest.json")
    assert named in complaint
    assert len(complaint) < 400
    assert complaint.isprintable()


def assert_taken_or_refused_as_in_python(layer, sound, count, seed):
    """Assert that the app refuses those of `count` random damages of sound manifests that Python refuses."""
    random = np.random.default_rng(seed)
    texts = [json.dumps(damaged(sound[i % len(sound)], random)) for i in range(count)]
    refused = [is_refused(text) for text in texts]
    complaints = said(layer, texts)
    assert all(complaint == "" or complaint.startswith("ZooError: manifest.json") for complaint in complaints)
    each = zip(complaints, refused, texts, strict=True)
    assert not [(complaint, text) for complaint, no, text in each if bool(complaint) != no]
    assert count / 10 < sum(refused) < count


def is_refused(text):
    try:
        parse_manifest(text.encode(), "manifest.json")
    except ManifestError:
        return True
    return False
