"""Reports of evaluations as files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from runtime.atomic import write_file


def write_report(folder: Path, report: dict[str, Any], pictures: Mapping[str, bytes]) -> list[Path]:
    """Write a report as metrics.json, and its pictures, into a folder; return the files.

    Raises:
        OutputError: If one can't be written.
    """
    text = json.dumps(report, ensure_ascii=False, indent=1) + "\n"
    contents = {"metrics.json": text.encode(), **pictures}
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        write_file(folder / name, content)
    return [folder / name for name in contents]
