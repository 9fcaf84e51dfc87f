"""int8 files, and faults planted into serialised files: weights, biases and quantisation scales of one layer."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray
from torch import nn

from export.formats._litert.schema import operator_kind, packed, unpacked
from export.precision import FULL_PRECISION
from runtime.native_output import suppress_output

WEIGHTED = {
    "Conv": 1, "Gemm": 1, "MatMul": 1, "LSTM": 1, "GRU": 1, "RNN": 1,
    "CONV_2D": 1, "DEPTHWISE_CONV_2D": 1, "FULLY_CONNECTED": 1,
}  # fmt: skip
"""Operators with weights, and which of their inputs these are; the bias comes next."""
BIAS = {"LSTM": 3, "GRU": 3, "RNN": 3}


@dataclass(frozen=True)
class Site:
    """A layer that a fault can be planted in.

    Args:
        path: The submodule that its weights come from.
        weight: The file's tensor of weights.
        bias: That of the bias, or None.
    """

    path: str
    weight: Any
    bias: Any


def int8(format_name: str, data: bytes, samples: NDArray[Any]) -> bytes:
    """Quantise a file to int8, weights and activations, calibrated on all samples."""
    return {"onnx": _int8_onnx, "tflite": _int8_tflite}[format_name](data, samples)


def _int8_onnx(data: bytes, samples: NDArray[Any]) -> bytes:
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    class Reader(CalibrationDataReader):
        def __init__(self) -> None:
            name = onnx.load_from_string(data).graph.input[0].name
            self._rows: Iterator[dict[str, NDArray[Any]]] = iter([{name: row[None]} for row in samples])

        def get_next(self) -> dict[str, NDArray[Any]] | None:
            return next(self._rows, None)

    with tempfile.TemporaryDirectory() as folder:
        before, after = Path(folder) / "float.onnx", Path(folder) / "int8.onnx"
        before.write_bytes(data)
        nodes = onnx.load_from_string(data).graph.node
        quantize_static(
            before, after, Reader(), quant_format=QuantFormat.QDQ, per_channel=True,
            activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8,
            nodes_to_exclude=[node.name for node in nodes if node.name.startswith(FULL_PRECISION)],
        )  # fmt: skip
        return after.read_bytes()


def _int8_tflite(data: bytes, samples: NDArray[Any]) -> bytes:
    from ai_edge_litert.interpreter import Interpreter
    from ai_edge_quantizer import quantizer, recipe, recipe_manager

    manager = recipe_manager.RecipeManager()
    manager.load_quantization_recipe(recipe.static_wi8_ai8())
    manager.add_quantization_config(f"(^|;){FULL_PRECISION}", "*", algorithm_key="no_quantize")
    made = quantizer.Quantizer(data, manager.get_quantization_recipe())
    key, names = next(iter(Interpreter(model_content=data).get_signature_list().items()))
    ranges: dict[str, Any] = {}
    with suppress_output():
        for row in samples:  # the quantiser averages ranges over samples; the widest are wanted here
            for name, limits in made.calibrate({key: [{names["inputs"][0]: row[None]}]}).items():
                known = ranges.get(name)
                ranges[name] = limits if not known else {
                    "min": np.minimum(known["min"], limits["min"]), "max": np.maximum(known["max"], limits["max"]),
                }  # fmt: skip
        return bytes(made.quantize(ranges).quantized_model)


def home(module: nn.Module, weights: NDArray[Any]) -> str | None:
    """Return the submodule that a file's weights come from: one row of them, up to its length, is one of its rows.

    So it is whatever axes the file has them in, and whatever batch normalisation has scaled them by.
    """
    wide = weights.reshape(-1, weights.shape[-1]) if weights.ndim == 3 else weights
    for axis in (0, -1):
        row = np.sort(np.abs(np.moveaxis(wide, axis, 0)[0].ravel().astype(np.float64)))
        for name, parameter in module.named_parameters():
            rows = np.sort(np.abs(parameter.detach().numpy().reshape(len(parameter), -1).astype(np.float64)), axis=1)
            if parameter.ndim > 1 and rows.shape[1] == len(row) > 1:
                rows /= np.linalg.norm(rows, axis=1, keepdims=True) + 1e-30
                if np.abs(rows - row / (np.linalg.norm(row) + 1e-30)).max(1).min() < 1e-5:
                    return name.rpartition(".")[0]
    return None


class OnnxFile:
    """An ONNX file to plant faults in."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def sites(self, module: nn.Module) -> list[Site]:
        """Return the layers with weights, of a float32 file."""
        model = onnx.load_from_string(self._data)
        stored = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
        sites = []
        for node in model.graph.node:
            if node.op_type in WEIGHTED and node.input[1] in stored:
                index = BIAS.get(node.op_type, 2)
                bias = node.input[index] if len(node.input) > index else None
                sites.append(Site(home(module, stored[node.input[1]]) or "", node.input[1], bias))
        return sites

    def change(self, name: str, change: Callable[[NDArray[Any]], NDArray[Any]]) -> bytes:
        """Return the file with other values in a constant."""
        model = onnx.load_from_string(self._data)
        tensor = next(each for each in model.graph.initializer if each.name == name)
        values = onnx.numpy_helper.to_array(tensor)
        tensor.CopyFrom(onnx.numpy_helper.from_array(change(values).astype(values.dtype), name))
        return bytes(model.SerializeToString())

    def rescale(self, site: Site, factor: float) -> bytes | None:
        """Return the file with other scales for a layer's weights; None if they have none."""
        names = {each.name for each in onnx.load_from_string(self._data).graph.initializer}
        scale = f"{site.weight}_scale"
        return self.change(scale, lambda values: values * factor) if scale in names else None


class TFLiteFile:
    """A TFLite file to plant faults in."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def sites(self, module: nn.Module) -> list[Site]:
        """Return the layers with weights, of a float32 file."""
        model = unpacked(self._data)
        tensors = model.subgraphs[0].tensors
        sites = {}
        for operator in model.subgraphs[0].operators:
            kind = operator_kind(model.operatorCodes[operator.opcodeIndex])
            if kind in WEIGHTED and model.buffers[tensors[operator.inputs[1]].buffer].data is not None:
                weight = tensors[operator.inputs[1]]
                bias = (
                    tensors[operator.inputs[2]].name if len(operator.inputs) > 2 and operator.inputs[2] >= 0 else None
                )
                values = model.buffers[weight.buffer].data.view(np.float32).reshape(weight.shape)
                sites[weight.name] = Site(home(module, values) or "", weight.name, bias)
        return list(sites.values())

    def change(self, name: bytes, change: Callable[[NDArray[Any]], NDArray[Any]]) -> bytes:
        """Return the file with other values in a constant, and in no other that shares its buffer."""
        model = unpacked(self._data)
        tensor = next(each for each in model.subgraphs[0].tensors if each.name == name)
        values = model.buffers[tensor.buffer].data.view(np.float32)
        buffer = schema.BufferT()
        buffer.data = change(values).astype(np.float32).view(np.uint8)
        tensor.buffer = len(model.buffers)
        model.buffers.append(buffer)
        return packed(model)

    def rescale(self, site: Site, factor: float) -> bytes | None:
        """Return the file with other scales for a layer's weights; None if they have none."""
        model = unpacked(self._data)
        for tensor in model.subgraphs[0].tensors:
            if tensor.name == site.weight and tensor.quantization and tensor.quantization.scale is not None:
                tensor.quantization.scale = np.asarray(tensor.quantization.scale) * np.float32(factor)
                return packed(model)
        return None


FILES = {"onnx": OnnxFile, "tflite": TFLiteFile}
