"""The JSON Schema of the manifest takes what the runtime takes, and refuses fields and types that it refuses."""

from __future__ import annotations

import json

import jsonschema
import pytest

from docs.site.json_schema import manifest_schema
from tests.docs.pages import ROOT

SCHEMA = jsonschema.Draft202012Validator(manifest_schema())
FOLDERS = ("zoo/models", "tests/fixtures")
MANIFESTS = sorted(path for folder in FOLDERS for path in (ROOT / folder).glob("*/manifest.json"))


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.parent.name)
def test_manifests_of_all_formats_are_taken(path):
    SCHEMA.validate(json.loads(path.read_bytes()))


@pytest.mark.parametrize(
    ("where", "value", "words"),
    [
        (("format",), "3", "'3' is not of type 'integer'"),
        (("other",), 1, "'other' was unexpected"),
        (("files", "model.onnx", "size"), None, "None is not of type 'integer'"),
        (("models", "model.onnx", "spec", "precision"), "int9", "'int9' is not one of"),
        (("golden", "kind"), "hearsay", "is not valid under any of the given schemas"),
    ],
)
def test_wrong_fields_and_types_are_refused(where, value, words):
    manifest = json.loads((ROOT / "zoo" / "models" / "mnist-cnn" / "manifest.json").read_bytes())
    manifest.setdefault("golden", {"kind": "data", "samples": 4})
    *parents, last = where
    inner = manifest
    for name in parents:
        inner = inner[name]
    inner[last] = value
    with pytest.raises(jsonschema.ValidationError) as caught:
        SCHEMA.validate(manifest)
    assert words in caught.value.message


def test_the_schema_is_one():
    jsonschema.Draft202012Validator.check_schema(manifest_schema())
