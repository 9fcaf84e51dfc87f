"""Answers as files: CSV and Parquet with a column for each value, JSONL as they are.

The boxes of a detector, and the labels heard in a recording, are a row each in CSV, with the input's own columns before
them; an input without any is a row without a label. In Parquet an input is a row, whose column ``boxes`` or ``heard``
is a list of structs.
"""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from runtime import Box, OptionError, OutputError
from runtime.atomic import destination
from runtime.errors import MissingExtraError

Records = Callable[[], Iterable[dict[str, Any]]]
"""Gives the records from the first; called more than once, so that they needn't all be in memory."""
ROWS = 10_000
PARTS: dict[str, dict[str, type]] = {
    "boxes": {name: str if name == "label" else float for name in Box._fields},
    "heard": {"time": float, "label": str, "score": float},
}
"""The keys of answers' lists of which each entry is a row of its own, a detector's boxes and the labels heard in a
recording, with the types of an entry's values."""
FORMULA = ("=", "+", "-", "@", "\t", "\r")


def writer(path: Path) -> Callable[[Path, Records], None]:
    """Return what writes records to a file of a path's suffix.

    Raises:
        OptionError: If the suffix is none that can be written.
        MissingExtraError: If its library is missing.
    """
    writers = {".csv": write_csv, ".jsonl": write_jsonl, ".parquet": write_parquet}
    suffix = path.suffix.lower()
    if suffix not in writers:
        raise OptionError(f"--out must end in {', '.join(writers)}, got {path.name!r}")
    if suffix == ".parquet":
        _pyarrow()
    return writers[suffix]


def target_of(out: Path, inputs: Sequence[str]) -> Path:
    """Return the file that writing answers to `out` makes or replaces.

    Raises:
        OutputError: If it is a folder, a device or one of the inputs.
    """
    target = destination(out)
    there = status_of(target)
    if there and any((each := status_of(path)) and os.path.samestat(each, there) for path in inputs):
        raise OutputError(f"{out} is one of the inputs; name another file")
    return target


def there_already(out: Path) -> OutputError:
    """Return the error of a file that the user did not say to replace."""
    return OutputError(f"{out} is there already: --overwrite replaces it")


def status_of(path: str | Path) -> os.stat_result | None:
    """Return the status of a file, or None if it isn't there or can't be seen."""
    try:
        return os.stat(path)  # noqa: PTH116
    except OSError:
        return None


def write_jsonl(path: Path, records: Records) -> None:
    """Write a JSON object a line."""
    with path.open("w", encoding="ascii") as file:
        for record in records():
            file.write(json.dumps(record) + "\n")


def write_csv(path: Path, records: Records) -> None:
    """Write a table, UTF-8. A text that a spreadsheet would run as a formula is defused: see `harmless`."""
    with path.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file:
        table = csv.DictWriter(file, columns(lambda: rows(records())), restval="", lineterminator="\n")
        table.writeheader()
        for row in rows(records()):
            table.writerow({name: harmless(name, value) for name, value in flat(row)})


def write_parquet(path: Path, records: Records) -> None:
    """Write a table, `ROWS` rows at a time."""
    arrow = _pyarrow()
    import pyarrow.parquet

    kinds = {str: arrow.string(), float: arrow.float64(), int: arrow.int64(), bool: arrow.bool_()}
    lists = {
        key: arrow.list_(arrow.struct([(name, kinds[kind]) for name, kind in part.items()]))
        for key, part in PARTS.items()
    }
    schema = arrow.schema([(name, lists.get(name) or kinds[kind]) for name, kind in columns(records).items()])
    with pyarrow.parquet.ParquetWriter(path, schema) as file:
        rest = iter(records())
        while rows := list(islice(rest, ROWS)):
            file.write_table(arrow.Table.from_pylist([_encodable(dict(flat(row))) for row in rows], schema))


def rows(records: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield the rows of a table: one for each of an answer's `PARTS`, or one without; of other answers one."""
    for record in records:
        key = next((key for key in PARTS if key in record), None)
        if key is None:
            yield record
            continue
        whole = {name: value for name, value in record.items() if name != key}
        for part in record[key] or [{}]:
            yield {**whole, **part}


def columns(records: Records) -> dict[str, type]:
    """Return every column of any record with the type of its values; the error's comes last."""
    types: dict[str, type] = {}
    for record in records():
        for name, value in flat(record):
            types.setdefault(name, type(value))
    if "error" in types:
        types["error"] = types.pop("error")
    return types


def flat(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Flatten to names and values: the second label of ``top`` is ``top_2_label``, the third step ``value_3``.

    A list of `PARTS` stays as it is.
    """
    if name in PARTS:
        yield name, value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from flat(inner, f"{name}_{key}" if name else key)
    elif isinstance(value, list):
        for i, inner in enumerate(value, 1):
            yield from flat(inner, f"{name}_{i}")
    elif value is not None:
        yield name, value


def harmless(column: str, value: Any) -> Any:
    """Return a cell that no spreadsheet takes for a formula.

    Numbers stay. A file's name gets ``./`` before it, which names the same file; another text gets an apostrophe.
    """
    if not isinstance(value, str) or not value.startswith(FORMULA):
        return value
    try:
        float(value)
    except ValueError:
        return f"./{value}" if column == "input" else f"'{value}"
    return value


def _encodable(row: dict[str, Any]) -> dict[str, Any]:
    """Write out the bytes of file names that are no text."""
    return {
        name: value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value
        for name, value in row.items()
    }


def _pyarrow() -> Any:
    try:
        import pyarrow
    except ImportError:
        raise MissingExtraError("pyarrow, which writes .parquet,", "parquet") from None
    return pyarrow
