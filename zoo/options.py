"""Options are frozen dataclasses; a docstring under each field is its help.

Values come from `--set key=value`, from a TOML file and from run folders, and all pass `runtime.schema`.
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import textwrap
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from runtime.errors import OptionError, one_line, unknown
from runtime.regular_files import MAX_TEXT, read_regular
from runtime.schema import build, describe, field_types

T = TypeVar("T")


@dataclass(frozen=True)
class Option:
    """One field of an options dataclass, as help shows it."""

    name: str
    kind: str
    default: Any
    help: str


def options_of(cls: type) -> list[Option]:
    """Return the fields of an options dataclass, and of those that it extends, with the docstrings under them."""
    docs: dict[str, str] = {}
    for each in filter(dataclasses.is_dataclass, reversed(cls.__mro__)):
        body = ast.parse(textwrap.dedent(inspect.getsource(each))).body[0]
        assert isinstance(body, ast.ClassDef)  # noqa: S101  # what getsource of a class gives
        for field, below in zip(body.body, body.body[1:], strict=False):
            if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and isinstance(below, ast.Expr):
                docs[field.target.id] = " ".join(str(ast.literal_eval(below.value)).split())
    kinds = field_types(cls)
    return [Option(f.name, describe(kinds[f.name]), f.default, docs.get(f.name, "")) for f in dataclasses.fields(cls)]


def parse_settings(settings: Iterable[str]) -> dict[str, Any]:
    """Read `key=value` texts: ``lr=0.01``, ``widths=[16,32]``, ``mode=head``, ``augment=[shift,flip]``.

    A value is TOML; where it isn't, it is text, or in square brackets a list of texts: shells eat quotes.

    Raises:
        OptionError: If one has no ``=``.
    """
    values: dict[str, Any] = {}
    for setting in settings:
        key, equals, text = setting.partition("=")
        if not equals or not key.strip():
            raise OptionError(f"--set takes key=value, got {setting!r}")
        try:
            values[key.strip()] = tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            listed = text.startswith("[") and text.endswith("]")
            values[key.strip()] = [word.strip() for word in text[1:-1].split(",")] if listed else text
    return values


def read_toml(path: Path) -> dict[str, Any]:
    """Read a configuration file: the keys of `--set`, one a line.

    Raises:
        OptionError: If it can't be read.
    """
    try:
        return tomllib.loads(read_regular(path, MAX_TEXT).decode())
    except (OSError, ValueError) as problem:  # tomllib's error and that of UTF-8 are ValueErrors
        raise OptionError(f"{path}: can't be read as TOML ({one_line(problem)})") from None


def apply(defaults: T, values: Mapping[str, Any], where: str) -> T:
    """Return `defaults` with some fields replaced, checked.

    Raises:
        OptionError: If a field is unknown or a value has the wrong type or range.
    """
    current = {field.name: getattr(defaults, field.name) for field in dataclasses.fields(defaults)}  # type: ignore[arg-type]
    return build(type(defaults), current | dict(values), where, OptionError)


def divide(values: Mapping[str, Any], *classes: type) -> list[dict[str, Any]]:
    """Share settings out among options dataclasses by field name.

    Raises:
        OptionError: If no class has a field of that name.
    """
    names = [{field.name for field in dataclasses.fields(cls)} for cls in classes]
    for key in values:
        if not any(key in own for own in names):
            raise OptionError(unknown("option", key, set().union(*names)))
    return [{key: value for key, value in values.items() if key in own} for own in names]
