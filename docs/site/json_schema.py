"""JSON Schema (draft 2020-12) of the records that `runtime.schema` builds: `manifest.schema.json` on the site.

The schema has names, types and required fields. Ranges, and how fields refer to each other, are checked by the records
themselves.
"""

from __future__ import annotations

import dataclasses
import inspect
import types
import typing
from typing import Any

from runtime.bundle.manifest import Manifest
from runtime.schema import field_types

NAMES: dict[Any, dict[str, Any]] = {
    Any: {},
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    float: {"type": "number"},
    str: {"type": "string"},
    types.NoneType: {"type": "null"},
}


def manifest_schema() -> dict[str, Any]:
    """Return the schema of manifest.json."""
    records: dict[str, Any] = {}
    reference = _schema(Manifest, records)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "manifest.json of an edgezoo bundle",
        **reference,
        "$defs": records,
    }


def _schema(kind: Any, records: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a type; the dataclasses in it are added to ``records``."""
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if dataclasses.is_dataclass(kind):
        return _reference(typing.cast(type, kind), records)
    if origin in (typing.Union, types.UnionType):
        return {"anyOf": [_schema(each, records) for each in args]}
    if origin is typing.Literal:
        return {"enum": list(args)}
    if origin is tuple and args[1:] == (...,):
        return {"type": "array", "items": _schema(args[0], records)}
    if origin is tuple:
        items = [_schema(each, records) for each in args]
        return {"type": "array", "prefixItems": items, "items": False, "minItems": len(items)}
    if origin is dict:
        return {"type": "object", "additionalProperties": _schema(args[1], records)}
    return NAMES[kind]


def _reference(record: type, records: dict[str, Any]) -> dict[str, Any]:
    if record.__name__ not in records:
        described: dict[str, Any] = {"type": "object", "description": _summary(record), "additionalProperties": False}
        records[record.__name__] = described  # before its fields, which may lead back to it
        types_of = field_types(record)
        fields = dataclasses.fields(record)
        missing = dataclasses.MISSING
        described["properties"] = {field.name: _schema(types_of[field.name], records) for field in fields}
        described["required"] = [
            field.name for field in fields if field.default is missing and field.default_factory is missing
        ]
    return {"$ref": f"#/$defs/{record.__name__}"}


def _summary(record: type) -> str:
    """Return the first sentence or two of a docstring, on one line."""
    return " ".join((inspect.getdoc(record) or "").split("\n\n")[0].split())
