"""The kind of a third-party file: whether it takes an image or audio, and what becomes of its outputs."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from zoo.imports.audio import of_audio
from zoo.imports.detection import DetectionDraft
from zoo.imports.draft import Draft
from zoo.imports.facts import OF_AUDIO, OF_IMAGES, RGB, ModelFacts
from zoo.imports.graphs import Graph, Tensor
from zoo.imports.infer import COMMAND_LINE, Sources, infer
from zoo.imports.raw import of_image, of_tensors
from zoo.imports.values import ValuesDraft
from zoo.registry import descriptions, load_module

CHANNELS = (1, RGB, None)
"""How many channels an image may have; None where the graph takes any number."""


def draft(path: Path, data: bytes, graph: Graph, reported: ModelFacts) -> Draft:
    """Describe a file by its graph and by the facts that the caller, metadata and files beside it report.

    Raises:
        ValueError: If the file is of a kind that can't be imported, or facts are missing or don't fit it.
        OptionError: If metadata makes no sense.
    """
    hints = _hints(path, data, graph)
    sources = ((COMMAND_LINE, reported), *hints)
    kind = _input(graph, sources)
    if kind == "audio":
        return of_audio(path, graph, reported, hints)
    for name in OF_AUDIO:
        if getattr(reported, name) is not None:
            raise ValueError(f"--{name} is for --input audio")
    if kind == "tensors":
        return of_tensors(path, graph, reported, hints)
    if reported.lengths is not None:
        raise ValueError("--length is for --input tensors: images have the size of --resize")
    subject = infer(path, graph, reported, hints)
    suffix = path.suffix[1:]
    if subject.known.facts.task == "detection":
        return DetectionDraft(subject, suffix)
    return of_image(subject, suffix) if subject.known.facts.task == "raw" else ValuesDraft(subject, suffix)


def _hints(path: Path, data: bytes, graph: Graph) -> Sources:
    """Return the facts that metadata in the file and files beside it report."""
    readers = [load_module("zoo.imports.hints", name) for name in descriptions("zoo.imports.hints")]
    facts = [(reader.SOURCE, reader.read(path, data, graph)) for reader in readers]
    return [(source, each) for source, each in facts if each is not None]


def _input(graph: Graph, sources: Sources) -> Literal["image", "audio", "tensors"]:
    """Tell what a file takes.

    Raises:
        ValueError: If that may be a gray image as well as features, and nothing says which.
    """
    for _, facts in sources:
        if facts.input is not None:
            return facts.input
    if len(graph.inputs) != 1 or not _may_be_image(graph.inputs[0]):
        return "tensors"
    of_images = any(getattr(facts, name) is not None for _, facts in sources for name in OF_IMAGES)
    shape = graph.inputs[0].shape or ()
    if not of_images and RGB not in (shape[1], shape[3]) and 1 in (shape[1], shape[3]):
        raise ValueError(
            f"it takes {graph.inputs[0]}, which may be a gray image or features of another kind: say which, with "
            "--input image or --input tensors"
        )
    return "image"


def _may_be_image(tensor: Tensor) -> bool:
    shape = tensor.shape
    return shape is not None and len(shape) == 4 and (shape[1] in CHANNELS or shape[3] in CHANNELS)
