"""Ten minutes of words at known times between noise and silence, and how a model listens to them.

``python -m benchmarks.listening BUNDLE [--data spoken-digits:PATH] [--out FOLDER]`` composes the recording from words
that the model was not trained on, and prints the share of words found, the misses, the false alarms per hour, how far
the times are off, the processor's time and the memory. FOLDER keeps the recording and its annotations: ``long.wav``
and ``long.csv`` with the columns start, end and label, times in seconds.
"""

from __future__ import annotations

import argparse
import csv
import resource
import tempfile
import time
import wave
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import runtime
from runtime.audio.decoding import read_mono
from runtime.audio.resampling import Resampling
from zoo.data import Audio, Classes, Dataset, Split, load_dataset
from zoo.measure.listening import Word, read_words, score_listening

SECONDS, WORDS = 600.0, 60
SHORTEST_GAP = 1.0
"""Seconds between two words, at least."""
STRETCH = 4.0
"""Seconds of noise or silence at most, of which a gap may have several."""
NOISE = (0.002, 0.05)
"""The deviation of a stretch of noise."""


def compose(
    folder: Path,
    dataset: Dataset,
    split: str = "validation",
    *,
    seconds: float = SECONDS,
    words: int = WORDS,
    seed: int = 0,
) -> tuple[Path, Path]:
    """Write a recording of words between noise and silence, as WAV of 16 bits at the data's rate, and their times.

    Args:
        folder: Where to write.
        dataset: Recordings with classes.
        split: Of which the words are taken; its labels come in turn.
        seconds: The length of the recording, in which the words must have room.
        words: How many words it has.
        seed: Decides words, gaps and noise.

    Returns:
        The recording, and the CSV file with the start and end of each word in seconds, and its label.
    """
    content, target = dataset.content, dataset.target
    assert isinstance(content, Audio)
    assert isinstance(target, Classes)
    random = np.random.default_rng(seed)
    labels = [i for i, label in enumerate(target.labels) if label not in content.background]
    chosen = _chosen(dataset.splits[split], labels, words, random)
    sounds = [_samples(item, content.rate) for item, _ in chosen]
    spare = round(seconds * content.rate) - sum(map(len, sounds))
    least = round(SHORTEST_GAP * content.rate)
    shares = random.dirichlet(np.full(words + 1, 4.0))
    gaps = least + np.floor(shares * (spare - least * (words + 1))).astype(int)
    gaps[-1] += spare - gaps.sum()
    parts: list[NDArray[np.float64]] = []
    known: list[Word] = []
    position = 0
    for gap, sound, (_, label) in zip(gaps[:-1], sounds, chosen, strict=True):
        parts += [_gap(int(gap), content.rate, random), sound]
        start = position + int(gap)
        position = start + len(sound)
        known.append(Word(start / content.rate, position / content.rate, target.labels[label]))
    parts.append(_gap(int(gaps[-1]), content.rate, random))
    folder.mkdir(parents=True, exist_ok=True)
    recording, annotations = folder / "long.wav", folder / "long.csv"
    with wave.open(str(recording), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(content.rate)
        file.writeframes(np.round(np.clip(np.concatenate(parts), -1, 1) * 32767).astype("<i2").tobytes())
    with annotations.open("w", newline="") as table:
        writer = csv.writer(table)
        writer.writerow(["start", "end", "label"])
        writer.writerows([f"{word.start:.4f}", f"{word.end:.4f}", word.label] for word in known)
    return recording, annotations


def _chosen(split: Split, labels: Sequence[int], count: int, random: np.random.Generator) -> list[tuple[object, int]]:
    """Return items with their labels, each label as often as the others, in random order."""
    turns = random.permutation([labels[i % len(labels)] for i in range(count)])
    left = {label: random.permutation(np.flatnonzero(split.targets == label)).tolist() for label in labels}
    return [(split.items[left[int(label)].pop()], int(label)) for label in turns]


def _samples(item: object, rate: int) -> NDArray[np.float64]:
    if isinstance(item, Path):
        return np.concatenate([*read_mono(item, rate, Resampling())])
    return np.asarray(item, np.float64)


def _gap(length: int, rate: int, random: np.random.Generator) -> NDArray[np.float64]:
    """Return stretches of silence and of noise, white or duller, ``float64 [length]``."""
    parts = [np.zeros(0)]
    while (left := length - sum(map(len, parts))) > 0:
        stretch = min(left, round(random.uniform(0.2, 1) * STRETCH * rate))
        if random.integers(2):
            level = np.exp(random.uniform(*np.log(NOISE)))
            width = int(random.integers(1, 9))
            noise = np.convolve(random.standard_normal(stretch + width), np.full(width, width**-0.5), "same")
            parts.append(level * noise[:stretch])
        else:
            parts.append(np.zeros(stretch))
    return np.concatenate(parts)


def main() -> None:
    """Compose the recording, let the model listen and print what it heard."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--data", default="spoken-digits")
    parser.add_argument("--split", default="validation")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threshold", type=float)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        recording, annotations = compose(
            options.out or Path(scratch), load_dataset(options.data, 0), options.split, seed=options.seed
        )
        words = read_words(annotations)
        model = runtime.load(options.bundle)
        before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
        heard = [*model.listen(recording, threshold=options.threshold)]
        spent, after = time.process_time() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    score = score_listening(heard, words, SECONDS)
    off = np.abs(score.delays) if score.delays else np.zeros(1)
    print(f"found         {len(score.found)} of {score.words} words ({score.recall:.1%} within 0.3 s)")
    print(f"false alarms  {len(score.false_alarms)}: {score.false_alarms_per_hour:.0f} an hour")
    print(f"times         off by {np.median(off):.3f} s in the median, {off.max():.3f} s at most")
    print(f"speed         {1e3 * spent / SECONDS:.2f} ms of processor time for a second of audio")
    print(f"memory        {(after - before) / 1024:.0f} MiB more than before")


if __name__ == "__main__":
    main()
