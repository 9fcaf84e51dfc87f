"""An opened model file: inputs of any kind to predictions; batching, and streaming step by step."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from itertools import chain, groupby, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from runtime.concurrency.forks import PerProcess, lazy
from runtime.concurrency.micro_batcher import MicroBatcher
from runtime.concurrency.stream import batched, in_order
from runtime.concurrency.threads import usable_cpus
from runtime.data_frames import each_row
from runtime.errors import EngineError, InputError, OptionError, without_frames
from runtime.frozen_dataclass import frozen_dataclass
from runtime.inputs import SequenceInput
from runtime.opened_file import OpenedFile, Opening
from runtime.postprocess import decode
from runtime.runner import BATCH, FEW, GraphRunner
from runtime.spec import FileSpec, ModelSpec
from runtime.tasks import Prediction
from runtime.tensors import select, shapes, stack
from runtime.thresholds import Thresholds

if TYPE_CHECKING:
    import os
    from typing import BinaryIO, Unpack

    from numpy.typing import NDArray
    from PIL.Image import Image

    from runtime.audio.listening import Heard
    from runtime.engines import Engine
    from runtime.report import Report
    from runtime.tensors import Tensors

    SingleInput = str | os.PathLike[str] | bytes | bytearray | memoryview | BinaryIO | Image | Mapping[str, Any]

LIGHT = 1 << 16
"""Values of an array up to which reading it is no work worth a worker."""


@frozen_dataclass
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
        load_seconds: What the engine took to open the file.
        workers: How many threads answer the inputs of a list or stream.
        opening: What opening the file once more takes; None for a model that was put together by hand.
        batching: Whether single inputs of callers that wait at the same time are run as one batch.
    """

    spec: ModelSpec
    file: Path
    file_spec: FileSpec
    engine_name: str
    engine: Engine
    skipped: tuple[str, ...]
    open_steps: Callable[[], Model] | None = None
    load_seconds: float = 0.0
    workers: int = 1
    opening: Opening | None = None
    batching: bool = False

    @property
    def labels(self) -> tuple[str, ...]:
        """What each score stands for; empty where the task has no labels."""
        return tuple(getattr(self.spec.output, "labels", ()))

    @overload
    def predict(self, inputs: SingleInput, *, top: int = 5, **thresholds: Unpack[Thresholds]) -> Prediction: ...
    @overload
    def predict(
        self, inputs: list[Any] | tuple[Any, ...], *, top: int = 5, **thresholds: Unpack[Thresholds]
    ) -> list[Prediction]: ...
    @overload
    def predict(self, inputs: Any, *, top: int = 5, **thresholds: Unpack[Thresholds]) -> Any: ...
    def predict(self, inputs: Any, *, top: int = 5, **thresholds: Unpack[Thresholds]) -> Any:
        """Predict one input, or several.

        Type checkers take a path or a dict for one input and a list or tuple for several. The types of arrays and data
        frames don't say how many inputs they hold, so their result is `Any`. Two kinds of a table's inputs need
        `typing.cast`: the path of a CSV file, which holds several rows, and a row that is a list of cells.

        Args:
            inputs: What `read` of the manifest's input takes: for images a path, the bytes of an encoded image, a
                binary file object, a Pillow image or a uint8 array ``[height, width]`` or ``[height, width, channels]``
                of any size; for tables a dict from column to cell, or a list of cells; for sequences an array ``[time,
                features]``, a ``.npy`` or a ``.csv`` file; for tensors a dict of arrays, or a ``.npz`` file. Or several
                of those: a list of them, a CSV file of rows, a data frame (pandas, polars, PyArrow), arrays with one
                axis more.
            top: How many labels `top` of a prediction lists, where the task has labels.
            thresholds: See `Thresholds`.

        Returns:
            A `Prediction` of the task's own kind, or a list of them for several inputs. ``isinstance`` with that kind,
            such as `ClassPrediction`, tells a type checker of its own attributes, such as `label`.

        Raises:
            InputError: If an input can't be used; names it.
            OptionError: If `top` is below 1, or a threshold is out of range or of no use to the task.
            EngineError: If the engine fails.
        """
        if thresholds:
            return self.with_thresholds(**thresholds).predict(inputs, top=top)
        _check_top(top)
        several = self.spec.input.several(inputs)
        if several is not None:
            return list(self._each(several, top))
        return self.predict_sample(self.spec.read(inputs), top)

    def predict_sample(self, sample: Tensors, top: int = 5) -> Prediction:
        """Predict one input that ``spec.read`` has read; see `predict`."""
        return self._batcher()(sample, (shapes(sample), top)) if self.batching else self._decode([sample], top)[0]

    def stream(self, samples: Iterable[Any], *, top: int = 5, **thresholds: Unpack[Thresholds]) -> Iterator[Prediction]:
        """Predict what comes in bit by bit; memory stays constant, however much there is.

        Reading, decoding and resizing go on in worker threads while the engine runs.

        Args:
            samples: Images or rows of a table, answered in order. For a model of sequences the steps ``[features]``
                of one sequence.
            top: How many labels `top` of a prediction lists, where the task has labels.
            thresholds: See `Thresholds`.

        Returns:
            A prediction for each image or row; or after each step the prediction for the sequence so far, whose
            `input` is that step alone.

        Raises:
            InputError: At the first input that can't be used, in its place; see `attempt` to go on.
            OptionError: If `top` is below 1, or a threshold is out of range or of no use to the task.
            EngineError: If the engine fails, or the model of sequences has no step graph.
        """
        if thresholds:
            return self.with_thresholds(**thresholds).stream(samples, top=top)
        _check_top(top)
        input_spec = self.spec.input
        if isinstance(input_spec, SequenceInput):
            return self._stepper._follow((input_spec.step(sample) for sample in samples), top)
        return self._each(each_row(samples), top)

    def attempt(
        self, sources: Iterable[Any], *, top: int = 5, **thresholds: Unpack[Thresholds]
    ) -> Iterator[Prediction | InputError]:
        """Predict one input after the other, whether the others can be used or not; memory stays constant.

        Args:
            sources: What `predict` takes as one input: images, rows of a table or whole sequences.
            top: How many labels `top` of a prediction lists, where the task has labels.
            thresholds: See `Thresholds`.

        Yields:
            For each source, in order, its prediction or why it can't be used.

        Raises:
            OptionError: If `top` is below 1, or a threshold is out of range or of no use to the task.
            EngineError: If the engine fails.
        """
        if thresholds:
            return self.with_thresholds(**thresholds).attempt(sources, top=top)
        _check_top(top)
        return self._outcomes(iter(each_row(sources)), top)

    @overload
    async def predict_async(
        self, inputs: SingleInput, *, top: int = 5, **thresholds: Unpack[Thresholds]
    ) -> Prediction: ...
    @overload
    async def predict_async(
        self, inputs: list[Any] | tuple[Any, ...], *, top: int = 5, **thresholds: Unpack[Thresholds]
    ) -> list[Prediction]: ...
    @overload
    async def predict_async(self, inputs: Any, *, top: int = 5, **thresholds: Unpack[Thresholds]) -> Any: ...
    async def predict_async(self, inputs: Any, *, top: int = 5, **thresholds: Unpack[Thresholds]) -> Any:
        """Predict as `predict` does, in another thread, while the event loop goes on.

        A call that is cancelled before a thread took it up is never run; `runtime.concurrency.async_calls.CALLS` run at
        a time, the others wait.
        """
        from runtime.concurrency.async_calls import in_thread

        return await in_thread(partial(self.predict, inputs, top=top, **thresholds))

    def with_thresholds(self, **thresholds: Unpack[Thresholds]) -> Model:
        """Return this model with other thresholds than the manifest's, on the same opened engine.

        Raises:
            OptionError: If one is out of range or of no use to the task.
        """
        output: Any = self.spec.output
        for name in thresholds:
            if name not in Thresholds.__annotations__:
                raise TypeError(f"got an unexpected keyword argument {name!r}")
            if not hasattr(output, name):
                raise OptionError(f"{name}: the task {output.task} has no such threshold; detection has")
        try:
            return replace(self, spec=replace(self.spec, output=replace(output, **thresholds)))
        except ValueError as problem:
            raise OptionError(str(problem)) from None

    def report(self) -> Report:
        """Say what runs: engine, device, nodes per provider or delegate, threads, load and warm-up time.

        Opens the file twice more to measure, so that this model's own runs are not slowed down.

        Raises:
            BundleError: If the file has changed since it was opened.
            EngineError: If the engine fails.
        """
        if self.opening is None:
            raise ValueError("a model that was put together by hand can't be opened again")
        from runtime.report import report

        return report(self._runner, self.opening, self.load_seconds, self.skipped)

    @overload
    def forward(self, inputs: NDArray[Any]) -> NDArray[np.float32]: ...
    @overload
    def forward(self, inputs: Tensors) -> Any: ...
    def forward(self, inputs: Any) -> Any:
        """Run inputs that were read through the engine.

        Args:
            inputs: ``[batch, ...]`` of the shape and dtype of the input's tensor (``spec.input.tensors``); a dict of
                arrays by name where it has several.

        Returns:
            The raw outputs: ``[batch, ...]`` of the task's tensor, or a dict of arrays by name where it has several.

        Raises:
            InputError: If the array has another dtype or shape, or another number of steps than the file runs, or
                holds a value that is not finite.
            EngineError: If the engine fails or gives another dtype or shape.
        """
        return self._runner.forward(inputs)

    def rollout(self, inputs: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
        """Run sequences or clips of audio that were read through the step graph.

        Args:
            inputs: ``float32 [batch, time, features]``, or ``[batch, samples]`` of audio.

        Yields:
            After each step the raw outputs for all steps so far, ``float32 [batch, *spec.output.shape]``.

        Raises:
            EngineError: If the engine fails or there is no step graph.
        """
        yield from self._stepper._runner.rollout(inputs)

    def listen(self, source: Any, *, rate: int | None = None, threshold: float | None = None) -> Iterator[Heard]:
        """Tell the labels that are heard in a stream of audio, each once; memory stays constant.

        Args:
            source: Chunks of samples of any length: arrays ``[n]`` or ``[n, channels]``, floats of -1 to 1 or integers
                of full scale, or bytes of 16-bit integers. Or a recording: see `runtime.inputs.AudioInput.read`.
            rate: Samples per second of the chunks, in Hz; the model's own by default.
            threshold: The average score from which on a label is heard, instead of the manifest's.

        Raises:
            InputError: If the samples can't be used.
            OptionError: If the model does not listen, or `threshold` is out of range.
            EngineError: If the engine fails.
        """
        from runtime.audio.listener import listen

        streams = self.spec.input.step_length > 0
        return listen(self.spec, self._stepper._runner if streams else self._runner, source, rate, threshold)

    @lazy
    def _runner(self) -> GraphRunner:
        return GraphRunner(self.spec, self.file.name, self.file_spec, self.engine)

    def _each(self, sources: Iterable[Any], top: int) -> Iterator[Prediction]:
        for number, outcome in enumerate(self._outcomes(iter(sources), top), 1):
            if isinstance(outcome, InputError):
                raise InputError(f"input {number}: {outcome}") from None
            yield outcome

    def _outcomes(self, sources: Iterator[Any], top: int) -> Iterator[Prediction | InputError]:
        """Answer in the way that is fastest for the file, the device and the kind of the first source.

        On a CPU, workers that each take an input from reading to answer on one thread of the engine beat an engine of
        many threads that is fed by readers, for threads that work on one graph wait for each other (docs/log.md).
        Inputs that are read in no time and answered in little more go through in batches, on one thread.
        """
        head = list(islice(sources, 2))
        sources = chain(head, sources)
        first = head[0] if head else None
        small = self.engine.threads == 1
        bulky = isinstance(first, np.ndarray) and first.size > LIGHT
        light = isinstance(first, np.ndarray | Mapping | list | tuple) and not bulky
        batches: Iterator[list[Prediction | InputError]]
        if len(head) < 2 or self.workers == 1 or (small and light):
            batches = map(partial(self._answer, top=top), batched(map(self._sample, sources), BATCH))
        elif self.engine.device == "cpu":
            work = partial(self._single._read_and_answer, top=top)
            batches = in_order(work, batched(sources, FEW if small and not bulky else 1), self.workers)
        else:
            samples = in_order(self._sample, sources, self.workers)
            batches = map(partial(self._answer, top=top), batched(samples, BATCH))
        for outcomes in batches:
            yield from outcomes

    @lazy
    def _single(self) -> Model:
        """The model on an engine of one thread, for each worker to call."""
        if self.engine.threads == 1 or self.opening is None:
            return self
        return replace(self, engine=OpenedFile(self.opening.changed(threads=1)))

    def _sample(self, source: Any) -> Tensors | InputError:
        try:
            return self.spec.read(source)
        except InputError as problem:
            return without_frames(problem)

    def _read_and_answer(self, sources: list[Any], top: int) -> list[Prediction | InputError]:
        return self._answer([self._sample(source) for source in sources], top)

    def _answer(self, samples: list[Tensors | InputError], top: int) -> list[Prediction | InputError]:
        """Predict neighbours of one shape together."""
        outcomes: list[Prediction | InputError] = []
        for _, group in groupby(samples, lambda sample: None if isinstance(sample, InputError) else shapes(sample)):
            alike = list(group)
            batch = [sample for sample in alike if not isinstance(sample, InputError)]
            try:
                outcomes += (
                    self._decode(batch, top) if batch else [each for each in alike if isinstance(each, InputError)]
                )
            except InputError as problem:  # of the shape that they share
                outcomes += [problem] * len(batch)
        return outcomes

    @lazy
    def _batcher(self) -> PerProcess[MicroBatcher[Tensors, Prediction]]:
        def work(samples: list[Tensors], kind: Any) -> list[Prediction]:
            return self._decode(samples, kind[1])

        workers = max(1, usable_cpus() // (2 * self.engine.threads))  # callers need CPUs too
        return PerProcess(lambda: MicroBatcher(work, BATCH, workers))

    def _decode(self, batch: list[Tensors], top: int) -> list[Prediction]:
        inputs = stack(batch) if len(batch) > 1 else select(batch[0], None)
        return decode(self.spec.output, self._runner.forward(inputs), inputs, top)

    @lazy
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

    def _follow(self, steps: Iterable[NDArray[np.float32]], top: int) -> Iterator[Prediction]:
        state = self._runner.initial_state(1)
        for step in steps:
            raw, state = self._runner.step(step[None], state)
            yield decode(self.spec.output, raw, step[None, None], top)[0]

    def __getstate__(self) -> dict[str, Any]:
        """Pickle the fields alone: whoever unpickles the model opens the file, and what it needs besides, anew."""
        return {name: self.__dict__[name] for name in self.__match_args__}

    def __repr__(self) -> str:
        """Return the model's name, file, engine and task in one line."""
        from runtime.humanize import counted

        where = f"{self.file.name} on {self.engine.version}, {self.engine.device}"
        labels = f", {counted(len(self.labels), 'label')}" if self.labels else ""
        return f"Model({self.spec.name!r}, {where}, {self.spec.output.task}{labels})"


def _check_top(top: int) -> None:
    if top < 1:
        raise OptionError(f"top must be at least 1, got {top}")
