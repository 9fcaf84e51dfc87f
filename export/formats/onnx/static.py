"""Static quantization of ONNX files, by ONNX Runtime's quantizer, with ranges and biases of ours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from export.formats.onnx.weights import ACTIVATED, WEIGHTS, is_transposed, load, outputs_axis, save
from export.precision import QuantizeFunction, Request
from export.precision.calibration import Statistics, rounding_error
from export.precision.headroom import finest_steps

if TYPE_CHECKING:
    from numpy.typing import NDArray

SCALING = ("Mul", "Add", "Sub", "Div")
PASSING = ("Relu", "Clip", "Add", "Concat", "MaxPool", "AveragePool", "GlobalAveragePool", "Reshape", "Transpose",
           "Flatten", "Squeeze", "Unsqueeze", "Pad", "Slice", "Split")  # fmt: skip
"""Operators without weights that go on in integers between others."""


def static(kind: str, largest: int) -> QuantizeFunction:
    """Return what computes in integers: activations of `kind`, weights from -`largest` to `largest`.

    8-bit activations get weights of 7 bits: on x86 CPUs without VNNI the product of unsigned activations and signed
    weights saturates at 16 bits otherwise, in silence. Unsigned activations are the fast ones on x86.
    """

    def quantize(data: bytes, request: Request) -> bytes:
        from onnx import shape_inference
        from onnxruntime.quantization import QDQQuantizer, QuantType
        from onnxruntime.quantization.calibrate import CalibrationMethod, TensorsData
        from onnxruntime.quantization.quantize import update_opset_version

        statistics = request.statistics()
        model = update_opset_version(load(data), QuantType.QInt8, QuantType[kind])
        _correct_biases(model, statistics.means, largest, request.keep)
        model = shape_inference.infer_shapes(model)
        ranges = {
            name: (np.array(low, np.float32), np.array(high, np.float32))
            for name, (low, high) in statistics.ranges.items()
        }
        quantizer = QDQQuantizer(
            model,
            per_channel=True,
            reduce_range=largest < 127,
            weight_qType=QuantType.QInt8,
            activation_qType=QuantType[kind],
            tensors_range=TensorsData(CalibrationMethod.MinMax, ranges),
            nodes_to_quantize=[],
            nodes_to_exclude=[*request.keep, *_scaling(model)],
            op_types_to_quantize=[*ACTIVATED, *PASSING],
            extra_options={"TensorQuantOverrides": _ranges(model, statistics, kind, largest)},
        )
        quantizer.quantize_model()
        _shield(quantizer.model.model, request.keep)
        quantizer.model.topological_sort()
        return save(quantizer.model.model)

    return quantize


def _ranges(model: Any, statistics: Statistics, kind: str, largest: int) -> dict[str, list[dict[str, Any]]]:
    """Return the ranges of weights by output, wide enough for the biases beside them.

    ONNX Runtime's quantizer widens them by itself, but leaves no room for the products. Weights of a grouped transposed
    convolution have fewer outputs than there are biases, so they get one range together.
    """
    from onnx import numpy_helper

    tensors = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    bits = int(kind.removeprefix("QUInt"))
    tops: dict[str, NDArray[np.float64]] = {}
    axes: dict[str, int | None] = {}
    for node in model.graph.node:
        names = node.input[0], node.output[0]
        if node.op_type not in ("Conv", "ConvTranspose", "Gemm") or not {*names} <= statistics.ranges.keys():
            continue
        weights, biases = (tensors.get(name) for name in [*node.input, ""][1:3])
        if weights is None:
            continue
        axis = axes[node.input[1]] = outputs_axis(node)
        input_range, output_range = (statistics.ranges[name] for name in names)
        finest = finest_steps(np.zeros(1) if biases is None else biases, input_range, output_range, bits)
        own = np.abs(weights).max(axis=tuple(i for i in range(weights.ndim) if i != axis))
        if node.op_type == "ConvTranspose" and biases is not None and biases.size != own.size:
            axes[node.input[1]] = None
            own, finest = own.max(keepdims=True), finest.max(keepdims=True)
        tops[node.input[1]] = np.maximum(np.maximum(own, largest * finest), tops.get(node.input[1], 0))
    return {
        name: [{"rmin": -top, "rmax": top} | ({} if axes[name] is None else {"axis": axes[name]}) for top in values]
        for name, values in tops.items()
    }


def _shield(model: Any, keep: tuple[str, ...]) -> None:
    """Put a Clip that cuts nothing before the layers that stay in fp32.

    ONNX Runtime quantizes a layer right behind a DequantizeLinear by itself when it opens the file
    (WeightBiasQuantization), with one scale for all channels.
    """
    from onnx import helper, numpy_helper

    dequantized = {node.output[0] for node in model.graph.node if node.op_type == "DequantizeLinear"}
    for node in [node for node in model.graph.node if node.name in keep and dequantized.intersection(node.input[:1])]:
        names = [f"{node.name}_{end}" for end in ("lowest", "highest", "input")]
        limits = np.finfo(np.float32)
        model.graph.initializer.extend(
            numpy_helper.from_array(np.array(limit, np.float32), name)
            for limit, name in zip((limits.min, limits.max), names, strict=False)
        )
        model.graph.node.append(helper.make_node("Clip", [node.input[0], *names[:2]], names[2:], f"{node.name}_Clip"))
        node.input[0] = names[2]


def _correct_biases(model: Any, means: dict[str, NDArray[np.float64]], largest: int, keep: tuple[str, ...]) -> None:
    """Take off biases by how much rounding the weights moves the mean of each output (Nagel et al., 2019)."""
    from onnx import numpy_helper

    tensors = {tensor.name: tensor for tensor in model.graph.initializer}
    used = [name for node in model.graph.node for name in node.input]
    for node in model.graph.node:
        if node.op_type not in ("Conv", "Gemm") or node.name in keep or len(node.input) < 3:
            continue
        source, weight, bias = node.input[:3]
        if not {weight, bias} <= tensors.keys() or source not in means or used.count(weight) + used.count(bias) > 2:
            continue
        weights = numpy_helper.to_array(tensors[weight])
        if node.op_type == "Conv" and weights.ndim != 4:
            continue  # of other activations the mean is that of their last axis, which is not their channels
        error = rounding_error(weights.T if node.op_type == "Gemm" and not is_transposed(node) else weights, largest)
        error = error.sum(axis=tuple(range(2, error.ndim)))
        mean = means[source]
        if error.shape[1] != len(mean):  # a grouped convolution: each output has inputs of its own
            mean = np.repeat(mean.reshape(-1, error.shape[1]), len(error) * error.shape[1] // len(mean), axis=0)
        shifted = numpy_helper.to_array(tensors[bias]) - (error * mean).sum(axis=1)
        tensors[bias].CopyFrom(numpy_helper.from_array(shifted.astype(np.float32), bias))


def _scaling(model: Any) -> list[str]:
    """Return the nodes that scale the input before any weights see it: they stay exact."""
    tainted: set[str] = set()
    names = []
    for node in model.graph.node:
        if node.op_type in WEIGHTS or tainted.intersection(node.input):
            tainted.update(node.output)
        elif node.op_type in SCALING:
            names.append(node.name)
    return names
