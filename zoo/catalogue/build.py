"""Bundles of the catalogue's own models: a recipe, data and a seed, trained and exported.

``python -m zoo.catalogue.build [FOLDER [NAME ...]]`` (`make zoo`) makes those that come with edgezoo, bit for bit the
same on processors of one kind.
"""

from __future__ import annotations

import os
import platform
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from runtime.errors import OptionError
from runtime.scratch import scratch_folder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runtime import Bundle
    from runtime.progress import Progress
    from zoo.catalogue import Entry
    from zoo.catalogue.pull import Choice

EPOCH = "1767225600"
"""The date in the bundles that ship with edgezoo: 2026-01-01, whenever they are made."""

PROCESSOR = "processor.txt"
"""The file beside them that says on what processor they were made."""


def make(name: str, entry: Entry, choice: Choice, out: Path, on_progress: Progress) -> Bundle:
    """Train an entry's recipe and export it.

    Args:
        name: What the model is called.
        entry: What is known of it; made by a recipe.
        choice: Formats and precisions.
        out: The bundle's folder.
        on_progress: Called with what is being done, how much is done, and how much there is.

    Raises:
        OptionError: If random weights are asked for.
        ExportError: If a file can't be written or fails parity.
    """
    from export import export
    from zoo.catalogue import Trained
    from zoo.exporting.run import finished
    from zoo.train.config import Hardware
    from zoo.train.pipeline import train
    from zoo.train.run import CURVES

    if choice.random_weights or not isinstance(entry.made, Trained):
        raise OptionError(f"{name} is trained here in a moment: random weights are for models of timm")
    made = entry.made
    with scratch_folder() as folder:
        run = train(
            made.recipe, data=made.data, out=folder / "run", settings=made.settings, seed=made.seed,
            hardware=Hardware("cpu"), on_progress=on_progress,
        )  # fmt: skip
        ready = finished(run, on_progress=on_progress)
    pictures = {file: data for file, data in ready.pictures.items() if file != CURVES}  # they would be half the bundle
    return export(
        ready.module, replace(ready.run.model, name=name), ready.held.items, choice.formats,
        precisions=choice.precisions, out=out, overwrite=True, targets=ready.held.targets,
        calibration=ready.calibration, card=replace(ready.card, summary=entry.summary), pictures=pictures,
        on_progress=on_progress,
    )  # fmt: skip


def ship(folder: Path, names: Sequence[str], on_progress: Progress) -> None:
    """Make the bundles that ship with edgezoo, on one thread and with one date, so that they come out the same.

    Args:
        folder: Where each gets a folder of its name.
        names: Which of them to make; all of them where there is none.
        on_progress: Called with what is being done, how much is done, and how much there is.
    """
    os.environ["SOURCE_DATE_EPOCH"] = EPOCH
    import torch

    from runtime.atomic import write_file
    from zoo.catalogue import Trained, entries
    from zoo.catalogue.entry_source import own

    folder.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    for name, entry in entries().items():
        if isinstance(entry.made, Trained) and (not names or name in names):
            make(name, entry, own(name), folder / name, on_progress)
    write_file(folder / PROCESSOR, processor().encode())


def processor() -> str:
    """Return what decides in which order sums are added up, and so a trained weight's last bits: the CPU's kind."""
    from torch.backends.cpu import get_cpu_capability

    file = Path("/proc/cpuinfo")
    lines = file.read_text().splitlines() if file.exists() else []
    names = [line.partition(": ")[2] for line in lines if line.startswith("model name")]
    return f"{platform.machine()}, {get_cpu_capability()}, {names[0] if names else platform.processor()}\n"


if __name__ == "__main__":
    import sys

    from zoo.resolve import SHIPPED
    from zoo.terminal.progress import progress

    with progress() as step:
        ship(Path(sys.argv[1]) if sys.argv[1:] else SHIPPED, sys.argv[2:], step)
