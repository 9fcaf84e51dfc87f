"""An opened model listens to a stream: chunks of samples in, labels with their times out, in constant memory."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np

from runtime.audio.decoding import Waveform, mixed, pieces, read_mono
from runtime.audio.listening import Decisions, Heard, Listening
from runtime.audio.resampling import Resampler
from runtime.errors import OptionError
from runtime.inputs import AudioInput
from runtime.tasks import Binary, Classification
from runtime.tensors import single

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from runtime.runner import GraphRunner
    from runtime.spec import ModelSpec

BATCH = 32
"""The largest number of windows that run together, and of steps that are decided together, of one chunk."""


def listen(
    spec: ModelSpec, runner: GraphRunner, source: Any, rate: int | None = None, threshold: float | None = None
) -> Iterator[Heard]:
    """See `runtime.model.Model.listen`; the runner is that of the step graph where the network streams."""
    input_spec, rules, output = spec.input, spec.listening, spec.output
    if not isinstance(input_spec, AudioInput) or not isinstance(output, Classification | Binary) or rules is None:
        raise OptionError(f"{spec.name!r} does not listen to streams: its manifest has no rules for that")
    if threshold is not None:
        try:
            rules = replace(rules, threshold=threshold)
        except ValueError as problem:
            raise OptionError(str(problem)) from None
    if isinstance(source, str | os.PathLike | bytes | Waveform) or hasattr(source, "read"):
        blocks = read_mono(source, input_spec.rate, input_spec.resampling)
    else:
        resampler = Resampler(rate or input_spec.rate, input_spec.rate, input_spec.resampling)
        blocks = mixed(_blocks(source), resampler, "the stream")
    return _heard(input_spec, output, rules, runner, blocks)


def _blocks(chunks: Iterable[Any]) -> Iterator[NDArray[np.float64]]:
    """Yield the blocks of a stream's chunks; bytes are integers of 16 bits, of which one may be cut in two."""
    rest = b""
    for chunk in chunks:
        if isinstance(chunk, bytes | bytearray | memoryview):
            data = rest + bytes(chunk)
            whole = len(data) // 2 * 2
            rest, chunk = data[whole:], np.frombuffer(data[:whole], "<i2")
        yield from pieces(chunk)


def _heard(
    input_spec: AudioInput,
    output: Classification | Binary,
    rules: Listening,
    runner: GraphRunner,
    blocks: Iterable[NDArray[np.float64]],
) -> Iterator[Heard]:
    decisions = Decisions(rules, output.labels, input_spec.rate)
    looks = Hops(runner, input_spec.hop) if input_spec.hop else Windows(runner, input_spec.samples, rules.step)
    silence = np.zeros(rules.delay + rules.smoothing * rules.step)
    for block in chain(blocks, [silence]):  # so that the last word is heard whole
        for ends, raw in looks.push(block.astype(np.float32)):
            yield from decisions.push(ends, output.probabilities(raw))
    if heard := decisions.flush():
        yield heard


class Windows:
    """Runs a network of whole clips on overlapping windows of a stream; silence precedes it.

    Args:
        runner: The opened graph.
        length: Samples of a window.
        step: Samples from one window to the next.
    """

    def __init__(self, runner: GraphRunner, length: int, step: int) -> None:
        self.runner, self.length, self.step = runner, length, step
        self.kept = np.zeros(length, np.float32)
        self.end = 0
        """The sample with which the last window ended."""

    def push(self, samples: NDArray[np.float32]) -> Iterator[tuple[list[int], NDArray[np.float32]]]:
        """Take the next samples; yield the ends of windows and their raw outputs ``float32 [n, labels]``."""
        self.kept = np.concatenate([self.kept, samples])
        count = (len(self.kept) - self.length) // self.step
        for start in range(0, count, BATCH):
            numbers = range(start + 1, min(start + BATCH, count) + 1)
            clips = np.stack([self.kept[number * self.step :][: self.length] for number in numbers])
            yield [self.end + number * self.step for number in numbers], single(self.runner.forward(clips))
        self.end += count * self.step
        self.kept = self.kept[count * self.step :]


class Hops:
    """Runs a step graph on a stream, a hop at a time.

    Args:
        runner: The opened step graph.
        hop: Samples of a step.
    """

    def __init__(self, runner: GraphRunner, hop: int) -> None:
        self.runner, self.hop = runner, hop
        self.state = runner.initial_state(1)
        self.kept = np.zeros(0, np.float32)
        self.end = 0
        """The sample with which the last step ended."""

    def push(self, samples: NDArray[np.float32]) -> Iterator[tuple[list[int], NDArray[np.float32]]]:
        """Take the next samples; yield the ends of steps and their raw outputs ``float32 [n, labels]``."""
        self.kept = np.concatenate([self.kept, samples])
        count = len(self.kept) // self.hop
        steps = self.kept[: count * self.hop].reshape(count, 1, self.hop)
        for start in range(0, count, BATCH):
            some = steps[start : start + BATCH]
            raw = np.concatenate([self._step(step) for step in some])
            yield [self.end + (i + 1) * self.hop for i in range(len(some))], raw
            self.end += len(some) * self.hop
        self.kept = self.kept[count * self.hop :]

    def _step(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        raw, self.state = self.runner.step(samples, self.state)
        return raw
