"""Findings in annotations: counted by its kind, with the first examples, so that one report names everything."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from runtime.printable import escape_controls

EXAMPLES = 3
"""How many examples of each kind a report shows."""


@dataclass(frozen=True)
class Kind:
    """A kind of finding.

    Args:
        level: ``fatal`` concerns the meaning of the whole set, so that leaving out pictures would hide it. ``bad``
            concerns a picture, which ``--skip-bad`` leaves out: an unmarked object teaches the detector that
            it is background, so no box is ever dropped from a picture that stays. ``note`` changes no object.
        text: The kind in words, of several.
    """

    level: Literal["fatal", "bad", "note"]
    text: str


UNKNOWN_CLASS = Kind("fatal", "boxes of a class that is not among the names")
UNTRAINED_CLASS = Kind("fatal", "classes with boxes outside of the training pictures only")
LEAVES_FOLDER = Kind("bad", "paths that lead out of the folder")
MISSING = Kind("bad", "missing pictures")
UNREADABLE = Kind("bad", "unreadable pictures")
DAMAGED = Kind("bad", "annotations that can't be read")
WITHOUT_FILE = Kind("bad", "listed names without an annotation file")
OTHER_SIZE = Kind("bad", "pictures of another size than their annotation states")
REVERSED = Kind("bad", "boxes whose right or bottom edge comes before the left or top edge")
OUTSIDE = Kind("bad", "boxes that reach more than a pixel out of their picture")
TOO_MANY = Kind("bad", "pictures with too many boxes")
LISTED_TWICE = Kind("bad", "pictures that a split lists twice")
LEAK = Kind("bad", "pictures that are in two splits")
FLAT = Kind("note", "boxes without an area, which are left out")
REPEATED = Kind("note", "repeated boxes of one class, of which the first counts")
CROWD = Kind("note", "boxes around crowds (iscrowd), which are left out")
EMPTY_CLASS = Kind("note", "classes without a box, which the model can't learn")
UNANNOTATED = Kind("note", "pictures without an annotation file, which are left out")
BACKGROUND = Kind("note", "pictures without a label file, which count as pictures without objects")
UNLISTED = Kind("note", "annotated pictures in no list of a split, which are left out")


class Findings:
    """Findings by their kind."""

    def __init__(self) -> None:
        self._counts: dict[Kind, int] = {}
        self._examples: dict[Kind, list[str]] = {}

    def add(self, kind: Kind, example: str) -> None:
        """Count a finding; `example` says where it is and which value it has."""
        self._counts[kind] = self._counts.get(kind, 0) + 1
        examples = self._examples.setdefault(kind, [])
        if len(examples) < EXAMPLES:
            examples.append(escape_controls(example))

    def lines(self, level: str) -> list[str]:
        """Return one line for each kind of a level: the kind, the number and the first examples."""
        lines = []
        for kind, count in self._counts.items():
            if kind.level == level:
                more = f", and {count - EXAMPLES} more" if count > EXAMPLES else ""
                lines.append(f"{kind.text}: {count} ({', '.join(self._examples[kind])}{more})")
        return lines
