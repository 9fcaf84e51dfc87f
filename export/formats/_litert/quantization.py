"""Quantization of TFLite files by ai-edge-quantizer, with ranges and biases of ours."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from export.converter_warnings import collect_warnings
from export.formats._litert.schema import operator_kinds, packed, unpacked
from export.precision import FULL_PRECISION, QuantizeFunction, Request
from export.precision.calibration import Statistics, rounding_error
from export.precision.headroom import Stored, degenerate, finest_steps, saturation
from runtime.engines.litert import in_order
from runtime.errors import ExportError, MissingExtraError, one_line
from runtime.spec import Precision
from runtime.tensors import size

if TYPE_CHECKING:
    from numpy.typing import NDArray

CHANNEL_AXIS = -1
"""Where channels lie in activations of four axes."""
ACTIVATED = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV", "BATCH_MATMUL")
"""Operators with weights."""
BIASED = {
    "CONV_2D": (0, 1, 2, 0),
    "DEPTHWISE_CONV_2D": (0, 1, 2, 3),
    "FULLY_CONNECTED": (0, 1, 2, 0),
    "TRANSPOSE_CONV": (2, 1, 3, 0),
}
"""Operators with biases: the places of their input, weights and biases, and the weights' axis of outputs."""
SCALING = ("MUL", "ADD", "SUB", "DIV")
FLOAT = ("DIV",)
"""Operators that stay float: where a divisor is rounded to the integer of 0, the kernel gives up."""
LARGEST = 127
"""The integer that the largest weight of a channel becomes."""


def build_recipe(**configs: Any) -> Any:
    from ai_edge_quantizer import recipe_manager

    manager = recipe_manager.RecipeManager()
    for name, options in configs.items():
        getattr(manager, name)(regex=".*", operation_name="*", **options)
    return manager


def static(bits: int, *, inside_only: bool = True) -> QuantizeFunction:
    """Return a quantizer to integers throughout.

    Args:
        bits: Of activations.
        inside_only: Whether the graph's own inputs and outputs, and the scaling of inputs, stay float; inputs of parts
            in full precision always do.
    """

    def quantize(data: bytes, request: Request) -> bytes:
        statistics = request.statistics()
        recipe = build_recipe(add_static_config={"activation_num_bits": bits, "weight_num_bits": 8})
        for kind in ("INPUT", "OUTPUT", *FLOAT) if inside_only else ():
            recipe.add_quantization_config(".*", kind, algorithm_key="no_quantize")
        kept = (*request.keep, *(_scaling(data) if inside_only else float_inputs(data)))
        corrected = _corrected(data, statistics, request.keep)
        return quantized(corrected, recipe, kept, _ranges(corrected, statistics, bits))

    return quantize


def run(
    quantizers: dict[Precision, QuantizeFunction], format_name: str, data: bytes, precision: Precision, request: Request
) -> bytes:
    """Run one of a format's quantizers and turn what goes wrong into errors of ours."""
    shared = _sharing(data)
    keep = [each for name in request.keep for each in shared.get(name, [name])]
    keep += [output for _, _, output in _operators(data) if output.startswith(FULL_PRECISION)]
    try:
        with collect_warnings():
            return quantizers[precision](data, replace(request, keep=tuple(keep)))
    except (ExportError, MissingExtraError):
        raise
    except ImportError:
        raise MissingExtraError("ai-edge-quantizer", "export") from None
    except Exception as problem:  # the quantizer raises whatever it meets
        raise ExportError(f"format {format_name!r}: no {precision}: {one_line(problem)}") from problem


def layers(data: bytes) -> tuple[str, ...]:
    """Return the names of the outputs of operators with weights that have other precisions, in the order that they run.

    Of those that share weights, as the steps of an unrolled recurrent layer do, the first stands for all.
    """
    return tuple(name for name in _sharing(data) if not name.startswith(FULL_PRECISION))


def _sharing(data: bytes) -> dict[str, list[str]]:
    """Return the operators with weights by the first that has the same weights."""
    from ai_edge_litert import schema_py_generated as schema

    model = schema.Model.GetRootAs(data, 0)
    by_weight: dict[int | str, list[str]] = {}
    for kind, inputs, output in _operators(data):
        if kind in ACTIVATED:
            weight: int | str = output if _constant(model, inputs[1]) is None else inputs[1]
            by_weight.setdefault(weight, []).append(output)
    return {names[0]: names for names in by_weight.values()}


