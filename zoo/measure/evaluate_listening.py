"""The evaluation of an exported file on long recordings with annotations: words found, misses, false alarms."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runtime import OptionError, load
from runtime.native_output import suppress_output
from runtime.progress import Progress, silent
from zoo.measure.annotated import read_annotated
from zoo.measure.listening import TOLERANCE, ListeningScore, joined, score_listening
from zoo.measure.reports import write_report
from zoo.resolve import resolve

if TYPE_CHECKING:
    from runtime import Model


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
        recordings: Files, folders and patterns; see `zoo.measure.annotated.read_annotated`.
        annotations: The words of the only recording; by default those of each recording are in the CSV file of the same
            name beside it.
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
    annotated = read_annotated(recordings, model.spec, annotations)
    stem = Path(annotated[0].path).stem
    on_loaded(model.spec.name, stem if len(annotated) == 1 else f"{stem}-and-{len(annotated) - 1}-more")
    scores: dict[str, ListeningScore] = {}
    for i, recording in enumerate(annotated):
        on_progress("listen", i, len(annotated))
        heard, seconds = recording.play(lambda blocks, rate: [*model.listen(blocks, rate=rate)])
        scores[recording.path] = score_listening(heard, recording.words, seconds)
    return ListeningEvaluation(model, scores)
