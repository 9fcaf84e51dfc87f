"""TFLite, through litert-torch: batch 1, sequences of one length, for LiteRT on edge devices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from export.formats._litert import conversion
from export.formats._litert.conversion import branches
from export.formats._litert.metadata import embed
from export.formats.tflite import quantization as precision
from export.formats.tflite import reader

if TYPE_CHECKING:
    from export.formats import Graph
    from runtime.quantization import QuantizationParams
    from runtime.spec import ModelSpec
    from runtime.tensor_spec import DType

__all__ = [
    "DYNAMIC", "LIBRARIES", "NARROWED", "PIXELS", "branches", "companions", "convert", "embed", "footprint",
    "precision", "reader", "scales",
]  # fmt: skip
LIBRARIES = ("litert_torch",)
DYNAMIC = False
PIXELS: Literal["uint8", "float32"] = "uint8"
NARROWED: dict[DType, DType] = {"int64": "int32"}


def convert(graph: Graph) -> bytes:
    """Return a TFLite file; see `export.formats.Format.convert`."""
    import torch

    examples = tuple(torch.from_numpy(array[:1].copy()) for array in graph.inputs.values())
    return conversion.convert(graph.module, examples, "tflite")


def companions(data: bytes, spec: ModelSpec) -> dict[str, bytes]:
    """Return nothing: one file is enough."""
    return {}


def footprint(data: bytes) -> dict[str, int]:
    """Return nothing: there is no telling."""
    return {}


def scales(data: bytes, spec: ModelSpec) -> dict[str, QuantizationParams]:
    """Return nothing: inputs and outputs are real values in every precision; see `export.formats.Format.scales`."""
    return {}
