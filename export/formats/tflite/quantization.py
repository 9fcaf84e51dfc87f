"""Precisions of TFLite files, by ai-edge-quantizer."""

from __future__ import annotations

from export.formats._litert.quantization import (
    CHANNEL_AXIS,
    activations,
    build_recipe,
    layers,
    quantized,
    run,
    saturated,
    static,
)
from export.precision import QuantizeFunction, Request
from runtime.spec import Precision

__all__ = ["CHANNEL_AXIS", "QUANTIZERS", "activations", "layers", "quantize", "saturated"]


def _fp16(data: bytes, request: Request) -> bytes:
    """Store weights with 16 bits; XNNPACK turns them back once, when the file is opened."""
    from ai_edge_quantizer import qtyping
    from ai_edge_quantizer.algorithm_manager import AlgorithmName

    halves = qtyping.TensorQuantizationConfig(num_bits=16, dtype=qtyping.TensorDataType.FLOAT)
    config = qtyping.OpQuantizationConfig(
        weight_tensor_config=halves, compute_precision=qtyping.ComputePrecision.FLOAT, explicit_dequantize=True
    )
    recipe = build_recipe(add_quantization_config={"op_config": config, "algorithm_key": AlgorithmName.FLOAT_CASTING})
    return quantized(data, recipe, request.keep)


def _weights(bits: int) -> QuantizeFunction:
    """Return what stores weights with fewer bits and computes in fp32."""
    return lambda data, request: quantized(data, build_recipe(add_weight_only_config={"num_bits": bits}), request.keep)


def _dynamic(data: bytes, request: Request) -> bytes:
    """Compute in integers, with the ranges of activations measured at every run."""
    return quantized(data, build_recipe(add_dynamic_config={"num_bits": 8}), request.keep)


QUANTIZERS: dict[Precision, QuantizeFunction] = {
    "fp32": lambda data, request: data,
    "fp16": _fp16,
    "int8": static(8),
    "int8-dynamic": _dynamic,
    "int8-weights": _weights(8),
    "int16x8": static(16),
    "int4-weights": _weights(4),
}


def quantize(data: bytes, precision: Precision, request: Request) -> bytes:
    """Return a float file in another precision.

    Raises:
        ExportError: If the tools refuse it.
    """
    return run(QUANTIZERS, "tflite", data, precision, request)
