"""ONNX: every tensor becomes an output of the graph."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from export.formats._segments import FULL, HALF, Operator, Segment, segments
from runtime.errors import EngineError, MissingExtraError, one_line
from runtime.native_output import suppress_output
from runtime.tensors import in_order

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from runtime.tensors import Tensors

FLOATS = {"tensor(float)": 1, "tensor(double)": 11, "tensor(float16)": 10}
"""ONNX Runtime's names of the types that are values, and ONNX's numbers of them."""
GIVEN = "given:"


def open(data: bytes, names: Collection[str] | None = None) -> OnnxGraph:  # noqa: A001
    """Open an ONNX file; see `export.formats.Reader.open`."""
    try:
        import onnx
        import onnxruntime  # noqa: F401
    except ImportError:
        raise MissingExtraError("what runs ONNX files layer by layer", "export") from None
    try:
        model = onnx.load_from_string(data)
    except Exception as problem:  # protobuf raises errors of its own
        raise EngineError(f"not an ONNX file ({one_line(problem)})") from None
    if not model.graph.input:
        raise EngineError("not an ONNX file (its graph takes no input)")
    return OnnxGraph(model, names)


class OnnxGraph:
    """An ONNX model with some or all of its tensors among its outputs."""

    def __init__(self, model: Any, names: Collection[str] | None) -> None:
        self._model = model
        self._inputs = [graph_input.name for graph_input in model.graph.input]
        made = [name for node in model.graph.node for name in node.output if name]
        wanted = dict.fromkeys(made if names is None else (name for name in made if name in names))
        self._rounded = {} if names is None else _rounded(model.graph.node, wanted)
        self._ends = {self._rounded.get(name, name): name for name in wanted}
        self._session = _session(model, self._ends)
        kinds = {output.name: output.type for output in self._session.get_outputs()}
        self._types = {name: FLOATS[kinds[end]] for end, name in self._ends.items() if kinds[end] in FLOATS}
        self._ends = {end: name for end, name in self._ends.items() if name in self._types}

    def run(self, sample: Tensors) -> dict[str, NDArray[np.float32]]:
        """Return the tensors of a batch of one; see `export.formats.Opened.run`."""
        return self._read(self._session, self._fed(sample))

    def alone(self, sample: Tensors, values: Mapping[str, NDArray[np.float32]]) -> dict[str, NDArray[np.float32]]:
        """Return what every segment makes of given values; see `export.formats.Opened.alone`."""
        fed = self._fed(sample)
        for graph_input in self._cut_session.get_inputs():
            if graph_input.name.startswith(GIVEN):
                fed[graph_input.name] = values[graph_input.name.removeprefix(GIVEN)].astype(
                    _DTYPES[FLOATS[graph_input.type]]
                )
        return self._read(self._cut_session, fed)

    @cached_property
    def segments(self) -> tuple[Segment, ...]:
        """The operators between the tensors; see `export.formats.Opened.segments`."""
        stored = {tensor.name: tensor.data_type for tensor in self._model.graph.initializer}
        operators = [
            Operator(node.op_type, tuple(node.input), tuple(node.output), _bits(node, stored))
            for node in self._cut.graph.node
        ]
        starts = {GIVEN + name: name for name in self._ends.values()}
        return segments(operators, self._ends, starts, self._inputs)

    @cached_property
    def _cut(self) -> Any:
        """The model with an input of its own for each place where a tensor is used."""
        import onnx

        cut = type(self._model)()
        cut.CopyFrom(self._model)
        names = self._ends | {name: name for name in self._ends.values()}
        used = set()
        for node in cut.graph.node:
            for index, source in enumerate(node.input):
                name = names.get(source)
                if name and not (node.op_type == "QuantizeLinear" and source in self._rounded):
                    node.input[index] = GIVEN + name
                    used.add(name)
        shapes = {part.name: part for part in self._model.graph.value_info}
        for name in sorted(used):
            fed = onnx.helper.make_tensor_value_info(GIVEN + name, self._types[name], None)
            if name in shapes and shapes[name].type.tensor_type.HasField("shape"):
                fed.type.tensor_type.shape.CopyFrom(shapes[name].type.tensor_type.shape)
            cut.graph.input.append(fed)
        return cut

    @cached_property
    def _cut_session(self) -> Any:
        return _session(self._cut, self._ends)

    def _fed(self, sample: Tensors) -> dict[str, NDArray[Any]]:
        return dict(zip(self._inputs, in_order(sample), strict=True))

    def _read(self, session: Any, fed: dict[str, NDArray[Any]]) -> dict[str, NDArray[np.float32]]:
        try:
            outputs = session.run(list(self._ends), fed)
        except Exception as problem:  # ONNX Runtime raises errors of its own
            raise EngineError(f"ONNX Runtime failed: {one_line(problem)}") from None
        return dict(zip(self._ends.values(), (np.asarray(value, np.float32) for value in outputs), strict=True))


_DTYPES = {1: np.float32, 11: np.float64, 10: np.float16}


def _bits(node: Any, stored: Mapping[str, int]) -> int:
    """Return the bits that a node computes in, by its kind and its weights."""
    from onnx import TensorProto

    if not any(word in node.op_type for word in ("QuantizeLinear", "DequantizeLinear", "Integer", "QLinear")):
        half = any(stored.get(name) == TensorProto.FLOAT16 for name in node.input)
        return 4 if node.op_type == "MatMulNBits" else HALF if half else FULL
    small = {TensorProto.INT4: 4, TensorProto.UINT4: 4, TensorProto.INT16: 16, TensorProto.UINT16: 16}
    # biases of 32 bits are in no layer's way
    return min((small[stored[name]] for name in node.input if stored.get(name) in small), default=8)


def _rounded(nodes: Any, names: Collection[str]) -> dict[str, str]:
    """Return for each tensor that is quantized where its rounded values are: what the layers after it work with."""
    quantized = {node.input[0]: node.output[0] for node in nodes if node.op_type == "QuantizeLinear"}
    back = {node.input[0]: node.output[0] for node in nodes if node.op_type == "DequantizeLinear"}
    return {name: back[quantized[name]] for name in names if name in quantized and quantized[name] in back}


def _session(model: Any, outputs: Collection[str]) -> Any:
    """Open a model with more outputs, as it is written: no operator is fused with another."""
    import onnx
    import onnxruntime

    opened = type(model)()
    opened.CopyFrom(model)
    del opened.graph.output[:]
    opened.graph.output.extend(onnx.helper.make_empty_tensor_value_info(name) for name in outputs)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    try:
        with suppress_output():
            return onnxruntime.InferenceSession(opened.SerializeToString(), options, providers=["CPUExecutionProvider"])
    except Exception as problem:  # ONNX Runtime raises errors of its own
        raise EngineError(f"ONNX Runtime can't open the file: {one_line(problem)}") from None