def activations(data: bytes, batches: Iterator[dict[str, NDArray[Any]]]) -> Iterator[dict[str, NDArray[np.float32]]]:
    """Run a float file and give all its float tensors but weights, by name, sample by sample.

    Args:
        data: The file, of batch 1.
        batches: The inputs by name in the graph's order, ``[batch, ...]`` of the types that the graph takes.
    """
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=data, experimental_preserve_all_tensors=True)
    interpreter.allocate_tensors()
    outputs = {name for _, _, name in _operators(data)}
    details = interpreter.get_tensor_details()
    indices = [detail["index"] for detail in in_order(interpreter.get_signature_runner().get_input_details())]
    wanted = {
        tensor["name"]: tensor["index"]
        for tensor in details
        if tensor["dtype"] is np.float32 and (tensor["name"] in outputs or tensor["index"] in indices)
    }
    for batch in batches:
        for at in range(size(batch)):
            for index, array in zip(indices, batch.values(), strict=True):
                interpreter.set_tensor(index, array[at : at + 1])
            interpreter.invoke()
            yield {name: interpreter.get_tensor(index) for name, index in wanted.items()}


def saturated(data: bytes, quantized: bytes) -> dict[str, str]:
    """Return the constants that miss their values; see `export.formats.PrecisionModule.saturated`."""
    from ai_edge_litert import schema_py_generated as schema

    model, float_model = schema.ModelT.InitFromPackedBuf(quantized), schema.Model.GetRootAs(data, 0)
    graph = float_model.Subgraphs(0)
    indices = {graph.Tensors(i).Name(): i for i in range(graph.TensorsLength())}
    layer_of: dict[int, str] = {}
    for kind, inputs, output in _operators(data):
        for index in inputs if kind in ACTIVATED else ():
            layer_of.setdefault(index, output)
    types = {1: np.float16, 2: np.int32, 4: np.int64, 7: np.int16, 9: np.int8}
    problems = {}
    for tensor in model.subgraphs[0].tensors:
        index, content = indices.get(tensor.name, -1), model.buffers[tensor.buffer].data
        parameters = _parameters(tensor)
        scale, zero = parameters or (np.ones(1), np.zeros(1))
        problem = degenerate(scale)
        if content is not None and tensor.type in types and (parameters or tensor.type == 1):
            original = _constant(float_model, index) if index >= 0 else None
            values = np.frombuffer(bytes(content), types[tensor.type]).reshape(tensor.shape)
            problem = saturation(Stored(values, scale, zero, original))
        if problem:
            problems[layer_of.get(index, tensor.name.decode())] = problem
    return problems


def _parameters(tensor: Any) -> tuple[NDArray[Any], NDArray[Any]] | None:
    """Return the scale and the zero point of one of the schema's tensors, so that they broadcast; None without."""
    quantization = tensor.quantization
    if quantization is None or quantization.scale is None or quantization.details is not None:
        return None
    shape = [1] * len(tensor.shape)
    if len(quantization.scale) > 1:
        shape[quantization.quantizedDimension] = -1
    return np.asarray(quantization.scale).reshape(shape), np.asarray(quantization.zeroPoint).reshape(shape)


Ranges = dict[str, tuple[Any, Any]]


def _ranges(data: bytes, statistics: Statistics, bits: int) -> Ranges:
    """Return the ranges of activations, and those of weights by output, wide enough for the biases beside them."""
    from ai_edge_litert import schema_py_generated as schema

    model = schema.Model.GetRootAs(data, 0)
    graph = model.Subgraphs(0)
    tops: dict[int, NDArray[np.float64]] = {}  # by buffer: layers may share their weights
    tensors: dict[str, tuple[int, list[int]]] = {}
    for kind, inputs, output in _operators(data):
        source, weight, bias = ([*inputs, -1][index] for index in BIASED.get(kind, (0, -1, -1))[:3])
        weights = _constant(model, weight) if weight >= 0 else None
        name = graph.Tensors(source).Name().decode()
        if weights is None or not {name, output} <= statistics.ranges.keys():
            continue
        axis, buffer = BIASED[kind][3], graph.Tensors(weight).Buffer()
        own = np.abs(weights).max(axis=tuple(i for i in range(weights.ndim) if i != axis))
        bias_values = _constant(model, bias) if bias >= 0 else None
        biases = np.zeros(1) if bias_values is None else bias_values.ravel()
        finest = finest_steps(biases, statistics.ranges[name], statistics.ranges[output], bits)
        tops[buffer] = np.maximum(np.maximum(own, LARGEST * finest), tops.get(buffer, 0))
        tensors[graph.Tensors(weight).Name().decode()] = buffer, [-1 if i == axis else 1 for i in range(weights.ndim)]
    weights_of = {name: tops[buffer].reshape(shape) for name, (buffer, shape) in tensors.items()}
    return statistics.ranges | {name: (-top, top) for name, top in weights_of.items()}


