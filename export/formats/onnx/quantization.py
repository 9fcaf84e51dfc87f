"""Precisions of ONNX files, by ONNX Runtime's quantizer; weights alone are stored smaller by our own rewriting."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from export.converter_warnings import collect_warnings
from export.formats.onnx.static import static
from export.formats.onnx.weights import ACTIVATED, fp16, int4_weights, int8_weights, load, save, with_int8_weights
from export.precision import FULL_PRECISION, QuantizeFunction, Request
from export.precision.headroom import Stored, degenerate, saturation
from runtime.errors import ExportError, one_line
from runtime.scratch import scratch_folder
from runtime.spec import Precision
from runtime.tensors import select, size

if TYPE_CHECKING:
    from numpy.typing import NDArray


def _int8_dynamic(data: bytes, request: Request) -> bytes:
    """Compute matrix products and LSTMs in 8 bits, and store what else has weights with 8 bits.

    ONNX Runtime has no kernels for ConvInteger with signed weights, and none for quantized GRUs.
    """
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    model = load(data)
    del model.graph.value_info[:]  # Gemm becomes MatMul with its weights turned; what was inferred no longer holds
    keep = (*request.keep, *(f"{name}_MatMul" for name in request.keep))  # what such a MatMul is called
    with scratch_folder() as folder:
        file = folder / "model.onnx"
        quantize_dynamic(
            model, file, op_types_to_quantize=["MatMul", "Gemm", "LSTM"], per_channel=True, reduce_range=True,
            weight_type=QuantType.QInt8, nodes_to_exclude=list(keep),
        )  # fmt: skip
        model = onnx.load(file)
    return save(with_int8_weights(model, keep))


QUANTIZERS: dict[Precision, QuantizeFunction] = {
    "fp32": lambda data, request: data,
    "fp16": fp16,
    "int8": static("QUInt8", 64),
    "int8-dynamic": _int8_dynamic,
    "int8-weights": int8_weights,
    "int16x8": static("QUInt16", 127),
    "int4-weights": int4_weights,
}


CHANNEL_AXIS = 1
"""Where channels lie in activations of four axes."""


def layers(data: bytes) -> tuple[str, ...]:
    """Return the names of the nodes with weights that have other precisions, in the order that they run."""
    nodes = load(data).graph.node
    return tuple(node.name for node in nodes if node.op_type in ACTIVATED and not node.name.startswith(FULL_PRECISION))


def saturated(data: bytes, quantized: bytes) -> dict[str, str]:
    """Return the constants that miss their values; see `export.formats.PrecisionModule.saturated`."""
    from onnx import numpy_helper

    float_graph, graph = load(data).graph, load(quantized).graph
    originals = {tensor.name: numpy_helper.to_array(tensor) for tensor in float_graph.initializer}
    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    layer_of = {name: node.name for node in float_graph.node if node.op_type in ACTIVATED for name in node.input}
    scales = {name: values for name, values in stored.items() if name.endswith("_scale") and name not in originals}
    problems = {name: degenerate(values) for name, values in scales.items()}
    for node in graph.node:
        if node.op_type not in ("DequantizeLinear", "Cast") or node.input[0] not in stored:
            continue
        values, *parameters = (stored[name] for name in node.input)
        if not parameters and values.dtype != np.float16:
            continue  # a constant of the float file
        scale, zero = [*parameters, np.zeros(1)][:2] if parameters else (np.ones(1), np.zeros(1))
        options = {attribute.name: attribute.i for attribute in node.attribute}
        axis, block = options.get("axis", 1), options.get("block_size", 0)
        if block:
            scale = np.repeat(scale, block, axis=axis)
        elif scale.size > 1:
            shape = [-1 if i == axis % values.ndim else 1 for i in range(values.ndim)]
            scale, zero = scale.reshape(shape), zero.reshape(shape if zero.size > 1 else [1])
        name = node.input[0].removesuffix("_quantized").removesuffix("_fp16")
        problem = saturation(Stored(values, scale, zero, originals.get(name)))
        layer = layer_of.get(name, name)
        problems[layer] = problem or problems.get(layer, "")
    return {name: problem for name, problem in problems.items() if problem}


def activations(data: bytes, batches: Iterator[dict[str, NDArray[Any]]]) -> Iterator[dict[str, NDArray[np.float32]]]:
    """Run a float file and give all its float tensors but weights, by name, batch by batch.

    Args:
        data: The file.
        batches: The inputs by name, ``[batch, ...]`` of the types that the graph takes.
    """
    import onnx
    import onnxruntime

    model = onnx.shape_inference.infer_shapes(load(data))
    outputs = {value.name for value in model.graph.output}
    model.graph.output.extend(
        value
        for value in model.graph.value_info
        if value.name not in outputs and value.type.tensor_type.elem_type == onnx.TensorProto.FLOAT
    )
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    names = [value.name for value in model.graph.output]
    alone = session.get_inputs()[0].shape[0] == 1
    for batch in batches:
        samples = range(size(batch))
        for inputs in [select(batch, slice(at, at + 1)) for at in samples] if alone else [batch]:
            assert isinstance(inputs, dict)  # noqa: S101
            own = {name: array for name, array in inputs.items() if array.dtype == np.float32}
            yield {**own, **dict(zip(names, session.run(names, inputs), strict=True))}


def quantize(data: bytes, precision: Precision, request: Request) -> bytes:
    """Return a float file in another precision.

    Raises:
        ExportError: If the tools refuse it.
    """
    kept = (node.name for node in load(data).graph.node if node.name.startswith(FULL_PRECISION))
    try:
        with collect_warnings():
            return QUANTIZERS[precision](data, replace(request, keep=(*request.keep, *kept)))
    except ExportError:
        raise
    except Exception as problem:  # the quantizer raises whatever it meets
        raise ExportError(f"format 'onnx': no {precision}: {one_line(problem)}") from problem
