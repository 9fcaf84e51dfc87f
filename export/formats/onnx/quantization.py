"""Precisions of ONNX files, by ONNX Runtime's quantiser; weights alone are stored smaller by our own rewriting."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from export.precision import Quantiser, Request
from export.precision.calibration import Statistics, rounding_error
from export.precision.headroom import Stored, degenerate, finest_steps, saturation
from export.warned import warned_of
from runtime.errors import ExportError, one_line
from runtime.scratch import scratch_folder
from runtime.spec import Precision

if TYPE_CHECKING:
    from numpy.typing import NDArray

WEIGHTS = {
    "Conv": (1,),
    "ConvTranspose": (1,),
    "Gemm": (1,),
    "MatMul": (0, 1),
    "LSTM": (1, 2),
    "GRU": (1, 2),
    "RNN": (1, 2),
}
"""Operators with weights: which of their inputs those are."""
ACTIVATED = ("Conv", "ConvTranspose", "Gemm", "MatMul")
"""Those that compute in integers once their weights and activations are quantised."""
SCALING = ("Mul", "Add", "Sub", "Div")
SMALLEST = 64
"""Weights of fewer values stay as they are: the scale and the names would take what they save."""
BLOCK = 32
"""Values of 4 bits that share a scale."""


def _fp16(data: bytes, request: Request) -> bytes:
    """Store weights with 16 bits: ONNX Runtime turns them back once, when it opens the file, and loses no speed."""
    from onnx import TensorProto, helper, numpy_helper

    def halve(name: str, array: NDArray[np.float32], axis: int) -> tuple[list[Any], Any] | None:
        if np.abs(array).max(initial=0) > float(np.finfo(np.float16).max):
            return None
        stored = numpy_helper.from_array(array.astype(np.float16), f"{name}_fp16")
        return [stored], helper.make_node("Cast", [stored.name], [name], f"{name}_cast", to=TensorProto.FLOAT)

    model = _load(data)
    everything = {tensor.name: 0 for tensor in model.graph.initializer}
    return _save(_rewritten(model, everything, halve, smallest=2))


def _int8_weights(data: bytes, request: Request) -> bytes:
    """Store weights with 8 bits, a scale for each output channel."""
    model = _load(data)
    return _save(_rewritten(model, _weights(model, request.keep), _linear(np.dtype(np.int8), 127)))


def _int4_weights(data: bytes, request: Request) -> bytes:
    """Store weights with 4 bits, a scale for each output channel, or each 32 values of it (opset 21)."""
    import ml_dtypes
    from onnx import version_converter

    model = _load(data)
    if max(entry.version for entry in model.opset_import if not entry.domain) < 21:
        model = version_converter.convert_version(model, 21)
    return _save(_rewritten(model, _weights(model, request.keep), _linear(np.dtype(ml_dtypes.int4), 7, BLOCK)))


def _int8_dynamic(data: bytes, request: Request) -> bytes:
    """Compute matrix products and LSTMs in 8 bits, and store what else has weights with 8 bits.

    ONNX Runtime has no kernels for ConvInteger with signed weights, and none for quantised GRUs.
    """
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    model = _load(data)
    del model.graph.value_info[:]  # Gemm becomes MatMul with its weights turned; what was inferred no longer holds
    keep = (*request.keep, *(f"{name}_MatMul" for name in request.keep))  # what such a MatMul is called
    with scratch_folder() as folder:
        file = folder / "model.onnx"
        quantize_dynamic(
            model, file, op_types_to_quantize=["MatMul", "Gemm", "LSTM"], per_channel=True, reduce_range=True,
            weight_type=QuantType.QInt8, nodes_to_exclude=list(keep),
        )  # fmt: skip
        model = onnx.load(file)
    return _save(_rewritten(model, _weights(model, keep), _linear(np.dtype(np.int8), 127)))


def _static(kind: str, largest: int) -> Quantiser:
    """Return what computes in integers: activations of `kind`, weights from -`largest` to `largest`.

    8-bit activations get weights of 7 bits: on x86 CPUs without VNNI the product of unsigned activations and signed
    weights saturates at 16 bits otherwise, in silence. Unsigned activations are the fast ones on x86.
    """

    def quantise(data: bytes, request: Request) -> bytes:
        from onnx import shape_inference
        from onnxruntime.quantization import QDQQuantizer, QuantType
        from onnxruntime.quantization.calibrate import CalibrationMethod, TensorsData
        from onnxruntime.quantization.quantize import update_opset_version

        statistics = request.statistics()
        model = update_opset_version(_load(data), QuantType.QInt8, QuantType[kind])
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
        return _save(quantizer.model.model)

    return quantise


def _ranges(model: Any, statistics: Statistics, kind: str, largest: int) -> dict[str, list[dict[str, Any]]]:
    """Return the ranges of weights by output, wide enough for the biases beside them.

    ONNX Runtime's quantiser widens them by itself, but leaves no room for the products. Weights of a grouped transposed
    convolution have fewer outputs than there are biases, so they get one range together.
    """
    from onnx import numpy_helper

    tensors = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    bits = int(kind.removeprefix("QUInt"))
    found: dict[str, NDArray[np.float64]] = {}
    axes: dict[str, int | None] = {}
    for node in model.graph.node:
        names = node.input[0], node.output[0]
        if node.op_type not in ("Conv", "ConvTranspose", "Gemm") or not {*names} <= statistics.ranges.keys():
            continue
        weights, biases = (tensors.get(name) for name in [*node.input, ""][1:3])
        if weights is None:
            continue
        axis = axes[node.input[1]] = _outputs_axis(node)
        source, given = (statistics.ranges[name] for name in names)
        finest = finest_steps(np.zeros(1) if biases is None else biases, source, given, bits)
        own = np.abs(weights).max(axis=tuple(i for i in range(weights.ndim) if i != axis))
        if node.op_type == "ConvTranspose" and biases is not None and biases.size != own.size:
            axes[node.input[1]] = None
            own, finest = own.max(keepdims=True), finest.max(keepdims=True)
        found[node.input[1]] = np.maximum(np.maximum(own, largest * finest), found.get(node.input[1], 0))
    return {
        name: [{"rmin": -top, "rmax": top} | ({} if axes[name] is None else {"axis": axes[name]}) for top in tops]
        for name, tops in found.items()
    }


def _shield(model: Any, keep: tuple[str, ...]) -> None:
    """Put a Clip that cuts nothing before the layers that stay in fp32.

    ONNX Runtime quantises a layer right behind a DequantizeLinear by itself when it opens the file
    (WeightBiasQuantization), with one scale for all channels.
    """
    from onnx import helper, numpy_helper

    dequantised = {node.output[0] for node in model.graph.node if node.op_type == "DequantizeLinear"}
    for node in [node for node in model.graph.node if node.name in keep and node.input[0] in dequantised]:
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
        error = rounding_error(weights.T if node.op_type == "Gemm" and not _turned(node) else weights, largest)
        error = error.sum(axis=tuple(range(2, error.ndim)))
        mean = means[source]
        if error.shape[1] != len(mean):  # a grouped convolution: each output has inputs of its own
            mean = np.repeat(mean.reshape(-1, error.shape[1]), len(error) * error.shape[1] // len(mean), axis=0)
        shifted = numpy_helper.to_array(tensors[bias]) - (error * mean).sum(axis=1)
        tensors[bias].CopyFrom(numpy_helper.from_array(shifted.astype(np.float32), bias))


PASSING = ("Relu", "Clip", "Add", "Concat", "MaxPool", "AveragePool", "GlobalAveragePool", "Reshape", "Transpose",
           "Flatten", "Squeeze", "Unsqueeze", "Pad", "Slice", "Split")  # fmt: skip
"""Operators without weights that go on in integers between others."""

QUANTISERS: dict[Precision, Quantiser] = {
    "fp32": lambda data, request: data,
    "fp16": _fp16,
    "int8": _static("QUInt8", 64),
    "int8-dynamic": _int8_dynamic,
    "int8-weights": _int8_weights,
    "int16x8": _static("QUInt16", 127),
    "int4-weights": _int4_weights,
}


CHANNEL_AXIS = 1
"""Where channels lie in activations of four axes."""


def layers(data: bytes) -> tuple[str, ...]:
    """Return the names of the nodes with weights, in the order that they run."""
    return tuple(node.name for node in _load(data).graph.node if node.op_type in ACTIVATED)


def saturated(data: bytes, quantised: bytes) -> dict[str, str]:
    """Return the constants that miss their values; see `export.precision.PrecisionModule.saturated`."""
    from onnx import numpy_helper

    plain, model = _load(data).graph, _load(quantised).graph
    originals = {tensor.name: numpy_helper.to_array(tensor) for tensor in plain.initializer}
    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.initializer}
    takers = {name: node.name for node in plain.node if node.op_type in ACTIVATED for name in node.input}
    scales = {name: values for name, values in stored.items() if name.endswith("_scale") and name not in originals}
    found = {name: degenerate(values) for name, values in scales.items()}
    for node in model.node:
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
        found[takers.get(name, name)] = problem or found.get(takers.get(name, name), "")
    return {name: problem for name, problem in found.items() if problem}


def activations(data: bytes, name: str, batches: Iterator[NDArray[Any]]) -> Iterator[dict[str, NDArray[np.float32]]]:
    """Run a float file and give all its float tensors but weights, by name, batch by batch.

    Args:
        data: The file.
        name: Its input.
        batches: ``[batch, *input.shape]`` of the dtype that the graph takes.
    """
    import onnx
    import onnxruntime

    model = onnx.shape_inference.infer_shapes(_load(data))
    given = {value.name for value in model.graph.output}
    model.graph.output.extend(
        value
        for value in model.graph.value_info
        if value.name not in given and value.type.tensor_type.elem_type == onnx.TensorProto.FLOAT
    )
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    names = [value.name for value in model.graph.output]
    alone = session.get_inputs()[0].shape[0] == 1
    for batch in batches:
        for inputs in batch[:, None] if alone else [batch]:
            own = {name: inputs} if inputs.dtype == np.float32 else {}
            yield {**own, **dict(zip(names, session.run(names, {name: inputs}), strict=True))}


def _load(data: bytes) -> Any:
    import onnx

    return onnx.load_from_string(data)


def _save(model: Any) -> bytes:
    return bytes(model.SerializeToString())


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


def _weights(model: Any, keep: tuple[str, ...]) -> dict[str, int]:
    """Return the weights by name, with the axis that their output channels lie on."""
    found = {}
    for node in model.graph.node:
        if node.name in keep:
            continue
        for place in WEIGHTS.get(node.op_type, ()):
            if place < len(node.input):
                found[node.input[place]] = _outputs_axis(node)
    return found


def _outputs_axis(node: Any) -> int:
    """Return the axis of a node's weights that its output channels lie on."""
    return {"Gemm": 0 if _turned(node) else 1, "MatMul": -1, "Conv": 0}.get(node.op_type, 1)


