"""The catalogue as a source of bundles: an entry says which recipe or which pretrained network makes a model."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.catalogue import entry
from zoo.catalogue.pull import Choice

if TYPE_CHECKING:
    from runtime import Bundle
    from runtime.progress import Progress

CHANGES = False
MAKERS = {"recipe": "zoo.catalogue.build", "timm": "zoo.catalogue.backbones"}
"""The module whose ``make`` takes entries that are made in such a way."""


def own(name: str) -> Choice:
    """Return the formats and precisions of a model's entry."""
    known = entry(name)
    return Choice(known.formats, known.precisions)


def pull(name: str, choice: Choice, out: Path, on_progress: Progress) -> Bundle:
    """Make a model's bundle; see `zoo.catalogue.pull.Source`."""
    known = entry(name)
    bundle: Bundle = import_module(MAKERS[known.made.kind]).make(name, known, choice, out, on_progress)
    return bundle
