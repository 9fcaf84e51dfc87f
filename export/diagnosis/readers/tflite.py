"""TFLite: the interpreter keeps every tensor."""

from __future__ import annotations

import copy
import warnings
from collections import Counter
from collections.abc import Collection, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from export.diagnosis.segments import FULL, HALF, Operator, Segment, segments
from export.litert import packed, unpacked
from runtime.errors import EngineError, MissingExtraError, one_line
from runtime.native_output import suppress_output

if TYPE_CHECKING:
    from numpy.typing import NDArray


def open(data: bytes, names: Collection[str] | None = None) -> TFLiteGraph:  # noqa: A001
    """Open a TFLite file; see `export.diagnosis.readers.Reader.open`."""
    try:
        model = unpacked(data)
        main = model.subgraphs[0]
    except ImportError:
        raise MissingExtraError("what runs TFLite files layer by layer", "export") from None
    except Exception as problem:  # the generated code raises whatever it meets
        raise EngineError(f"not a TFLite file ({one_line(problem)})") from None
    known = [tensor.name.decode() for tensor in main.tensors]
    once = {name for name, count in Counter(known).items() if count == 1}
    made = [place for operator in main.operators for place in operator.outputs]
    ends = {place: known[place] for place in made if known[place] in (once if names is None else once & set(names))}
    return TFLiteGraph(data, model, ends)


class TFLiteGraph:
    """A TFLite model that keeps its tensors."""

    def __init__(self, data: bytes, model: Any, ends: dict[int, str]) -> None:
        self._data, self._model, self._ends = data, model, ends
        self._interpreter = _interpreter(data)
        details = {detail["index"]: detail for detail in self._interpreter.get_tensor_details()}
        self._details = {place: details[place] for place in ends if place in details and _is_value(details[place])}

    def run(self, sample: NDArray[Any]) -> dict[str, NDArray[np.float32]]:
        """Return the tensors of a batch of one; see `export.diagnosis.readers.Opened.run`."""
        return self._read(self._interpreter, {self._model.subgraphs[0].inputs[0]: sample})

    def alone(self, sample: NDArray[Any], values: Mapping[str, NDArray[np.float32]]) -> dict[str, NDArray[np.float32]]:
        """Return what every segment makes of given values; see `export.diagnosis.readers.Opened.alone`."""
        fed = {given: values[self._ends[place]] for place, given in self._given.items()}
        return self._read(self._cut_interpreter, {self._model.subgraphs[0].inputs[0]: sample, **fed})

    @cached_property
    def segments(self) -> tuple[Segment, ...]:
        """What stands between the tensors; see `export.diagnosis.readers.Opened.segments`."""
        main = self._cut.subgraphs[0]
        kinds = [_kind(code) for code in self._cut.operatorCodes]
        widths: list[int] = [_bits(tensor) for tensor in main.tensors]

        def bits(operator: Any) -> int:
            least: int = min(widths[place] for place in (*operator.inputs, *operator.outputs) if place >= 0)
            return least

        operators = [
            Operator(kinds[each.opcodeIndex], tuple(map(str, each.inputs)), tuple(map(str, each.outputs)), bits(each))
            for each in main.operators
        ]
        ends = {str(place): self._ends[place] for place in self._details}
        starts = {str(given): self._ends[place] for place, given in self._given.items()}
        return segments(operators, ends, starts, str(main.inputs[0]))

    @cached_property
    def _given(self) -> dict[int, int]:
        """The tensors that are used, and the inputs that stand in for them when segments run alone."""
        first = len(self._model.subgraphs[0].tensors)
        used = {int(place) for each in self._model.subgraphs[0].operators for place in each.inputs}
        return {place: first + i for i, place in enumerate(sorted(used.intersection(self._details)))}

    @cached_property
    def _cut(self) -> Any:
        """The model with an input of its own in each place where a tensor is used."""
        cut = copy.copy(self._model)
        main = copy.copy(cut.subgraphs[0])
        tensors, operators = list(main.tensors), []
        for place in self._given:
            given = copy.copy(tensors[place])
            given.name, given.buffer = b"given:" + given.name, 0
            tensors.append(given)
        for each in main.operators:
            operator = copy.copy(each)
            operator.inputs = np.array([self._given.get(int(place), int(place)) for place in each.inputs], np.int32)
            operators.append(operator)
        main.tensors, main.operators = tensors, operators
        main.inputs = np.array([*main.inputs, *self._given.values()], np.int32)
        cut.subgraphs = [main, *cut.subgraphs[1:]]
        cut.signatureDefs = []
        return cut

    @cached_property
    def _cut_interpreter(self) -> Any:
        return _interpreter(packed(self._cut))

    def _read(self, interpreter: Any, fed: dict[int, NDArray[Any]]) -> dict[str, NDArray[np.float32]]:
        taken = {detail["index"]: detail for detail in interpreter.get_input_details()}
        try:
            for place, value in fed.items():
                interpreter.set_tensor(place, _stored(value, taken[place]))
            interpreter.invoke()
        except (RuntimeError, ValueError) as problem:
            raise EngineError(f"LiteRT failed: {one_line(problem)}") from None
        return {
            self._ends[place]: _real(interpreter.get_tensor(place), detail) for place, detail in self._details.items()
        }


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


def _kind(code: Any) -> str:
    from ai_edge_litert import schema_py_generated as schema

    number = max(code.builtinCode, code.deprecatedBuiltinCode)
    names: dict[int, str] = {value: name for name, value in vars(schema.BuiltinOperator).items() if name.isupper()}
    return names.get(number, str(number))


def _bits(tensor: Any) -> int:
    """Return the bits of a tensor's values; whole numbers without a scale, such as shapes, are exact."""
    from ai_edge_litert.schema_py_generated import TensorType

    if tensor.type == TensorType.FLOAT16:
        return HALF
    scaled = tensor.quantization is not None and tensor.quantization.scale is not None
    widths: dict[int, int] = {TensorType.INT4: 4, TensorType.INT8: 8, TensorType.UINT8: 8, TensorType.INT16: 16}
    return widths.get(tensor.type, FULL) if scaled else FULL


def _scale(detail: dict[str, Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    found = detail["quantization_parameters"]
    return found["scales"], found["zero_points"]


def _is_value(detail: dict[str, Any]) -> bool:
    """Tell whether a tensor holds values: floating-point numbers, or integers that one scale turns into such."""
    return np.issubdtype(detail["dtype"], np.floating) or len(_scale(detail)[0]) == 1


def _real(stored: NDArray[Any], detail: dict[str, Any]) -> NDArray[np.float32]:
    scales, zeros = _scale(detail)
    found = stored.astype(np.float32)
    return (found - np.float32(zeros[0])) * np.float32(scales[0]) if len(scales) else found


def _stored(value: NDArray[Any], detail: dict[str, Any]) -> NDArray[Any]:
    scales, zeros = _scale(detail)
    value = value.reshape(detail["shape"])
    if not len(scales):
        return value.astype(detail["dtype"])
    limits = np.iinfo(detail["dtype"])
    found: NDArray[Any] = np.clip(np.rint(value / scales[0]) + zeros[0], limits.min, limits.max).astype(detail["dtype"])
    return found
