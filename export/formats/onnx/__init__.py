"""ONNX, through torch's exporter: one file, any batch size, sequences of any length."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from export.formats.onnx import quantization as precision
from export.formats.onnx import reader
from export.formats.onnx.conversion import branches, convert, embed

if TYPE_CHECKING:
    from runtime.quantization import QuantizationParams
    from runtime.spec import ModelSpec
    from runtime.tensor_spec import DType

__all__ = [
    "DYNAMIC", "LIBRARIES", "NARROWED", "PIXELS", "branches", "companions", "convert", "embed", "footprint",
    "precision", "reader", "scales",
]  # fmt: skip
LIBRARIES = ("onnx", "onnxscript")
DYNAMIC = True
PIXELS: Literal["uint8", "float32"] = "uint8"
NARROWED: dict[DType, DType] = {}


def companions(data: bytes, spec: ModelSpec) -> dict[str, bytes]:
    """Return nothing: one file is enough."""
    return {}


def footprint(data: bytes) -> dict[str, int]:
    """Return nothing: there is no telling."""
    return {}


def scales(data: bytes, spec: ModelSpec) -> dict[str, QuantizationParams]:
    """Return nothing: inputs and outputs are real values in every precision; see `export.formats.Format.scales`."""
    return {}
