"""TFLite: the interpreter keeps every tensor."""

from __future__ import annotations

import copy
import warnings
from collections import Counter
from collections.abc import Collection, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from export.formats._litert.schema import operator_kind, packed, unpacked
from export.formats._segments import FULL, HALF, Operator, Segment, segments
from runtime.errors import EngineError, MissingExtraError, one_line
from runtime.native_output import suppress_output
from runtime.tensors import in_order

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from runtime.tensors import Tensors


def open(data: bytes, names: Collection[str] | None = None) -> TFLiteGraph:  # noqa: A001
    """Open a TFLite file; see `export.formats.Reader.open`."""
    try:
        model = unpacked(data)
        main = model.subgraphs[0]
    except ImportError:
        raise MissingExtraError("what runs TFLite files layer by layer", "export") from None
    except Exception as problem:  # the generated code raises whatever it meets
        raise EngineError(f"not a TFLite file ({one_line(problem)})") from None
    known = [tensor.name.decode() for tensor in main.tensors]
    once = {name for name, count in Counter(known).items() if count == 1}
    outputs = [index for operator in main.operators for index in operator.outputs]
    ends = {index: known[index] for index in outputs if known[index] in (once if names is None else once & set(names))}
    return TFLiteGraph(data, model, ends)


class TFLiteGraph:
    """A TFLite model that keeps its tensors."""

    def __init__(self, data: bytes, model: Any, ends: dict[int, str]) -> None:
        self._data, self._model, self._ends = data, model, ends
        self._inputs = _inputs(model)
        self._interpreter = _interpreter(data)
        details = {detail["index"]: detail for detail in self._interpreter.get_tensor_details()}
        self._details = {index: details[index] for index in ends if index in details and _is_value(details[index])}

    def run(self, sample: Tensors) -> dict[str, NDArray[np.float32]]:
        """Return the tensors of a batch of one; see `export.formats.Opened.run`."""
        return self._read(self._interpreter, self._fed(sample))

    def alone(self, sample: Tensors, values: Mapping[str, NDArray[np.float32]]) -> dict[str, NDArray[np.float32]]:
        """Return what every segment makes of given values; see `export.formats.Opened.alone`."""
        fed = {substitute: values[self._ends[index]] for index, substitute in self._substitutes.items()}
        return self._read(self._cut_interpreter, {**self._fed(sample), **fed})

    @cached_property
    def segments(self) -> tuple[Segment, ...]:
        """The operators between the tensors; see `export.formats.Opened.segments`."""
        main = self._cut.subgraphs[0]
        kinds = [operator_kind(code) for code in self._cut.operatorCodes]
        widths: list[int] = [_bits(tensor) for tensor in main.tensors]

        def bits(operator: Any) -> int:
            least: int = min(widths[index] for index in (*operator.inputs, *operator.outputs) if index >= 0)
            return least

        operators = [
            Operator(kinds[each.opcodeIndex], tuple(map(str, each.inputs)), tuple(map(str, each.outputs)), bits(each))
            for each in main.operators
        ]
        ends = {str(index): self._ends[index] for index in self._details}
        starts = {str(substitute): self._ends[index] for index, substitute in self._substitutes.items()}
        return segments(operators, ends, starts, map(str, self._inputs))

    @cached_property
    def _substitutes(self) -> dict[int, int]:
        """The tensors that are used, and the inputs that stand in for them when segments run alone."""
        first = len(self._model.subgraphs[0].tensors)
        used = {int(index) for each in self._model.subgraphs[0].operators for index in each.inputs}
        return {index: first + i for i, index in enumerate(sorted(used.intersection(self._details)))}

    @cached_property
    def _cut(self) -> Any:
        """The model with an input of its own in each place where a tensor is used."""
        cut = copy.copy(self._model)
        main = copy.copy(cut.subgraphs[0])
        tensors, operators = list(main.tensors), []
        for index in self._substitutes:
            substitute = copy.copy(tensors[index])
            substitute.name, substitute.buffer = b"given:" + substitute.name, 0
            tensors.append(substitute)
        for each in main.operators:
            operator = copy.copy(each)
            operator.inputs = np.array(
                [self._substitutes.get(int(index), int(index)) for index in each.inputs], np.int32
            )
            operators.append(operator)
        main.tensors, main.operators = tensors, operators
        main.inputs = np.array([*main.inputs, *self._substitutes.values()], np.int32)
        cut.subgraphs = [main, *cut.subgraphs[1:]]
        cut.signatureDefs = []
        return cut

    @cached_property
    def _cut_interpreter(self) -> Any:
        return _interpreter(packed(self._cut))

    def _fed(self, sample: Tensors) -> dict[int, NDArray[Any]]:
        return dict(zip(self._inputs, in_order(sample), strict=True))

    def _read(self, interpreter: Any, fed: dict[int, NDArray[Any]]) -> dict[str, NDArray[np.float32]]:
        inputs = {detail["index"]: detail for detail in interpreter.get_input_details()}
        try:
            for index, value in fed.items():
                interpreter.set_tensor(index, _stored(value, inputs[index]))
            interpreter.invoke()
        except (RuntimeError, ValueError) as problem:
            raise EngineError(f"LiteRT failed: {one_line(problem)}") from None
        return {
            self._ends[index]: _real(interpreter.get_tensor(index), detail) for index, detail in self._details.items()
        }


