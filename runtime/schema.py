"""JSON and TOML values to frozen dataclasses: every field is present, known and of its declared type.

One checker serves manifests, model metadata, run folders and command-line options, so all of them
complain in the same words. It knows types only; ranges are checked by the dataclass's own `__post_init__`,
which raises `ValueError`.
"""

from __future__ import annotations

import dataclasses
import json
import math
import types
import typing
from contextlib import suppress
from functools import cache
from typing import Any, TypeVar

from runtime.errors import SHOWN, ZooError, one_line, shown, unknown

T = TypeVar("T")

MESSAGE = 1000
"""The longest message of a range check, in characters: it may name what a hostile file holds."""
NEW = {"new": True}
"""Metadata of a field that earlier releases don't know: they read what is written as long as the field is empty."""


@cache
def field_types(cls: type) -> dict[str, Any]:
    """Return the resolved type of each field of a dataclass."""
    hints = typing.get_type_hints(cls)
    return {field.name: hints[field.name] for field in dataclasses.fields(cls)}


def check_types(record: Any) -> None:
    """Check the fields of a dataclass that code made, as `build` does for those from files.

    Lists become tuples, and numbers of NumPy and PyTorch those of Python.

    Raises:
        ValueError: If a field has another type than declared; names it.
    """
    for name, kind in field_types(typing.cast(type, type(record))).items():
        value = _plain(getattr(record, name))
        record.__dict__[name] = _value(kind, value, f"{type(record).__name__}.{name}", ValueError)


def _plain(value: Any) -> Any:
    value = value.tolist() if hasattr(value, "tolist") else value
    return tuple(map(_plain, value)) if isinstance(value, list | tuple) else value


def build(cls: type[T], value: object, where: str, error: type[ZooError]) -> T:
    """Make a `cls` from a decoded JSON or TOML value.

    Args:
        cls: A dataclass whose fields are bool, int, float, str, None, `Literal`, tuples, dicts with string
            keys, dataclasses, or unions of those. Dataclasses in a union are told apart by their first
            field, a `Literal`. `Any` takes every JSON value.
        value: The decoded value.
        where: How messages name the value, such as ``manifest.json``.
        error: The class of error to raise.

    Raises:
        ZooError: Of class `error`; names the place, what was expected and what was found.
    """
    return typing.cast(T, _value(cls, value, where, error))


def _value(kind: Any, value: Any, where: str, error: type[Exception]) -> Any:
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if kind is Any or (dataclasses.is_dataclass(kind) and isinstance(value, typing.cast(type, kind))):
        return value
    if dataclasses.is_dataclass(kind):
        return _dataclass(typing.cast(type, kind), value, where, error)
    if origin in (typing.Union, types.UnionType):
        return _union(args, value, where, error)
    if origin is typing.Literal:
        if type(value) is str and value in args:
            return value
        raise error(f"{where}: {unknown('value', value, map(str, args))}")
    if origin is tuple and isinstance(value, list | tuple):
        kinds = (args[0],) * len(value) if args[1:] == (...,) else args
        if len(kinds) == len(value):
            return tuple(
                _value(k, v, f"{where}[{i}]", error) for i, (k, v) in enumerate(zip(kinds, value, strict=True))
            )
    elif origin is dict and isinstance(value, dict):
        return {str(k): _value(args[1], v, f"{where}.{str(k)[:SHOWN]}", error) for k, v in value.items()}
    elif kind is float and type(value) in (int, float):
        with suppress(OverflowError):
            if math.isfinite(value):
                return float(value)
    elif kind is types.NoneType and value is None:
        return None
    elif type(value) is kind:
        return value
    raise error(f"{where}: expected {describe(kind)}, got {shown(value)}")


