"""The evaluation of an exported file on long recordings with annotations: words found, misses, false alarms."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runtime import DataError, InputError, OptionError, load
from runtime.audio.decoding import RECORDINGS, open_recording
from runtime.native_output import suppress_output
from runtime.progress import Progress, silent
from zoo.files import find
from zoo.measure.listening import TOLERANCE, ListeningScore, Word, joined, read_words, score_listening
from zoo.measure.reports import write_report
from zoo.resolve import resolve

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from runtime import Model

SHOWN = 8
"""Labels of which a message tells."""


@dataclass(frozen=True)
class ListeningEvaluation:
    """What a model file heard in recordings.

    Args:
        model: The opened file.
        scores: Of each recording, by its path.
    """

    model: Model
    scores: dict[str, ListeningScore]

    @property
    def total(self) -> ListeningScore:
        """The score of all recordings together."""
        return joined([*self.scores.values()])

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels that can be heard."""
        rules = self.model.spec.listening
        return tuple(label for label in self.model.labels if rules is None or label not in rules.ignored)

    def report(self) -> dict[str, Any]:
        """Return the figures, and each miss and false alarm, for JSON; times in seconds."""
        total = self.total
        return {
            "model": self.model.spec.name,
            "file": self.model.file.name,
            "engine": self.model.engine.version,
            "tolerance_seconds": TOLERANCE,
            "seconds": total.seconds,
            **total.to_dict(),
            "labels": {label: total.of_label(label).to_dict() for label in self.labels},
            "recordings": [
                {
                    "recording": recording,
                    "seconds": score.seconds,
                    **score.to_dict(),
                    "misses": [{"time": round(word.middle, 3), "label": word.label} for word in score.missed],
                    "alarms": [heard.to_dict() for heard in score.false_alarms],
                }
                for recording, score in self.scores.items()
            ],
        }

    def write(self, folder: Path) -> list[Path]:
        """Write the report into a folder; return its file.

        Raises:
            OutputError: If it can't be written.
        """
        return write_report(folder, self.report(), {})


def evaluate_listening(
    path: str | os.PathLike[str],
    recordings: Sequence[str],
    annotations: Path | None = None,
    *,
    engine: str = "auto",
    device: str = "auto",
    trusted: bool = False,
    on_loaded: Callable[[str, str], None] = lambda name, data: None,
    on_progress: Progress = silent,
) -> ListeningEvaluation:
    """Let a model listen to recordings and compare what it hears with their annotations; memory stays constant.

    Args:
        path: A bundle, or one model file.
        recordings: Files, folders and patterns; see `zoo.files`.
        annotations: The words of the only recording, see `zoo.measure.listening.read_words`; by default those of each
            recording are in the CSV file of the same name beside it.
        engine: An engine's name, or ``auto``.
        device: A device of that engine, or ``auto``.
        trusted: See `runtime.load`.
        on_loaded: Called with the names of model and data before anything is measured; it may refuse them.
        on_progress: Called with what is being done, how much is done, and how much there is.

    Raises:
        OptionError: If the model does not listen, or `annotations` is given for several recordings.
        DataError: If annotations can't be read, hold labels that the model doesn't know, or words after the end.
        InputError: If a recording can't be used.
        BundleError: If the model can't be trusted or read.
        EngineError: If no engine can run it.
    """
    path = resolve(path)
    with suppress_output():
        model = load(path, engine=engine, device=device, trusted=trusted)
    if model.spec.listening is None:
        raise OptionError(
            f"{path}: {model.spec.name} does not listen to long recordings; evaluate it on a data set with --data"
        )
    found = find(recordings, RECORDINGS)
    for problem in found.problems.items():
        raise InputError(": ".join(problem))
    if annotations and len(found.paths) != 1:
        raise OptionError(
            f"--annotations is of one recording, got {len(found.paths)}: put a CSV file of the same name beside each"
        )
    files = {name: annotations or Path(name).with_suffix(".csv") for name in found.paths}
    words = {name: _words(model, file) for name, file in files.items()}
    stem = Path(found.paths[0]).stem
    on_loaded(model.spec.name, stem if len(files) == 1 else f"{stem}-and-{len(files) - 1}-more")
    scores: dict[str, ListeningScore] = {}
    for i, name in enumerate(words):
        on_progress("listen", i, len(words))
        scores[name] = _listened(model, name, words[name], files[name])
    return ListeningEvaluation(model, scores)


def _words(model: Model, file: Path) -> list[Word]:
    """Return the annotated words that the model may hear.

    Raises:
        DataError: If there are labels that it doesn't know, or the file can't be read.
    """
    if not os.path.lexists(file):
        raise DataError(
            f"{file}: no such file; the words of a recording stand in the CSV file of the same name beside it"
        )
    words = read_words(file)
    if strange := sorted({word.label for word in words} - {*model.labels}):
        raise DataError(
            f"{file}: has labels that the model doesn't know: {', '.join(strange[:SHOWN])}; it knows: "
            f"{', '.join(model.labels[:SHOWN])}{' …' if len(model.labels) > SHOWN else ''}"
        )
    ignored = model.spec.listening.ignored if model.spec.listening else ()
    return [word for word in words if word.label not in ignored]


def _listened(model: Model, name: str, words: Sequence[Word], file: Path) -> ListeningScore:
    """Let the model listen to a recording.

    Raises:
        InputError: If the recording can't be used.
        DataError: If a word lies after its end.
    """
    frames = 0

    def counted(blocks: Iterator[NDArray[np.float64]]) -> Iterator[NDArray[np.float64]]:
        nonlocal frames
        for block in blocks:
            frames += len(block)
            yield block

    with open_recording(name) as recording:
        _check_end(words, recording.seconds, file)
        heard = [*model.listen(counted(recording.blocks), rate=recording.rate)]
        seconds = frames / recording.rate
    _check_end(words, seconds, file)  # a header may promise more than there is
    if not frames:
        raise InputError(f"{name}: holds no samples")
    return score_listening(heard, words, seconds)


def _check_end(words: Sequence[Word], seconds: float | None, file: Path) -> None:
    last = max((word.end for word in words), default=0.0)
    if seconds is not None and last > seconds:
        raise DataError(
            f"{file}: has a word that ends at {last:g} s, and the recording ends at {seconds:g} s; times are in seconds"
        )
