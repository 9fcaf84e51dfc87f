"""An opened graph on inputs that were read: checks, batches of one fixed size, sequences step by step."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from runtime.errors import EngineError, InputError
from runtime.frozen_dataclass import frozen_dataclass
from runtime.postprocess import all_finite
from runtime.shapes import fits, format_shape

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from runtime.engines import Engine
    from runtime.spec import FileSpec, ModelSpec

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

    def forward(self, inputs: NDArray[Any]) -> NDArray[np.float32]:
        """Return the raw outputs ``float32 [batch, *spec.output.shape]``; see `runtime.model.Model.forward`."""
        inputs = self._checked(inputs)
        if not len(inputs):
            return np.zeros((0, *(size or 1 for size in self.spec.output.shape)), np.float32)
        if self.file_spec.state:
            *_, raw = self.rollout(inputs)
        else:
            raw = self._run({self.spec.input.name: inputs})[self.spec.output.name]
        if raw.dtype != np.float32 or not fits(raw.shape, (len(inputs), *self.spec.output.shape)):
            raise EngineError(
                f"{self.file_name} gave {raw.dtype} {list(raw.shape)} for float32 "
                f"[{len(inputs)}, {format_shape(self.spec.output.shape)}]"
            )
        return raw

    def rollout(self, inputs: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
        """Run sequences ``float32 [batch, time, features]`` through a step graph; see `runtime.model.Model.rollout`."""
        inputs = np.ascontiguousarray(inputs, np.float32)
        state = self.initial_state(len(inputs))
        for index in range(inputs.shape[1]):
            raw, state = self.step(inputs[:, index], state)
            yield raw

    def initial_state(self, count: int) -> dict[str, NDArray[np.float32]]:
        """Return the states of `count` sequences before their first step, ``float32 [count, *shape]`` by name."""
        return {state.name: np.zeros((count, *state.shape), np.float32) for state in self.file_spec.state}

    def step(
        self, sample: NDArray[np.float32], state: dict[str, NDArray[np.float32]]
    ) -> tuple[NDArray[np.float32], dict[str, NDArray[np.float32]]]:
        """Run one step ``float32 [batch, features]``; return the raw outputs and the states after it."""
        outputs = self._run({self.spec.input.name: sample, **state})
        return outputs[self.spec.output.name], {state.name: outputs[state.following] for state in self.file_spec.state}

    def _checked(self, inputs: NDArray[Any]) -> NDArray[Any]:
        """Return inputs as engines need them: in this machine's byte order, and in one piece."""
        input_spec, steps = self.spec.input, self.file_spec.steps
        if inputs.dtype.newbyteorder("=") != input_spec.dtype or not fits(inputs.shape[1:], input_spec.shape):
            raise InputError(
                f"expected {np.dtype(input_spec.dtype)} [batch, {format_shape(input_spec.shape)}], "
                f"got {inputs.dtype} {list(inputs.shape)}"
            )
        if steps is not None and inputs.shape[1] != steps:
            other = ", or use the .onnx file, which takes any length if the network does"
            raise InputError(
                f"{self.file_name} runs exactly {steps} steps, got {inputs.shape[1]}: cut or fill up the sequence"
                + (other if self.file_spec.format != "onnx" else "")
            )
        plain: NDArray[Any] = np.ascontiguousarray(inputs, input_spec.dtype)
        if plain.dtype.kind == "f" and not all_finite(plain):
            raise InputError("the inputs hold values that are not finite")
        return plain

    def _run(self, values: dict[str, NDArray[Any]]) -> dict[str, NDArray[np.float32]]:
        name, size = self.spec.input.name, self.file_spec.batch
        count = len(values[name])
        if size is None or count == size:
            return self._run_graph(values)
        # a graph of one fixed size: whole batches, the last filled up with repetitions
        indices = [np.arange(at, at + size) % count for at in range(0, count, size)]
        parts = [self._run_graph({key: array[rows] for key, array in values.items()}) for rows in indices]
        return {key: np.concatenate([part[key] for part in parts])[:count] for key in parts[0]}

    def _run_graph(self, values: dict[str, NDArray[Any]]) -> dict[str, NDArray[np.float32]]:
        input_spec, output_spec, feed = self.spec.input, self.spec.output, self.file_spec.feed
        if feed is None:
            return self.engine.run(
                {**values, input_spec.name: values[input_spec.name].astype(self.file_spec.input_dtype, copy=False)}
            )
        outputs = self.engine.run({feed.input: feed.take(values[input_spec.name])})
        return {output_spec.name: feed.give(outputs[feed.output], len(values[input_spec.name]))}
