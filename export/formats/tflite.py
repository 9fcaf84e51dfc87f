"""TFLite, through litert-torch: batch 1, sequences of one length, for LiteRT on edge devices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from export import litert
from export.litert import embed
from export.precision import tflite as precision

if TYPE_CHECKING:
    from export.graphs import Graph
    from runtime.spec import ModelSpec

__all__ = ["DYNAMIC", "LIBRARIES", "PIXELS", "companions", "convert", "embed", "footprint", "precision"]
LIBRARIES = ("litert_torch",)
DYNAMIC = False
PIXELS: Literal["uint8", "float32"] = "uint8"


def convert(graph: Graph) -> bytes:
    """Return a TFLite file; see `export.formats.Format.convert`."""
    import torch

    examples = tuple(torch.from_numpy(array[:1].copy()) for array in graph.inputs.values())
    return litert.convert(graph.module, examples, "tflite")


def companions(data: bytes, spec: ModelSpec) -> dict[str, bytes]:
    """Return nothing: one file is enough."""
    return {}


def footprint(data: bytes) -> dict[str, int]:
    """Return nothing: there is no telling."""
    return {}