def _inputs(model: Any) -> list[int]:
    """Return the input tensors in the order of the trace, which the signature's names count: ``args_0``, ``args_1``."""
    if len(model.subgraphs[0].inputs) == 1 or not model.signatureDefs:
        return [int(index) for index in model.subgraphs[0].inputs]
    named = {part.name.decode(): int(part.tensorIndex) for part in model.signatureDefs[0].inputs}
    return [named[name] for name in sorted(named, key=lambda name: int(name.rpartition("_")[2]))]


def _interpreter(data: bytes) -> Any:
    """Open a file with LiteRT's own kernels: a delegate would keep the tensors between its operators to itself."""
    from ai_edge_litert import interpreter as litert

    try:
        with suppress_output(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the memory that kept tensors take
            opened = litert.Interpreter(
                model_content=data,
                num_threads=1,
                experimental_preserve_all_tensors=True,
                experimental_op_resolver_type=litert.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
            )
            opened.allocate_tensors()
    except (RuntimeError, ValueError) as problem:
        raise EngineError(f"LiteRT can't open the file: {one_line(problem)}") from None
    return opened


def _bits(tensor: Any) -> int:
    """Return the bits of a tensor's values; whole numbers without a scale, such as shapes, are exact."""
    from ai_edge_litert.schema_py_generated import TensorType

    if tensor.type == TensorType.FLOAT16:
        return HALF
    scaled = tensor.quantization is not None and tensor.quantization.scale is not None
    widths: dict[int, int] = {TensorType.INT4: 4, TensorType.INT8: 8, TensorType.UINT8: 8, TensorType.INT16: 16}
    return widths.get(tensor.type, FULL) if scaled else FULL


def _scale(detail: dict[str, Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    parameters = detail["quantization_parameters"]
    return parameters["scales"], parameters["zero_points"]


def _is_value(detail: dict[str, Any]) -> bool:
    """Tell whether a tensor holds values: floating-point numbers, or integers that one scale turns into such."""
    return np.issubdtype(detail["dtype"], np.floating) or len(_scale(detail)[0]) == 1


def _real(stored: NDArray[Any], detail: dict[str, Any]) -> NDArray[np.float32]:
    scales, zeros = _scale(detail)
    values = stored.astype(np.float32)
    return (values - np.float32(zeros[0])) * np.float32(scales[0]) if len(scales) else values


def _stored(value: NDArray[Any], detail: dict[str, Any]) -> NDArray[Any]:
    scales, zeros = _scale(detail)
    value = value.reshape(detail["shape"])
    if not len(scales):
        return value.astype(detail["dtype"])
    limits = np.iinfo(detail["dtype"])
    integers: NDArray[Any] = np.clip(np.rint(value / scales[0]) + zeros[0], limits.min, limits.max).astype(
        detail["dtype"]
    )
    return integers
