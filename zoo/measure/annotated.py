"""Long recordings with annotations: which files they are, whether their words fit the model, and their samples."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from runtime.audio.decoding import RECORDINGS, open_recording
from runtime.errors import DataError, InputError, OptionError
from runtime.tasks import Binary, Classification
from zoo.files import find
from zoo.measure.listening import Word, read_words

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from runtime.audio.listening import Listening
    from runtime.spec import ModelSpec

SHOWN = 8
"""Labels of which a message tells."""

Result = TypeVar("Result")


@dataclass(frozen=True)
class AnnotatedRecording:
    """A recording whose words are known.

    Args:
        path: The recording.
        annotations: The CSV file of its words.
        words: The words that the model may hear.
    """

    path: str
    annotations: Path
    words: list[Word]

    def play(self, listen: Callable[[Iterator[NDArray[np.float64]], int], Result]) -> tuple[Result, float]:
        """Hand the recording to a function; return its result, and the length of the recording in seconds.

        Args:
            listen: Takes blocks ``float64 [samples, channels]`` to the last, and samples per second.

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

        with open_recording(self.path) as recording:
            self._check_end(recording.seconds)
            result = listen(counted(recording.blocks), recording.rate)
            seconds = frames / recording.rate
        self._check_end(seconds)  # a header may promise more than there is
        if not frames:
            raise InputError(f"{self.path}: holds no samples")
        return result, seconds

    def _check_end(self, seconds: float | None) -> None:
        last = max((word.end for word in self.words), default=0.0)
        if seconds is not None and last > seconds:
            raise DataError(
                f"{self.annotations}: has a word that ends at {last:g} s, and the recording ends at {seconds:g} s; "
                "times are in seconds"
            )


def read_annotated(
    recordings: Sequence[str], spec: ModelSpec, annotations: Path | None = None
) -> list[AnnotatedRecording]:
    """Return recordings with their words.

    Args:
        recordings: Files, folders and patterns; see `zoo.files`.
        spec: The model's; words that its rules of listening ignore are left out.
        annotations: The words of the only recording, see `zoo.measure.listening.read_words`; by default those of each
            recording are in the CSV file of the same name beside it.

    Raises:
        OptionError: If the model does not listen, or `annotations` is given for several recordings.
        DataError: If annotations can't be read, or hold labels that the model doesn't know.
        InputError: If there is no such recording.
    """
    rules, output = spec.listening, spec.output
    if rules is None or not isinstance(output, Classification | Binary):
        raise OptionError(f"{spec.name} does not listen to long recordings: leave them out")
    inputs = find(recordings, RECORDINGS)
    for problem in inputs.problems.items():
        raise InputError(": ".join(problem))
    if annotations and len(inputs.paths) != 1:
        raise OptionError(
            f"--annotations is of one recording, got {len(inputs.paths)}: put a CSV file of the same name beside each"
        )
    files = {name: annotations or Path(name).with_suffix(".csv") for name in inputs.paths}
    return [AnnotatedRecording(name, file, _words(file, output.labels, rules)) for name, file in files.items()]


def _words(file: Path, labels: tuple[str, ...], rules: Listening) -> list[Word]:
    """Return the annotated words that the model may hear.

    Raises:
        DataError: If there are labels that it doesn't know, or the file can't be read.
    """
    if not os.path.lexists(file):
        raise DataError(
            f"{file}: no such file; the words of a recording stand in the CSV file of the same name beside it"
        )
    words = read_words(file)
    if strange := sorted({word.label for word in words} - {*labels}):
        raise DataError(
            f"{file}: has labels that the model doesn't know: {', '.join(strange[:SHOWN])}; it knows: "
            f"{', '.join(labels[:SHOWN])}{' …' if len(labels) > SHOWN else ''}"
        )
    return [word for word in words if word.label not in rules.ignored]
