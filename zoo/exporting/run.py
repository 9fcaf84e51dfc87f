"""From a trained run to a proven bundle: what `zoo export` calls."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from export import Calibration, Card, export
from export.folder import check_place
from export.formats import formats_in
from export.precision.calibration import Method
from runtime.errors import DataError, ExportNote
from runtime.progress import Progress, silent
from zoo.data import Dataset, Split, load_dataset
from zoo.exporting.config import ExportConfig, ExportOptions
from zoo.exporting.golden import resolve_samples
from zoo.measure.listening import summarize_rules
from zoo.recipes import Recipe
from zoo.tasks import task
from zoo.train.network import build
from zoo.train.pipeline import read_metrics
from zoo.train.plan import as_json, refold
from zoo.train.prepare import prepare
from zoo.train.run import MAX_PICTURE, WEIGHTS, Run, read_part

if TYPE_CHECKING:
    from runtime import Bundle


def export_run(
    folder: str | os.PathLike[str],
    formats: Sequence[str] = ("onnx", "tflite"),
    *,
    on_progress: Progress = silent,
    **options: Unpack[ExportOptions],
) -> Bundle:
    """Export a finished run to a bundle, proved on its whole validation set.

    Args:
        folder: The run folder.
        formats: Names of formats.
        on_progress: Called with what is being done, how much is done, and how much there is.
        options: See `zoo.exporting.config.ExportConfig`.

    Raises:
        TrainingError: If the folder holds no finished run.
        DataError: If the data is gone or has changed since training, or the words of recordings don't fit.
        InputError: If a recording can't be used.
        ExportError: If a format can't be written or fails parity.
        OutputError: If `out` holds a bundle already, or something else, or can't be written.
    """
    return run_export(ExportConfig(folder, formats, **options), on_progress)


def run_export(config: ExportConfig, on_progress: Progress = silent) -> Bundle:
    """Export a finished run as configured; see `export_run`."""
    check_place(config.folder, config.overwrite)
    trained = finished(
        config.run, config.data, config.calibration_samples, config.calibration_method, on_progress
    ).listening_to(config.recordings, on_progress)
    small = trained.recipe.precision
    auto = ("fp32", small) if set(config.formats) <= set(formats_in("fp32")) else (small,)
    return export(
        trained.module,
        trained.run.model,
        trained.held.items,
        config.formats,
        precisions=[each for name in config.precisions for each in (auto if name == "auto" else (name,))],
        out=config.folder,
        targets=trained.held.targets,
        calibration=trained.calibration,
        golden=resolve_samples(config.golden, trained.run.model.input),
        allow_drift=config.allow_drift,
        overwrite=config.overwrite,
        platform=config.platform,
        card=trained.card,
        pictures=trained.pictures,
        on_progress=on_progress,
    )


@dataclass(frozen=True)
class Finished:
    """A finished run with what its export needs.

    Args:
        run: The configuration.
        recipe: The recipe.
        module: The trained network, which takes raw inputs.
        held: The validation split, which proves the files.
        calibration: Training samples.
        card: What a person needs to trust the model.
        pictures: PNG files by name.
    """

    run: Run
    recipe: Recipe
    module: Any
    held: Split
    calibration: Calibration
    card: Card
    pictures: dict[str, bytes]

    def listening_to(self, recordings: Sequence[str], on_progress: Progress = silent) -> Finished:
        """Return the run with rules of listening that are chosen on recordings; without any, the run as it is.

        Raises:
            OptionError: If the network does not listen.
            DataError: If the words of the recordings can't be read, or the network doesn't know them.
            InputError: If a recording can't be used.
        """
        if not recordings:
            return self
        from zoo.exporting.listening import choose_on_recordings

        run = self.run
        rules, heard = choose_on_recordings(self.module, run.model, recordings, run.training.false_alarms, on_progress)
        figures = {"seconds": heard.seconds, **heard.to_dict()}
        warnings.warn(summarize_rules(rules, figures, "recordings"), ExportNote, stacklevel=2)
        return replace(self, run=replace(run, model=replace(run.model, listening=rules)))


def finished(
    folder: str | os.PathLike[str],
    data: str | None = None,
    calibration_samples: int = 200,
    calibration_method: Method = "min-max",
    on_progress: Progress = silent,
) -> Finished:
    """Open a finished run; see `export_run`."""
    from zoo.train.checkpoint import load_weights

    folder = Path(folder)
    run = Run.read(folder)
    metrics = read_metrics(folder)
    recipe, options = run.resolve()
    _, module = build(recipe, options, run.model)
    load_weights(folder / WEIGHTS, module)
    dataset = load_dataset(data or run.data, run.seed, run.target, run.drop)
    dataset = refold(dataset, run.training.group, run.fold, run.seed)
    dataset = task(run.model.output.task).convert(dataset, run.training)
    if run.skip_bad:
        dataset = prepare(dataset, run.model.input, skip_bad=True, on_progress=on_progress).dataset
    _check_unchanged(dataset, run)
    known = dataset.splits["train"]
    return Finished(
        run,
        recipe,
        module,
        dataset.splits["validation"],
        Calibration(known.items, known.targets, calibration_samples, calibration_method),
        _card(run, metrics),
        {name: read_part(folder / name, MAX_PICTURE) for name in metrics["pictures"] if os.path.lexists(folder / name)},
    )


def _check_unchanged(dataset: Dataset, run: Run) -> None:
    origin = dataset.origin()
    if origin.fingerprint != run.origin.fingerprint:
        raise DataError(
            f"{run.data}: not the data that the run was trained on ({origin.samples} now, {run.origin.samples} then): "
            "what was validation may have been trained on; restore it, or name its place with --data"
        )


def _without_folders(data: str) -> str:
    """Return ``name:path`` with the last part of the path alone: the others may name a person or a machine."""
    name, colon, path = data.partition(":")
    return f"{name}{colon}{Path(path).name}"


def _card(run: Run, metrics: Mapping[str, Any]) -> Card:
    measured = {
        f"{split} {name}": float(value)
        for split in ("validation", "test")
        if metrics.get(split)
        for name, value in metrics[split]["metrics"].items()
    }
    training = {
        "recipe": run.recipe,
        "data": _without_folders(run.data),
        "target": run.target,
        **({"drop": list(run.drop)} if run.drop else {}),
        "seed": run.seed,
        "options": run.options,
        "training": as_json(run.training),
        "versions": run.versions,
    }
    summary = f"{run.model.output.task.capitalize()} on {run.origin.name}; recipe `{run.recipe}`."
    return Card(summary, run.origin, run.weights, measured, training)