def _dataclass(cls: type, value: Any, where: str, error: type[Exception]) -> Any:
    if not isinstance(value, dict):
        raise error(f"{where}: expected {describe(cls)}, got {shown(value)}")
    kinds = field_types(cls)
    for key in value:
        if key not in kinds:
            raise error(f"{where}: {unknown('field', key, kinds)}")
    for field in dataclasses.fields(cls):
        required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        if required and field.name not in value:
            raise error(f"{where}: the field {field.name!r} is missing")
    made = {key: _value(kinds[key], item, f"{where}.{key}", error) for key, item in value.items()}
    try:
        return cls(**made)
    except ValueError as problem:
        raise error(f"{where}: {one_line(problem, MESSAGE)}") from None


def _union(kinds: tuple[Any, ...], value: Any, where: str, error: type[Exception]) -> Any:
    if value is None and types.NoneType in kinds:
        return None
    tagged = [kind for kind in kinds if dataclasses.is_dataclass(kind)]
    if isinstance(value, dict) and tagged:
        if len(tagged) == 1:
            return _value(tagged[0], value, where, error)
        tag = dataclasses.fields(tagged[0])[0].name
        by_tag = {typing.get_args(field_types(typing.cast(type, kind))[tag])[0]: kind for kind in tagged}
        name = value.get(tag)
        if type(name) is not str or name not in by_tag:
            raise error(f"{where}: {unknown(tag, name, by_tag)}")
        return _value(by_tag[name], value, where, error)
    others = [kind for kind in kinds if kind is not types.NoneType]
    if value is not None and len(others) == 1 and typing.get_origin(others[0]) is typing.Literal:
        return _value(others[0], value, where, error)  # which names the values that there are
    for kind in kinds:
        try:
            return _value(kind, value, where, error)
        except error:
            continue
    raise error(f"{where}: expected {' or '.join(map(describe, kinds))}, got {shown(value)}")


def describe(kind: Any) -> str:
    """Return a type as a person would write it: ``list of int``, ``int or none``."""
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if origin is tuple:
        if args[1:] == (...,):
            return f"list of {describe(args[0])}"
        return f"list of {len(args)} ({', '.join(map(describe, args))})"
    if origin is dict:
        return f"table of {describe(args[1])}"
    if origin is typing.Literal:
        return " | ".join(map(str, args))
    if origin in (typing.Union, types.UnionType):
        return " or ".join(map(describe, args))
    if dataclasses.is_dataclass(kind):
        return "table"
    names: dict[Any, str] = {types.NoneType: "none", str: "text", bool: "true or false", Any: "any value"}
    return names.get(kind) or str(getattr(kind, "__name__", kind))


def parse_json(text: str | bytes, where: str, error: type[ZooError]) -> Any:
    """Decode JSON of unknown origin: no duplicate keys, no NaN, no nesting that exhausts the stack.

    Raises:
        ZooError: Of class `error`, naming `where`.
    """

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        table = dict(items)
        if len(table) != len(items):
            raise ValueError("a key appears twice")
        return table

    def constant(name: str) -> Any:
        raise ValueError(f"{name} is not JSON")

    def number(digits: str) -> float:
        if not math.isfinite(value := float(digits)):
            raise ValueError(f"{digits} is too large")
        return value

    try:
        return json.loads(text, object_pairs_hook=pairs, parse_constant=constant, parse_float=number)
    except (ValueError, RecursionError) as problem:
        raise error(f"{where}: not valid JSON ({one_line(problem)})") from None


def to_json(value: Any, indent: int | None = None) -> str:
    """Encode a dataclass as JSON, the inverse of `build`; fields with `NEW` are left out where they are empty."""
    return json.dumps(json_value(value), indent=indent, ensure_ascii=False, allow_nan=False)


def json_value(value: Any) -> Any:
    """Return a dataclass as the dict that `to_json` encodes."""
    if dataclasses.is_dataclass(value):
        values = {field: getattr(value, field.name) for field in dataclasses.fields(value)}
        return {
            field.name: json_value(item)
            for field, item in values.items()
            if item or field.metadata.keys().isdisjoint(NEW)
        }
    if isinstance(value, dict):
        return {key: json_value(item) for key, item in value.items()}
    return list(map(json_value, value)) if isinstance(value, list | tuple) else value
