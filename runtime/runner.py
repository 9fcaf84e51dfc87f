"""An opened graph on inputs that were read: checks, batches of one fixed size, sequences step by step."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from runtime.errors import EngineError, InputError
from runtime.frozen_dataclass import frozen_dataclass
from runtime.graph_tensors import from_graph, to_graph
from runtime.inputs import TensorsInput
from runtime.postprocess import all_finite
from runtime.shapes import fits, format_shape
from runtime.tasks import Detection
from runtime.tensors import by_name, size

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from runtime.engines import Engine
    from runtime.spec import FileSpec, ModelSpec
    from runtime.tensors import Tensors

BATCH = 32
"""The largest batch in which the inputs of a list or stream are run."""
FEW = 8
"""How many inputs of a small model a worker takes at a time, so that handing them over costs little."""


@frozen_dataclass
class GraphRunner:
    """Runs the graph of an opened model file. It may be used from several threads at once.

    Args:
        spec: What the model takes and gives.
        file_name: The file's name, for messages.
        file_spec: How the file implements `spec`.
        engine: The opened engine.
    """

    spec: ModelSpec
    file_name: str
    file_spec: FileSpec
    engine: Engine

    def forward(self, inputs: Tensors) -> Tensors:
        """Return the raw outputs of a batch; see `runtime.model.Model.forward`."""
        values, outputs = self._checked(inputs), self._outputs
        count = size(inputs)
        if not count:
            raw: dict[str, NDArray[Any]] = {
                name: np.zeros((0, *(axis or 1 for axis in sizes)), dtype) for name, dtype, sizes in outputs
            }
        elif self.file_spec.state:
            *_, last = self.rollout(values[self._input_name])
            raw = {outputs[0][0]: last}
        else:
            raw = self._run(values)
        for name, dtype, sizes in outputs:
            array = raw[name]
            if array.dtype.kind == dtype.kind == "i" and array.dtype != dtype:  # converters narrow integers
                raw[name] = array = array.astype(dtype)
            if array.dtype != dtype or not fits(array.shape, (count, *sizes)):
                several = f" as {name!r}" if len(outputs) > 1 else ""
                raise EngineError(
                    f"{self.file_name} gave {array.dtype} {list(array.shape)}{several} for {dtype} "
                    f"[{format_shape((count, *sizes))}]"
                )
        result = raw if len(outputs) > 1 else array
        return self.spec.output.defined(result) if isinstance(self.spec.output, Detection) else result

    @cached_property
    def _outputs(self) -> tuple[tuple[str, np.dtype[np.generic], tuple[int | None, ...]], ...]:
        """The name, type and sizes of each output."""
        return tuple((tensor.name, tensor.numpy_dtype, tensor.sizes) for tensor in self.spec.output.tensors)

    @cached_property
    def _input_name(self) -> str:
        """The name of the first input, which is the only one of images, tables and sequences."""
        return self.spec.input.tensors[0].name

    def rollout(self, inputs: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
        """Run sequences or clips of audio through a step graph; see `runtime.model.Model.rollout`."""
        inputs = np.ascontiguousarray(inputs, np.float32)
        state = self.initial_state(len(inputs))
        length = self.spec.input.step_length
        for start in range(0, inputs.shape[1], length):
            raw, state = self.step(inputs[:, start : start + length].reshape(len(inputs), -1), state)
            yield raw

    def initial_state(self, count: int) -> dict[str, NDArray[np.float32]]:
        """Return the states of `count` sequences before their first step, ``float32 [count, *shape]`` by name."""
        return {state.name: np.zeros((count, *state.shape), np.float32) for state in self.file_spec.state}

    def step(
        self, sample: NDArray[np.float32], state: dict[str, NDArray[np.float32]]
    ) -> tuple[NDArray[np.float32], dict[str, NDArray[np.float32]]]:
        """Run one step ``float32 [batch, features]``, or ``[batch, hop]`` of audio.

        Returns the raw outputs and the states after it.
        """
        outputs = self._run({self._input_name: sample, **state})
        following = {state.name: outputs[state.following] for state in self.file_spec.state}
        return outputs[self._outputs[0][0]], following

    def _checked(self, inputs: Tensors) -> dict[str, NDArray[Any]]:
        """Return inputs by name as engines need them: in this machine's byte order, and in one piece."""
        arrays, checked = by_name(inputs, (self._input_name,)), {}
        for tensor in self.spec.input.tensors:
            array = arrays.get(tensor.name)
            if (
                array is None
                or array.dtype.newbyteorder("=") != tensor.numpy_dtype
                or not fits(array.shape[1:], tensor.sizes)
            ):
                name = f"{tensor.name!r} " if len(self.spec.input.tensors) > 1 else ""
                sizes = "".join(f", {format_shape((axis,))}" for axis in tensor.sizes)
                raise InputError(
                    f"expected {name}{tensor.dtype} [batch{sizes}], "
                    + (f"got {', '.join(arrays)}" if array is None else f"got {array.dtype} {list(array.shape)}")
                )
            plain: NDArray[Any] = np.ascontiguousarray(array, tensor.numpy_dtype)
            if plain.dtype.kind == "f" and not all_finite(plain):
                raise InputError("the inputs hold values that are not finite")
            checked[tensor.name] = plain
        if self.file_spec.steps is not None or self.spec.input.kind == "tensors":
            self._check_lengths(checked)
        return checked

    def _check_lengths(self, values: dict[str, NDArray[Any]]) -> None:
        """Check that axes of any length have lengths that the file runs, and the same in all tensors."""
        if isinstance(self.spec.input, TensorsInput):
            lengths = dict(self.file_spec.lengths)
            for tensor in self.spec.input.tensors:
                for axis, length in zip(tensor.shape, values[tensor.name].shape[1:], strict=True):
                    if isinstance(axis, str) and lengths.setdefault(axis, length) != length:
                        raise InputError(
                            f"{self.file_name} runs {axis!r} of {lengths[axis]} here, {tensor.name!r} has {length}"
                        )
            return
        steps, length = self.file_spec.steps, values[self._input_name].shape[1]
        if length != steps:
            other = ", or use the .onnx file, which takes any length if the network does"
            raise InputError(
                f"{self.file_name} runs exactly {steps} steps, got {length}: cut or fill up the sequence"
                + (other if self.file_spec.format != "onnx" else "")
            )

    def _run(self, values: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        fixed = self.file_spec.batch
        count = len(values[self._input_name])
        if fixed is None or count == fixed:
            return self._run_graph(values)
        # a graph of one fixed size: whole batches, the last filled up with repetitions
        indices = [np.arange(at, at + fixed) % count for at in range(0, count, fixed)]
        parts = [self._run_graph({key: array[index] for key, array in values.items()}) for index in indices]
        try:
            return {key: np.concatenate([part[key] for part in parts])[:count] for key in parts[0]}
        except ValueError:
            raise EngineError(
                f"{self.file_name} gives outputs of other shapes for other inputs: run them one at a time"
            ) from None

    def _run_graph(self, values: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        file, name = self.file_spec, self._input_name
        if file.feed is not None:
            inputs = {file.feed.input: file.feed.take(values[name])}
        elif file.input_dtype is not None:
            inputs = {**values, name: values[name].astype(file.input_dtype, copy=False)}
        else:
            inputs = to_graph(values, file, self.file_name) if file.dtypes or file.unbatched else values
        outputs = self.engine.run(inputs)
        if file.feed is not None and file.feed.output:
            return {self._outputs[0][0]: file.feed.give(outputs[file.feed.output], len(values[name]))}
        if not file.dtypes and not file.unbatched:
            return outputs
        return from_graph(outputs, {output: dtype for output, dtype, _ in self._outputs}, file)
