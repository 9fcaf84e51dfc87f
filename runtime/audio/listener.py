"""An opened model listens to a stream: chunks of samples in, labels with their times out, in constant memory."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np

from runtime.audio.decoding import Waveform, mixed, pieces, read_mono
from runtime.audio.listening import Decisions, Heard, Listening
from runtime.audio.resampling import Resampler
from runtime.errors import OptionError
from runtime.inputs import AudioInput
from runtime.tasks import Classification

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from runtime.spec import ModelSpec

    Forward = Callable[[NDArray[np.float32]], NDArray[np.float32]]

BATCH = 32
"""The largest number of windows that run together, where a chunk completes several."""


def listen(
    spec: ModelSpec, forward: Forward, source: Any, rate: int | None = None, threshold: float | None = None
) -> Iterator[Heard]:
    """See `runtime.model.Model.listen`; `forward` is that of the model."""
    input_spec, rules, output = spec.input, spec.listening, spec.output
    if not isinstance(input_spec, AudioInput) or not isinstance(output, Classification) or rules is None:
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
    return _heard(input_spec, output, rules, forward, blocks)


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
    output: Classification,
    rules: Listening,
    forward: Forward,
    blocks: Iterable[NDArray[np.float64]],
) -> Iterator[Heard]:
    decisions = Decisions(rules, output.labels, input_spec.rate)
    windows = Windows(input_spec.samples, rules.step)
    silence = np.zeros(rules.delay + rules.smoothing * rules.step)
    for block in chain(blocks, [silence]):  # so that the last word is heard whole
        for ends, clips in windows.push(block.astype(np.float32)):
            for end, scores in zip(ends, output.probabilities(forward(clips)), strict=True):
                if heard := decisions.push(end, scores):
                    yield heard
    if heard := decisions.flush():
        yield heard


class Windows:
    """Cuts a stream into overlapping windows; silence precedes it.

    Args:
        length: Samples of a window.
        step: Samples from one window to the next.
    """

    def __init__(self, length: int, step: int) -> None:
        self.length, self.step = length, step
        self.kept = np.zeros(length, np.float32)
        self.end = 0
        """The sample with which the last window ended."""

    def push(self, samples: NDArray[np.float32]) -> Iterator[tuple[list[int], NDArray[np.float32]]]:
        """Take the next samples; yield the ends of windows and the windows ``float32 [n, length]``."""
        self.kept = np.concatenate([self.kept, samples])
        count = (len(self.kept) - self.length) // self.step
        for start in range(0, count, BATCH):
            numbers = range(start + 1, min(start + BATCH, count) + 1)
            clips = np.stack([self.kept[number * self.step :][: self.length] for number in numbers])
            yield [self.end + number * self.step for number in numbers], clips
        self.end += count * self.step
        self.kept = self.kept[count * self.step :]
