"""Samples of a folder for the golden pack, by the one rule about what a folder means."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from export.golden import MADE_UP, NONE, SUFFIXES, Wanted, of_images, spread
from runtime.errors import OptionError
from runtime.inputs import Input, TableInput
from zoo.files import IMAGES, find, warn_of_skipped


def resolve_samples(wanted: Wanted, input_spec: Input) -> Wanted:
    """Return what `export.export` takes as ``golden``: of a folder the samples in it; see `folder_samples`."""
    if isinstance(wanted, str | os.PathLike) and wanted not in (MADE_UP, NONE):
        return folder_samples(wanted, input_spec)
    return wanted


def check_samples(wanted: Wanted) -> None:
    """Refuse a folder of samples that is not there.

    Raises:
        OptionError: If it is neither there nor one of the words that stand for samples.
    """
    if isinstance(wanted, str | os.PathLike) and wanted not in (MADE_UP, NONE) and not Path(wanted).exists():
        raise OptionError(f"{wanted}: no such folder of samples; to do without, say {MADE_UP} or {NONE}")


def folder_samples(folder: str | os.PathLike[str], input_spec: Input) -> list[Any]:
    """Return samples of a folder and the folders in it, or of one file, spread evenly over their names.

    Raises:
        OptionError: If there is no such folder or file, or it holds nothing that the model takes.
        InputError: If a table can't be read.
    """
    check_samples(folder)
    files = find([os.fspath(folder)], IMAGES if of_images(input_spec) else SUFFIXES[input_spec.kind])
    warn_of_skipped(files.skipped)
    for name, problem in files.problems.items():
        raise OptionError(f"{name}: {problem}")
    if isinstance(input_spec, TableInput):
        return spread([row for path in files.paths for row in input_spec.rows(path)])
    return spread(files.paths)
