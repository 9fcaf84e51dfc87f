"""An opened model file: inputs of any kind to predictions; batching, and streaming step by step."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from runtime.decode import decode, fits, shown
from runtime.errors import EngineError, InputError, OptionError
from runtime.inputs import SequenceInput
from runtime.spec import FileSpec, ModelSpec
from runtime.tasks import Prediction

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from runtime.engines import Engine

BATCH = 32


@dataclass(frozen=True)
class Model:
    """A model file opened on an engine. It may be used from several threads at once.

    Args:
        spec: What the model takes and gives.
        file: The model file that runs.
        file_spec: How that file implements `spec`.
        engine_name: The engine that runs it.
        engine: The opened engine.
        skipped: Why each engine and device that ``auto`` passed over is not the one.
        open_steps: Opens the step graph that lies beside the file; None if there is none.
    """

    spec: ModelSpec
    file: Path
    file_spec: FileSpec
    engine_name: str
    engine: Engine
    skipped: tuple[str, ...]
    open_steps: Callable[[], Model] | None = None

    @property
    def labels(self) -> tuple[str, ...]:
        """What each score stands for; empty where the task has no labels."""
        return tuple(getattr(self.spec.output, "labels", ()))

    def predict(self, inputs: Any, *, top: int = 5) -> Any:
        """Predict one input, or several.

        Args:
            inputs: What `read` of the manifest's input takes: for images a path, the bytes of an encoded image, a
                binary file object, a Pillow image or a uint8 array ``[height, width]`` or ``[height, width, channels]``
                of any size; for tables a dict from column to cell, or a list of cells; for sequences an array ``[time,
                features]``, a ``.npy`` or a ``.csv`` file. Or several of those: a list of them, a CSV file of rows,
                an array with one axis more.
            top: How many labels `top` of a prediction lists, where the task has labels.

        Returns:
            A `Prediction` of the task's own kind, or a list of them for several inputs.

        Raises:
            InputError: If an input can't be used; names it.
            OptionError: If `top` is below 1.
            EngineError: If the engine fails.
        """
        _check_top(top)
        several = self.spec.input.several(inputs)
        if several is not None:
            return list(self._each(several, top))
        return self._decode([self.spec.input.read(inputs)], top)[0]

    def stream(self, samples: Iterable[Any], *, top: int = 5) -> Iterator[Prediction]:
        """Predict what comes in bit by bit; memory stays constant.

        Args:
            samples: Images or rows of a table: as many as there are, predicted in batches, in order. For a model of
                sequences the steps ``[features]`` of one sequence.
            top: How many labels `top` of a prediction lists, where the task has labels.

        Returns:
            A prediction for each image or row; or after each step the prediction for the sequence so far, whose
            `input` is that step alone.

        Raises:
            InputError: At the first input that can't be used.
            OptionError: If `top` is below 1.
            EngineError: If the engine fails, or the model of sequences has no step graph.
        """
        _check_top(top)
        taken = self.spec.input
        if isinstance(taken, SequenceInput):
            return self._stepper._follow((taken.step(sample) for sample in samples), top)
        return self._each(samples, top)

    def forward(self, inputs: NDArray[Any]) -> NDArray[np.float32]:
        """Run inputs that were read through the engine.

        Args:
            inputs: ``[batch, *spec.input.shape]`` of the input's dtype.

        Returns:
            The raw outputs, ``float32 [batch, *spec.output.shape]``.

        Raises:
            InputError: If the array has another dtype or shape, or another number of steps than the file runs.
            EngineError: If the engine fails or gives another shape.
        """
        self._check(inputs)
        if not len(inputs):
            return np.zeros((0, *(size or 1 for size in self.spec.output.shape)), np.float32)
        if self.file_spec.state:
            *_, raw = self.rollout(inputs)
        else:
            raw = self._run({self.spec.input.name: inputs})[self.spec.output.name]
        if not fits(raw.shape, (len(inputs), *self.spec.output.shape)):
            raise EngineError(
                f"{self.file.name} gave {list(raw.shape)} for [{len(inputs)}, {shown(self.spec.output.shape)}]"
            )
        return raw

    def rollout(self, inputs: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
        """Run sequences that were read through the step graph.

        Args:
            inputs: ``float32 [batch, time, features]``.

        Yields:
            After each step the raw outputs for all steps so far, ``float32 [batch, *spec.output.shape]``.

        Raises:
            EngineError: If the engine fails or there is no step graph.
        """
        stepper = self._stepper
        state = stepper._start(len(inputs))
        for step in range(inputs.shape[1]):
            raw, state = stepper._advance(inputs[:, step], state)
            yield raw

    def _check(self, inputs: NDArray[Any]) -> None:
        taken, steps = self.spec.input, self.file_spec.steps
        if inputs.dtype != taken.dtype or not fits(inputs.shape[1:], taken.shape):
            raise InputError(
                f"expected {np.dtype(taken.dtype)} [batch, {shown(taken.shape)}], "
                f"got {inputs.dtype} {list(inputs.shape)}"
            )
        if steps is not None and inputs.shape[1] != steps:
            raise InputError(
                f"{self.file.name} runs exactly {steps} steps, got {inputs.shape[1]}: cut or fill up the sequence, or "
                "use the .onnx file, which takes any length if the network does"
            )

    def _each(self, sources: Iterable[Any], top: int) -> Iterator[Prediction]:
        """Predict in batches of equal shapes."""
        batch: list[NDArray[Any]] = []
        for number, source in enumerate(sources, 1):
            try:
                sample = self.spec.input.read(source)
            except InputError as problem:
                raise InputError(f"input {number}: {problem}") from None
            if batch and sample.shape != batch[0].shape:
                yield from self._decode(batch, top)
                batch = []
            batch.append(sample)
            if len(batch) == BATCH:
                yield from self._decode(batch, top)
                batch = []
        if batch:
            yield from self._decode(batch, top)

    def _decode(self, batch: list[NDArray[Any]], top: int) -> list[Prediction]:
        inputs = np.stack(batch)
        return decode(self.spec.output, self.forward(inputs), inputs, top)

    @cached_property
    def _stepper(self) -> Model:
        """The model whose file is the step graph."""
        if self.file_spec.state:
            return self
        if self.open_steps is None:
            raise EngineError(
                f"{self.file.name} has no step graph beside it, so it can't stream: either its network is not causal "
                "(it looks at whole sequences), or the file was opened without its bundle"
            )
        return self.open_steps()

    def _start(self, count: int) -> dict[str, NDArray[np.float32]]:
        return {state.name: np.zeros((count, *state.shape), np.float32) for state in self.file_spec.state}

    def _advance(
        self, sample: NDArray[np.float32], state: dict[str, NDArray[np.float32]]
    ) -> tuple[NDArray[np.float32], dict[str, NDArray[np.float32]]]:
        """Take one step ``[batch, features]``; return the raw outputs and the state after it."""
        found = self._run({self.spec.input.name: sample, **state})
        return found[self.spec.output.name], {state.name: found[state.following] for state in self.file_spec.state}

    def _follow(self, steps: Iterable[NDArray[np.float32]], top: int) -> Iterator[Prediction]:
        state = self._start(1)
        for step in steps:
            raw, state = self._advance(step[None], state)
            yield decode(self.spec.output, raw, step[None, None], top)[0]

    def _run(self, values: dict[str, NDArray[Any]]) -> dict[str, NDArray[np.float32]]:
        name, size = self.spec.input.name, self.file_spec.batch
        count = len(values[name])
        if size is None or count == size:
            return self._run_graph(values)
        # a graph of one fixed size: whole batches, the last filled up with repetitions
        places = [np.arange(at, at + size) % count for at in range(0, count, size)]
        parts = [self._run_graph({key: array[place] for key, array in values.items()}) for place in places]
        return {key: np.concatenate([part[key] for part in parts])[:count] for key in parts[0]}

    def _run_graph(self, values: dict[str, NDArray[Any]]) -> dict[str, NDArray[np.float32]]:
        taken, given, feed = self.spec.input, self.spec.output, self.file_spec.feed
        if feed is None:
            return self.engine.run(
                {**values, taken.name: values[taken.name].astype(self.file_spec.input_dtype, copy=False)}
            )
        found = self.engine.run({feed.input: feed.take(values[taken.name])})
        return {given.name: feed.give(found[feed.output], len(values[taken.name]))}

    def __repr__(self) -> str:
        """Return the model's name, file, engine and task in one line."""
        where = f"{self.file.name} on {self.engine.version}, {self.engine.device}"
        labels = f", {len(self.labels)} labels" if self.labels else ""
        return f"Model({self.spec.name!r}, {where}, {self.spec.output.task}{labels})"


def _check_top(top: int) -> None:
    if top < 1:
        raise OptionError(f"top must be at least 1, got {top}")
