"""Formats: a folder each, found by being here; its name is the format's name and the suffix of the files.

A name that begins with an underscore is a helper and no format. A format turns a graph into bytes, puts metadata into
such bytes, and brings them to other precisions. It knows nothing about parity or bundles.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, Protocol, cast

from runtime.errors import OptionError, unknown

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

    from export.formats._segments import Segment
    from export.precision import QuantizeFunction, Request
    from export.tracing import Branch
    from runtime.quantization import QuantizationParams
    from runtime.spec import ModelSpec, Precision
    from runtime.tensor_spec import DType
    from runtime.tensors import Tensors


@dataclass(frozen=True, eq=False)
class Graph:
    """A module to trace, with names.

    Args:
        module: In evaluation mode, on the CPU; takes the first input, and the others as ``*args``. Gives a tensor, or a
            tuple if there are several outputs.
        inputs: Two or more real samples of each input by name, in the order that the module takes them.
        outputs: The names of the outputs, in the order that it gives them.
        axes: The axes that may have any size, by the name of the input or output: number to name.
    """

    module: torch.nn.Module
    inputs: dict[str, NDArray[Any]]
    outputs: tuple[str, ...]
    axes: dict[str, dict[int, str]]

    def of_one(self) -> Graph:
        """Return the graph that takes one sample at a time, with no axis open."""
        inputs = {name: array[:1] for name, array in self.inputs.items()}
        return replace(self, inputs=inputs, axes={name: {} for name in self.axes})


class PrecisionModule(Protocol):
    """A format's module ``quantization``, which brings its files to other precisions."""

    QUANTIZERS: dict[Precision, QuantizeFunction]
    """By the precision's name."""
    CHANNEL_AXIS: int
    """Where channels lie in activations of four axes."""

    def quantize(self, data: bytes, precision: Precision, request: Request) -> bytes:
        """Return a float file in another precision.

        Raises:
            ExportError: If the tools refuse it.
        """
        ...

    def layers(self, data: bytes) -> tuple[str, ...]:
        """Return the names of the layers with weights, in the order that they run."""
        ...

    def saturated(self, data: bytes, quantized: bytes) -> dict[str, str]:
        """Return the constants of a file in a smaller precision that miss the values that they stand for.

        Args:
            data: The float file.
            quantized: The same file in a smaller precision.

        Returns:
            How they miss them, by the layer that takes the constant, or by the tensor's name where no layer does.
        """
        ...

    def activations(
        self, data: bytes, batches: Iterator[dict[str, NDArray[Any]]]
    ) -> Iterator[dict[str, NDArray[np.float32]]]:
        """Run a float file and give all its float activations by name, batch by batch.

        Args:
            data: The file.
            batches: The inputs by name, ``[batch, ...]`` of the types that the graph takes.
        """
        ...


class Opened(Protocol):
    """A file whose tensors can be read."""

    @property
    def segments(self) -> tuple[Segment, ...]:
        """The operators between the tensors that it was opened for, in execution order."""
        ...

    def run(self, sample: Tensors) -> dict[str, NDArray[np.float32]]:
        """Run the file as it is on a batch of one, inputs in the graph's order; return its tensors by name."""
        ...

    def alone(self, sample: Tensors, values: Mapping[str, NDArray[np.float32]]) -> dict[str, NDArray[np.float32]]:
        """Run every segment by itself: what it starts from has not the file's values, but these."""
        ...


class Reader(Protocol):
    """A format's module ``reader``: it runs a file sample by sample and returns the tensors between its operators.

    They are plain ``float32`` arrays, whatever precision the file computes in.
    """

    def open(self, data: bytes, names: Collection[str] | None = None) -> Opened:
        """Open a file to read the tensors of these names, or all.

        Raises:
            EngineError: If the engine can't run it.
            MissingExtraError: If the engine is not installed.
        """
        ...


class Format(Protocol):
    """The declarations of a package in this folder."""

    LIBRARIES: tuple[str, ...]
    """Libraries that write it, besides PyTorch."""
    DYNAMIC: bool
    """Whether every file must run any batch size, and sequences of any length; else both may be fixed."""
    PIXELS: Literal["uint8", "float32"]
    """The dtype of images in graphs; the values are the same, 0 to 255."""
    NARROWED: dict[DType, DType]
    """The types of plain tensors that its graphs take as others."""
    precision: PrecisionModule
    """Its module that brings files to other precisions."""
    reader: Reader | None
    """Its module that looks inside files for a diagnosis; None if there is none."""

    def convert(self, graph: Graph) -> bytes:
        """Convert a module.

        Raises:
            ExportError: If the converter refuses it.
        """
        ...

    def branches(self, graph: Graph) -> tuple[Branch, ...]:
        """Return the decisions by the size of an open axis that a file keeps as they were taken for the examples.

        Raises:
            ExportError: If an axis can't be open.
        """
        ...

    def embed(self, data: bytes, key: str, text: str) -> bytes:
        """Return the file with `text` in its own metadata under `key`; the graph stays as it is."""
        ...

    def companions(self, data: bytes, spec: ModelSpec) -> dict[str, bytes]:
        """Return files that accompany one that takes whole inputs, by name."""
        ...

    def scales(self, data: bytes, spec: ModelSpec) -> dict[str, QuantizationParams]:
        """Return how the integers of a file's inputs and outputs stand for real values; empty where it has none."""
        ...

    def footprint(self, data: bytes) -> dict[str, int]:
        """Return the memory that a file takes of a device, in bytes by its kind; empty if unknown."""
        ...


def format_names() -> tuple[str, ...]:
    """Return every format's name."""
    return tuple(sorted(each.name for each in pkgutil.iter_modules(__path__) if not each.name.startswith("_")))


def formats_in(precision: Precision) -> tuple[str, ...]:
    """Return the names of the formats that have a precision."""
    return tuple(name for name in format_names() if precision in format_module(name).precision.QUANTIZERS)


def choose_precisions(formats: Iterable[str], precisions: Iterable[str]) -> dict[str, list[Precision]]:
    """Return the precisions in which each format is written: of those that are named, the ones that it has.

    Args:
        formats: Names of formats.
        precisions: Names of precisions; none for each format's first.

    Raises:
        OptionError: If none of the formats has a precision, a format has none of them, or there is no such format.
    """
    known = {name: format_module(name).precision.QUANTIZERS for name in formats}
    named = list(dict.fromkeys(precisions))
    chosen = {
        name: [each for each in has if each in named] if named else [next(iter(has))] for name, has in known.items()
    }
    for name, has in known.items():
        for precision in named:
            if precision not in has and (not chosen[name] or not any(precision in each for each in chosen.values())):
                raise OptionError(f"format {name!r}: {unknown('precision', precision, has)}")
    return chosen


def format_module(name: str) -> Format:
    """Return a format by its name.

    Raises:
        OptionError: If there is none of that name.
    """
    if name not in format_names():
        raise OptionError(unknown("format", name, format_names()))
    return cast(Format, importlib.import_module(f"{__name__}.{name}"))


def reader(format_name: str) -> Reader:
    """Return the reader of a format's files.

    Raises:
        OptionError: If nothing can look into files of that format.
    """
    readers = {name: format_module(name).reader for name in format_names()}
    chosen = readers.get(format_name)
    if chosen is None:
        known = [name for name, each in readers.items() if each]
        raise OptionError(unknown("format that can be diagnosed:", format_name, known))
    return chosen
