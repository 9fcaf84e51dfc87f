"""The rules of listening that a trained network does best with, on recordings composed of its validation split.

Words of the split, each label as often as the others, stand at random times between silence and noise, six in a minute;
recordings of labels that stand for nothing of interest are among the noise. Of the smoothings and thresholds with at
most so many false alarms an hour as `zoo.recipes.Training` says, those that miss the fewest words are chosen. A false
alarm counts as a share of a missed word, so that no rule goes to the limit for one word more.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from export.streaming import state_of
from runtime.audio.listening import Decisions, Heard, Listening
from runtime.inputs import AudioInput
from runtime.tasks import Binary, Classification
from runtime.tensors import single
from zoo.data import Audio
from zoo.measure.composition import choose_words, compose
from zoo.measure.listening import ListeningScore, Word, joined, score_listening
from zoo.measure.scores import outputs

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

    from runtime.spec import ModelSpec
    from zoo.train.prepare import Prepared

WORDS = 6
"""The words of a recording."""
ROOM = 9.0
"""Seconds of a recording for each word, besides its own."""
RECORDINGS = (5, 20)
"""The fewest recordings that tell one threshold from another, and the most."""
SMOOTHINGS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.7)
"""Seconds whose scores are averaged."""
THRESHOLDS = tuple(round(0.3 + 0.02 * i, 2) for i in range(31))
"""The averages from which on a label is heard, 0.3 to 0.9."""
COST = 0.25
"""What a false alarm costs, in missed words: 0.15 to 0.3 made no difference to what is found elsewhere, 0 and 0.5 did
(docs/log.md)."""


@dataclass(frozen=True)
class ScoredRecording:
    """A network's scores on a recording.

    Args:
        words: Of the recording.
        seconds: Its length.
        ends: The last sample of each look.
        scores: ``float32 [looks, labels]``.
    """

    words: list[Word]
    seconds: float
    ends: list[int]
    scores: NDArray[np.float32]


def choose_listening(
    module: torch.nn.Module, spec: ModelSpec, prepared: Prepared, false_alarms: float, seed: int
) -> tuple[Listening, ListeningScore] | None:
    """Return the rules that do best on composed recordings; see `best_rules`.

    Args:
        module: The trained network.
        spec: What it takes and gives, and the recipe's rules.
        prepared: The data; its validation split is used.
        false_alarms: How many an hour are accepted.
        seed: Decides the recordings.

    Returns:
        None where the network does not listen, or the split has too few words.
    """
    if spec.listening is None or not isinstance(spec.output, Classification):
        return None
    scored = _scored(module, spec, spec.listening, prepared, seed)
    return best_rules(scored, spec, false_alarms) if scored else None


def best_rules(
    scored: Sequence[ScoredRecording], spec: ModelSpec, false_alarms: float
) -> tuple[Listening, ListeningScore]:
    """Return the rules that miss the fewest words, a false alarm counted as `COST` of one, and what is heard by them.

    Where no rules keep the limit of false alarms, those with the fewest are returned.

    Args:
        scored: The recordings, at least one.
        spec: What the network takes and gives, and its rules, of which smoothing and threshold are chosen.
        false_alarms: How many an hour are accepted.
    """
    rules, input_spec, output = spec.listening, spec.input, spec.output
    assert rules  # noqa: S101  # what recordings are scored for
    assert isinstance(input_spec, AudioInput)  # noqa: S101
    assert isinstance(output, Classification | Binary)  # noqa: S101
    rate = input_spec.rate

    def cost(score: ListeningScore) -> tuple[float, float, int]:
        excess = max(0.0, score.false_alarms_per_hour - false_alarms)
        return excess, len(score.missed) + COST * len(score.false_alarms), len(score.false_alarms)

    best: tuple[Listening, ListeningScore] | None = None
    for smoothing in dict.fromkeys(max(1, round(seconds * rate / rules.step)) for seconds in SMOOTHINGS):
        smoothed = replace(rules, smoothing=smoothing)
        averages = [Decisions(smoothed, output.labels, rate).averages(each.scores) for each in scored]
        highest = [(each.argmax(1), each.max(1)) for each in averages]
        for threshold in THRESHOLDS:
            tried = replace(smoothed, threshold=threshold)
            score = joined(
                [
                    score_listening(_heard(tried, output.labels, rate, each.ends, *looks), each.words, each.seconds)
                    for each, looks in zip(scored, highest, strict=True)
                ]
            )
            if best is None or cost(score) < cost(best[1]):
                best = tried, score
    assert best  # noqa: S101
    return best


def _scored(
    module: torch.nn.Module, spec: ModelSpec, rules: Listening, prepared: Prepared, seed: int
) -> list[ScoredRecording]:
    """Compose recordings of the validation split and run the network on them; of too few words, none."""
    content, split, inputs = (
        prepared.dataset.content,
        prepared.dataset.splits["validation"],
        prepared.inputs["validation"],
    )
    input_spec, output = spec.input, spec.output
    assert isinstance(content, Audio)  # noqa: S101  # what the rules were made for
    assert isinstance(input_spec, AudioInput)  # noqa: S101
    assert isinstance(output, Classification)  # noqa: S101
    random = np.random.default_rng(seed)
    fewest, most = RECORDINGS
    labels = [i for i, label in enumerate(output.labels) if label not in rules.ignored]
    chosen = choose_words(split.targets, labels, most * WORDS, random)
    count = len(chosen) // WORDS
    if count < fewest:
        return []
    background = [inputs[i] for i in np.flatnonzero(~np.isin(split.targets, labels))]
    seconds = WORDS * (ROOM + input_spec.samples / input_spec.rate)
    recordings, words = [], []
    for at in range(0, count * WORDS, WORDS):
        numbers = chosen[at : at + WORDS]
        sounds = [np.trim_zeros(inputs[i]) for i in numbers]  # a clip is filled up with zeros
        names = [output.labels[split.targets[i]] for i in numbers]
        samples, known = compose(sounds, names, input_spec.rate, seconds, random, background)
        recordings.append(samples)
        words.append(known)
    looks = _hops if input_spec.hop else _windows
    raw = np.stack([*looks(module, spec, np.stack(recordings))], 1)
    ends = [(i + 1) * rules.step for i in range(raw.shape[1])]
    scores = output.probabilities(raw.reshape(-1, raw.shape[2])).reshape(raw.shape)
    return [ScoredRecording(known, seconds, ends, own) for known, own in zip(words, scores, strict=True)]


def _windows(module: torch.nn.Module, spec: ModelSpec, recordings: NDArray[np.float32]) -> Iterator[NDArray[Any]]:
    """Yield a network's outputs ``float32 [recordings, labels]`` for each window, as `runtime.audio.listener` does."""
    assert spec.listening  # noqa: S101
    length, step = spec.input.tensors[0].sizes[0] or 1, spec.listening.step
    padded = np.pad(recordings, ((0, 0), (length, 0)))
    for end in range(length + step, padded.shape[1] + 1, step):
        yield single(outputs(module, padded[:, end - length : end], spec.output))


