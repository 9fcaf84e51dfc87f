"""TensorFlow Lite for Microcontrollers: a static int8 TFLite file with integer inputs and outputs, and C++ sources."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from export.formats._litert import conversion
from export.formats._litert.conversion import branches
from export.formats._litert.metadata import embed
from export.formats.tflm import quantization as precision
from export.formats.tflm import sources
from runtime.engines import tflm
from runtime.quantization import QuantizationParams

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from export.formats import Graph
    from runtime.spec import ModelSpec
    from runtime.tensor_spec import DType

__all__ = [
    "DYNAMIC", "LIBRARIES", "NARROWED", "PIXELS", "branches", "companions", "convert", "embed", "footprint",
    "precision", "reader", "scales",
]  # fmt: skip
LIBRARIES = ("litert_torch",)
DYNAMIC = False
PIXELS: Literal["uint8", "float32"] = "float32"
NARROWED: dict[DType, DType] = {"int64": "int32"}
"""TFLM's CAST refuses uint8; the quantizer turns a float input into int8."""
reader = None


def convert(graph: Graph) -> bytes:
    """Return a float TFLite file that takes float32; see `export.formats.Format.convert`."""
    import torch

    examples = tuple(torch.from_numpy(_example(array[:1])) for array in graph.inputs.values())
    return conversion.convert(graph.module, examples, "tflm")


def _example(array: NDArray[Any]) -> NDArray[Any]:
    """Return a sample in the type that graphs take: pixels as float32; the converter narrows whole numbers itself."""
    return array.copy() if array.dtype.kind == "i" else array.astype(np.float32)


def companions(data: bytes, spec: ModelSpec) -> dict[str, bytes]:
    """Return the sources; see `export.formats.tflm.sources.sources`."""
    return sources.sources(data, spec)


def footprint(data: bytes) -> dict[str, int]:
    """Return bytes of flash and of RAM; see `export.formats.tflm.sources.Footprint`."""
    return asdict(sources.footprint(data))


def scales(data: bytes, spec: ModelSpec) -> dict[str, QuantizationParams]:
    """Return the scale and zero point of each input and output; see `export.formats.Format.scales`."""
    model = tflm.open_numbered(data)
    tensors = zip((*spec.input.tensors, *spec.output.tensors), (*model.takes, *model.gives), strict=True)
    return {
        spec.name: QuantizationParams(tensor.scale, tensor.zero_point) for spec, tensor in tensors if tensor.converts
    }
