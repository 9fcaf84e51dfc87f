"""The facts about a third-party file that the command line states."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from runtime.errors import OptionError
from runtime.schema import build
from zoo.imports.facts import ModelFacts
from zoo.imports.labels import from_lines
from zoo.imports.sidecar import read_text


def read_options(
    *,
    labels: Path | None,
    size: str | None,
    mean: str | None,
    std: str | None,
    white: int | None,
    lengths: Sequence[str] | None = None,
    constants: Sequence[str] | None = None,
    **others: Any,
) -> ModelFacts:
    """Return the facts that options state.

    Args:
        labels: A text file with one label a line.
        size: ``SIDE`` or ``HEIGHTxWIDTH``.
        mean: Numbers with commas.
        std: The same.
        white: The value of white that `mean` and `std` are measured in, 1 or 255; None tells by their size.
        lengths: ``AXIS=LENGTH`` of each axis of any length.
        constants: ``NAME=VALUE`` of each input that stays the same at every run.
        others: Facts as they stand.

    Raises:
        OptionError: If one can't be read.
    """
    values = {name: value for name, value in others.items() if value is not None}
    if labels is not None:
        text = read_text(labels)
        if not text or not text.strip():
            raise OptionError(f"--labels: {labels} " + ("is empty" if text is not None else "is not there"))
        values["labels"] = from_lines(text)
    if lengths:
        pairs = [re.fullmatch(r"(.+)=(\d{1,9})", pair) for pair in lengths]
        if not all(pairs):
            raise OptionError(f"--length must be AXIS=LENGTH, such as time=100, got {', '.join(lengths)}")
        values["lengths"] = {pair[1]: int(pair[2]) for pair in pairs if pair}
    if constants:
        named = [pair.partition("=") for pair in constants]
        if not all(name and value for name, _, value in named) or len({name for name, *_ in named}) < len(named):
            raise OptionError(
                f"--constant must be NAME=VALUE, once a name, such as sr=16000, got {', '.join(constants)}"
            )
        values["constants"] = {name: value for name, _, value in named}
    if size is not None:
        sides = re.fullmatch(r"(\d{1,5})(?:x(\d{1,5}))?", size)
        if sides is None:
            raise OptionError(f"--resize must be SIDE or HEIGHTxWIDTH in pixels, such as 224 or 192x256, got {size!r}")
        values["size"] = [int(sides[1]), int(sides[2] or sides[1])]
    if white is not None and mean is None:
        raise OptionError("--range is the unit of --mean and --std: give them too, or leave it out")
    if (mean is None) != (std is None):
        raise OptionError("--mean and --std belong together: give both")
    if mean is not None and std is not None:
        scaled = {"mean": _numbers("--mean", mean), "std": _numbers("--std", std)}
        if white not in (None, 1, 255):
            raise OptionError(f"--range must be 1 or 255, got {white}")
        sizes = {name: max(map(abs, listed)) for name, listed in scaled.items()}
        if white is None and 0 < sizes["mean"] <= 1 < sizes["std"]:
            raise OptionError("--mean is on the scale of 0 to 1 and --std of 0 to 255: give both on one, or --range")
        unit = white or (255 if max(sizes.values()) > 1 else 1)
        values |= {name: [round(255 / unit * value, 9) for value in listed] for name, listed in scaled.items()}
    return build(ModelFacts, values, "zoo import", OptionError)


def _numbers(option: str, text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise OptionError(f"{option} must be a number, or one for each channel with commas, got {text!r}") from None
