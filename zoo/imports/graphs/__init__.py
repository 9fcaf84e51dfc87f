"""Inputs and outputs of a file's graph, read without an engine. One module a format; its name is the file's suffix.

Such a module has a function ``read(data) -> Graph``, which raises `BundleError` where the data is not in its format. It
may have ``as_run(file_spec) -> file_spec``, which says how the format's engine is fed.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from export.activation import Operator
from runtime.quantization import QuantizationParams
from runtime.spec import Precision


@dataclass(frozen=True)
class Tensor:
    """An input or output.

    Args:
        name: What the graph calls it.
        shape: Its axes, None for one of any length; None where the file doesn't say.
        dtype: numpy's name of its type.
        scale: What its integers stand for, where they do.
        axes: The name of each axis of any length; empty where the file has none.
    """

    name: str
    shape: tuple[int | None, ...] | None
    dtype: str
    scale: QuantizationParams | None = None
    axes: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Return name, type and shape."""
        axes = "?" if self.shape is None else ", ".join("any" if size is None else str(size) for size in self.shape)
        return f"{self.name!r} {self.dtype} [{axes}]"


@dataclass(frozen=True)
class Graph:
    """A file's graph.

    Args:
        inputs: What it takes.
        outputs: What it gives.
        precision: What its weights and activations are.
        version: Of the format.
        properties: The file's own metadata, as far as it is text by name.
        post_processed: The outputs of TensorFlow Lite's operator that ends detectors, in its order: boxes, indices of
            labels, scores, and their number.
        ends: The operators that make its outputs, by the outputs' names.
    """

    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    precision: Precision
    version: str
    properties: dict[str, str] = field(default_factory=dict)
    post_processed: tuple[str, ...] = ()
    ends: dict[str, Operator] = field(default_factory=dict)
