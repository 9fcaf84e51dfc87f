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
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import runtime
from runtime.audio.decoding import read_mono
from runtime.audio.resampling import Resampling
from runtime.audio.wav import encode_wav
from zoo.data import Audio, Classes, Dataset, load_dataset
from zoo.measure.composition import choose_words, compose
from zoo.measure.listening import read_words, score_listening

SECONDS, WORDS = 600.0, 60


def write(folder: Path, dataset: Dataset, split: str = "validation", seed: int = 0) -> tuple[Path, Path]:
    """Write a composed recording, as WAV of 32-bit floats at the data's rate, and its words.

    Args:
        folder: Where to write.
        dataset: Recordings with classes.
        split: Of which the words are taken; its labels come in turn.
        seed: Decides words, gaps and noise.

    Returns:
        The recording, and the CSV file with the start and end of each word in seconds, and its label.
    """
    content, target = dataset.content, dataset.target
    assert isinstance(content, Audio)
    assert isinstance(target, Classes)
    random = np.random.default_rng(seed)
    labels = [i for i, label in enumerate(target.labels) if label not in content.background]
    chosen = choose_words(dataset.splits[split].targets, labels, WORDS, random)
    items, targets = dataset.splits[split].items, dataset.splits[split].targets
    sounds = [_samples(items[i], content.rate) for i in chosen]
    samples, words = compose(sounds, [target.labels[targets[i]] for i in chosen], content.rate, SECONDS, random)
    folder.mkdir(parents=True, exist_ok=True)
    recording, annotations = folder / "long.wav", folder / "long.csv"
    recording.write_bytes(encode_wav(samples, content.rate))
    with annotations.open("w", newline="") as table:
        writer = csv.writer(table)
        writer.writerow(["start", "end", "label"])
        writer.writerows([f"{word.start:.4f}", f"{word.end:.4f}", word.label] for word in words)
    return recording, annotations


def _samples(item: object, rate: int) -> NDArray[np.float64]:
    if isinstance(item, Path):
        return np.concatenate([*read_mono(item, rate, Resampling())])
    return np.asarray(item, np.float64)


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
        recording, annotations = write(
            options.out or Path(scratch), load_dataset(options.data, 0), options.split, options.seed
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