def _turned(node: Any) -> bool:
    """Tell whether a Gemm's weights have outputs as rows."""
    return any(attribute.name == "transB" and attribute.i for attribute in node.attribute)


Rewrite = Callable[[str, "NDArray[np.float32]", int], tuple[list[Any], Any] | None]
"""Takes a weight's name, values and axis; gives the tensors that replace it and the node that makes it from them."""


def _rewritten(model: Any, chosen: dict[str, int], rewrite: Rewrite, smallest: int = SMALLEST) -> Any:
    """Replace float weights."""
    from onnx import TensorProto, numpy_helper

    kept, nodes = [], []
    for tensor in model.graph.initializer:
        array = numpy_helper.to_array(tensor) if tensor.data_type == TensorProto.FLOAT else np.zeros(0, np.float32)
        fits = tensor.name in chosen and array.size >= smallest
        changed = rewrite(tensor.name, array, chosen[tensor.name]) if fits else None
        if changed is None:
            kept.append(tensor)
        else:
            kept += changed[0]
            nodes.append(changed[1])
    old = list(model.graph.node)
    del model.graph.initializer[:], model.graph.node[:]
    model.graph.initializer.extend(kept)
    model.graph.node.extend([*nodes, *old])
    return model


def _linear(dtype: np.dtype[Any], largest: int, block: int = 0) -> Rewrite:
    """Return what stores weights as integers of `dtype` up to `largest`, symmetric around 0."""
    from onnx import helper, numpy_helper

    def store(name: str, array: NDArray[np.float32], axis: int) -> tuple[list[Any], Any] | None:
        if not np.isfinite(array).all():
            return None
        axis %= array.ndim
        options: dict[str, Any] = {"axis": axis}
        if block and array.ndim == 2 and array.shape[1 - axis] % block == 0:
            axis = 1 - axis  # blocks lie along the inputs
            options = {"axis": axis, "block_size": block}
            parts = np.abs(array).reshape(*array.shape[:axis], -1, block, *array.shape[axis + 1 :])
            top = parts.max(axis=axis + 1)
            scale = np.where(top > 0, top / largest, 1).astype(np.float32)
            steps = np.repeat(scale, block, axis=axis)
        else:
            top = np.abs(array).max(axis=tuple(i for i in range(array.ndim) if i != axis))
            scale = np.where(top > 0, top / largest, 1).astype(np.float32)
            steps = scale.reshape([-1 if i == axis else 1 for i in range(array.ndim)])
        stored = numpy_helper.from_array(np.round(array / steps).astype(dtype), f"{name}_quantized")
        scales = numpy_helper.from_array(scale, f"{name}_scale")
        node = helper.make_node(
            "DequantizeLinear", [stored.name, scales.name], [name], f"{name}_DequantizeLinear", **options
        )
        return [stored, scales], node

    return store


def quantise(data: bytes, precision: Precision, request: Request) -> bytes:
    """Return a float file in another precision.

    Raises:
        ExportError: If the tools refuse it.
    """
    try:
        with warned_of():
            return QUANTISERS[precision](data, request)
    except ExportError:
        raise
    except Exception as problem:  # the quantiser raises whatever it meets
        raise ExportError(f"format 'onnx': no {precision}: {one_line(problem)}") from problem