def _hops(module: Any, spec: ModelSpec, recordings: NDArray[np.float32]) -> Iterator[NDArray[Any]]:
    """Yield a streaming network's outputs ``float32 [recordings, labels]`` after each hop; see `export.Streamable`."""
    import torch

    hop = spec.input.step_length
    module.eval()
    with torch.inference_mode():
        states = [torch.zeros(len(recordings), *shape) for shape in state_of(module).values()]
        for start in range(0, recordings.shape[1] - hop + 1, hop):
            logits, *states = module.step(torch.from_numpy(recordings[:, start : start + hop]), *states)
            yield logits.numpy()


def _heard(
    rules: Listening, labels: tuple[str, ...], rate: int, ends: list[int], best: NDArray[Any], scores: NDArray[Any]
) -> list[Heard]:
    """Return the labels that are heard.

    Args:
        rules: By which they are heard.
        labels: What the scores stand for.
        rate: Samples per second, in Hz.
        ends: The last sample of each look.
        best: The number of the label with the highest average at each look, ``[looks]``.
        scores: That average, ``[looks]``.
    """
    decisions = Decisions(rules, labels, rate)
    loud = scores >= rules.threshold
    loud[1:] |= loud[:-1]  # the look after the last loud one ends what is heard; nothing begins or ends at the others
    looks = [(ends[i], int(best[i]), float(scores[i])) for i in np.flatnonzero(loud)]
    heard = [decisions.decide(*look) for look in looks]
    return [each for each in (*heard, decisions.flush()) if each]