def quantized(data: bytes, recipe: Any, keep: tuple[str, ...], ranges: Ranges | None = None) -> bytes:
    from ai_edge_quantizer import Quantizer

    for name in keep:
        recipe.add_quantization_config(f"(^|;){re.escape(name)};", "*", algorithm_key="no_quantize")
    quantizer = Quantizer(data, recipe.get_quantization_recipe())
    statistics = None
    if ranges is not None:
        statistics = {
            name: {"min": np.array(low, np.float32), "max": np.array(high, np.float32)}
            for name, (low, high) in ranges.items()
        }
    result = quantizer.quantize(statistics, enable_progress_bar=False, enable_progress_report=False)
    return packed(unpacked(bytes(result.quantized_model)))


def _operators(data: bytes) -> Iterator[tuple[str, list[int], str]]:
    """Yield each operator's kind, the tensors that it takes, and the name of what it gives."""
    from ai_edge_litert import schema_py_generated as schema

    kinds = operator_kinds()
    model = schema.Model.GetRootAs(data, 0)
    graph = model.Subgraphs(0)
    for i in range(graph.OperatorsLength()):
        operator = graph.Operators(i)
        kind = kinds[model.OperatorCodes(operator.OpcodeIndex()).BuiltinCode()]
        yield kind, operator.InputsAsNumpy().tolist(), graph.Tensors(operator.Outputs(0)).Name().decode()


def _scaling(data: bytes) -> list[str]:
    """Return the operators that scale the input before any weights see it: they stay exact."""
    from ai_edge_litert import schema_py_generated as schema

    graph = schema.Model.GetRootAs(data, 0).Subgraphs(0)
    tainted: set[str] = set()
    names = []
    for kind, inputs, output in _operators(data):
        if kind in ACTIVATED or tainted.intersection(graph.Tensors(i).Name().decode() for i in inputs if i >= 0):
            tainted.add(output)
        elif kind in SCALING:
            names.append(output)
    return names


def float_inputs(data: bytes) -> list[str]:
    """Return the inputs of the graph that only operators take which stay in fp32."""
    from ai_edge_litert import schema_py_generated as schema

    graph = schema.Model.GetRootAs(data, 0).Subgraphs(0)
    others = {i for _, inputs, output in _operators(data) for i in inputs if not output.startswith(FULL_PRECISION)}
    return [graph.Tensors(i).Name().decode() for i in graph.InputsAsNumpy().tolist() if i not in others]


def _corrected(data: bytes, statistics: Statistics, keep: tuple[str, ...]) -> bytes:
    """Take off biases by how much rounding the weights moves the mean of each output (Nagel et al., 2019)."""
    from ai_edge_litert import schema_py_generated as schema

    changed = bytearray(data)  # arrays of the schema's are views of it
    model = schema.Model.GetRootAs(changed, 0)
    graph = model.Subgraphs(0)
    used = [i for _, inputs, _ in _operators(data) for i in inputs]
    for kind, inputs, output in _operators(data):
        if kind not in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED") or output in keep or len(inputs) < 3:
            continue
        source, weight, bias = inputs[:3]
        mean = statistics.means.get(graph.Tensors(source).Name().decode())
        if bias < 0 or mean is None or used.count(weight) + used.count(bias) > 2:
            continue
        weights, biases = _constant(model, weight), _constant(model, bias)
        if weights is None or biases is None:
            continue
        if kind == "DEPTHWISE_CONV_2D":  # [1, height, width, outputs]: each output has an input of its own
            error = rounding_error(np.moveaxis(weights, 3, 0), LARGEST).reshape(len(biases), -1).sum(axis=1)
            shift = error * np.repeat(mean, len(biases) // len(mean))
        else:
            error = rounding_error(weights, LARGEST).reshape(len(biases), -1, weights.shape[-1]).sum(axis=1)
            shift = (error * _means_of_inputs(mean, *error.shape)).sum(axis=1)
        biases -= shift.astype(np.float32)
    return bytes(changed)


def _means_of_inputs(mean: NDArray[np.float64], outputs: int, inputs: int) -> NDArray[np.float64]:
    """Return the means of what each output of a layer takes, ``[outputs, inputs]`` or one row for all.

    Args:
        mean: Of each channel of the layer's input.
        outputs: How many the layer has.
        inputs: How many each output takes: all channels, those at every place one after another, or those of its group.
    """
    if inputs < len(mean):
        groups = mean.reshape(-1, inputs)
        return np.repeat(groups, outputs // len(groups), axis=0)
    return np.resize(mean, (1, inputs))


def _constant(model: Any, index: int) -> NDArray[np.float32] | None:
    """Return a float constant of the graph as a view of the file; None if it isn't one."""
    tensor = model.Subgraphs(0).Tensors(index)
    content = model.Buffers(tensor.Buffer()).DataAsNumpy()
    if tensor.Type() != 0 or isinstance(content, int):  # 0 is FLOAT32; a number instead of an array means no content
        return None
    values: NDArray[np.float32] = content.view(np.float32).reshape(tensor.ShapeAsNumpy())
    return values
