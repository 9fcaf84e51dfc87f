"""Rules of listening chosen again for a trained network, on recordings that a person made where it will listen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np

from export.streaming import state_of
from runtime.audio.decoding import mixed
from runtime.audio.listener import Hops, Windows
from runtime.audio.resampling import Resampler
from runtime.inputs import AudioInput
from runtime.progress import Progress, silent
from runtime.tasks import Binary, Classification
from zoo.measure.annotated import AnnotatedRecording, read_annotated
from zoo.measure.scores import outputs
from zoo.train.listening import SMOOTHINGS, ScoredRecording, best_rules

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from runtime.audio.listening import Listening
    from runtime.spec import ModelSpec
    from zoo.measure.listening import ListeningScore


def choose_on_recordings(
    module: Any, spec: ModelSpec, recordings: Sequence[str], false_alarms: float, on_progress: Progress = silent
) -> tuple[Listening, ListeningScore]:
    """Return the rules that do best on annotated recordings, and what is heard by them; see `best_rules`.

    Args:
        module: The trained network.
        spec: What it takes and gives, and its rules.
        recordings: Files, folders and patterns; see `zoo.measure.annotated.read_annotated`.
        false_alarms: How many an hour are accepted.
        on_progress: Called with what is being done, how much is done, and how much there is.

    Raises:
        OptionError: If the network does not listen.
        DataError: If annotations can't be read, hold labels that the network doesn't know, or words after the end.
        InputError: If a recording can't be used.
    """
    annotated = read_annotated(recordings, spec)
    scored = []
    for i, recording in enumerate(annotated):
        on_progress("listen", i, len(annotated))
        scored.append(_scored(module, spec, recording))
    on_progress("choose the rules of listening", 0, 1)
    return best_rules(scored, spec, false_alarms)


def _scored(module: Any, spec: ModelSpec, recording: AnnotatedRecording) -> ScoredRecording:
    """Run the network on a recording and the silence after it, as `runtime.audio.listener` does."""
    input_spec, output, rules = spec.input, spec.output, spec.listening
    assert rules  # noqa: S101  # checked by the caller, as are the types
    assert isinstance(input_spec, AudioInput)  # noqa: S101
    assert isinstance(output, Classification | Binary)  # noqa: S101
    runner: Any = _Runner(module, spec)
    looks = Hops(runner, input_spec.hop) if input_spec.hop else Windows(runner, input_spec.samples, rules.step)
    silence = np.zeros(rules.delay + round(max(SMOOTHINGS) * input_spec.rate))

    def listen(blocks: Iterator[NDArray[np.float64]], rate: int) -> list[tuple[list[int], NDArray[np.float32]]]:
        resampler = Resampler(rate, input_spec.rate, input_spec.resampling)
        samples = chain(mixed(blocks, resampler, recording.path), [silence])  # so that the last word is heard whole
        return [look for block in samples for look in looks.push(block.astype(np.float32))]

    heard, seconds = recording.play(listen)
    ends = [end for some, _ in heard for end in some]
    raw = np.concatenate([raw for _, raw in heard])
    return ScoredRecording(recording.words, seconds, ends, output.probabilities(raw))


class _Runner:
    """Runs a network in PyTorch, as `runtime.runner.GraphRunner` runs a file."""

    def __init__(self, module: Any, spec: ModelSpec) -> None:
        self.module, self.spec = module.eval(), spec

    def forward(self, clips: NDArray[np.float32]) -> Any:
        return outputs(self.module, clips, self.spec.output)

    def initial_state(self, count: int) -> list[Any]:
        import torch

        return [torch.zeros(count, *shape) for shape in state_of(self.module).values()]

    def step(self, sample: NDArray[np.float32], state: list[Any]) -> tuple[Any, list[Any]]:
        import torch

        with torch.inference_mode():
            logits, *state = self.module.step(torch.from_numpy(sample), *state)
        return logits.numpy(), state
