"""The XML of Pascal VOC, read with a parser that knows no document types: no entity is ever expanded or loaded."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NoReturn
from xml.parsers import expat

from runtime.errors import shown

MAX_DEPTH = 64
_EDGES = ("xmin", "ymin", "xmax", "ymax")
_SIZE = ("width", "height")
_ORIGINAL = "The VOC"
"""What ``source/database`` of the challenge's own files begins with."""


@dataclass(frozen=True)
class VocFile:
    """What a file says of its picture.

    Args:
        size: Width and height, or None.
        names: The class of each object.
        edges: Left, top, right and bottom of each object's box.
    """

    size: tuple[float, float] | None
    names: tuple[str, ...]
    edges: tuple[tuple[float, ...], ...]


def parse_voc(data: bytes) -> VocFile:
    """Return what an annotation file says.

    The challenge's own files count pixels from 1 and include the last one ("the top-left pixel in the image has
    coordinates (1,1)", VOC devkit 4.2), so their left and top are one less as edges. Annotation tools (labelImg, CVAT)
    write edges into the same XML, which are left as they are.

    Raises:
        ValueError: If it is no XML, has a document type, or lacks what a box needs; says what.
    """
    reader = _Reader()
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = _refuse_document_type
    parser.StartElementHandler, parser.EndElementHandler = reader.start, reader.end
    parser.CharacterDataHandler = reader.characters
    try:
        parser.Parse(data, True)
    except (expat.ExpatError, LookupError) as problem:  # an unknown encoding is a LookupError
        raise ValueError(f"not valid XML ({problem})") from None
    if not reader.is_voc:
        raise ValueError("not an <annotation> of Pascal VOC")
    stated = [_number(reader.size.get(name, "0"), name) for name in _SIZE]
    first = 1.0 if reader.database.startswith(_ORIGINAL) else 0.0
    edges = []
    for number, item in enumerate(reader.objects, 1):
        absent = [name for name in ("name", *_EDGES) if not item.get(name)]
        if absent:
            raise ValueError(f"object {number} has no <{absent[0]}>")
        left, top, right, bottom = (_number(item[name], name) for name in _EDGES)
        edges.append((left - first, top - first, right, bottom))
    names = tuple(item["name"] for item in reader.objects)
    return VocFile((stated[0], stated[1]) if all(stated) else None, names, tuple(edges))


def _refuse_document_type(*declaration: object) -> NoReturn:
    raise ValueError("has a document type (<!DOCTYPE ...>), which could define entities: remove it")


def _number(text: str, name: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValueError(f"<{name}> is no number: {shown(text)}")
    return value


class _Reader:
    """Keeps the texts that boxes need, by their path; an object's parts have boxes, too, and are no objects."""

    def __init__(self) -> None:
        self.is_voc = False
        self.database = ""
        self.size: dict[str, str] = {}
        self.objects: list[dict[str, str]] = []
        self._path: list[str] = []
        self._text: list[str] = []

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        self._path.append(tag)
        self._text.clear()
        if len(self._path) > MAX_DEPTH:
            raise ValueError(f"has elements in more than {MAX_DEPTH} levels")
        if self._path == ["annotation", "object"]:
            self.objects.append({})
        self.is_voc |= self._path == ["annotation"]

    def characters(self, text: str) -> None:
        self._text.append(text)

    def end(self, tag: str) -> None:
        text = "".join(self._text).strip()
        self._text.clear()
        match self._path:
            case ["annotation", "source", "database"]:
                self.database = text
            case ["annotation", "size", name]:
                self.size[name] = text
            case ["annotation", "object", "name"] | ["annotation", "object", "bndbox", _]:
                self.objects[-1][tag] = text
        self._path.pop()
