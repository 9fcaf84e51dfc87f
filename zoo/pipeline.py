"""The main job as two functions: data to a trained run, a run to a proven bundle. The command line calls these."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from export import Calibration, Card, Progress, export
from export.folder import check_place
from export.formats import formats_in
from export.golden import Wanted
from export.precision.calibration import Method
from runtime.atomic import write_file
from runtime.errors import DataError, OptionError, TrainingError
from runtime.figures import figure
from runtime.inputs import ImageInput, Input
from runtime.progress import silent
from runtime.schema import build, parse_json
from runtime.spec import ModelSpec
from zoo.data import Dataset, Images, Split, load_dataset
from zoo.data import fold as fold_apart
from zoo.folders import bundle_folder, check_run, clear_run, is_first_process, locked_run, run_folder
from zoo.golden import resolve_samples
from zoo.metrics import over_fitting
from zoo.options import apply, divide
from zoo.prepare import Prepared, prepare
from zoo.recipes import Training, recipe
from zoo.run import (
    CHECKPOINTS,
    CURVES,
    MAX_PICTURE,
    MAX_TEXT,
    METRICS,
    RUN_FORMAT,
    WEIGHTS,
    Metrics,
    Run,
    read_part,
    versions,
)
from zoo.tasks import choose, task
from zoo.worst import Answers, drawn, worst

if TYPE_CHECKING:
    from runtime import Bundle
    from zoo.training import Hardware

MAX_SEED = 2**32 - 1


@dataclass(frozen=True)
class Plan:
    """Everything about a run that is known before its first epoch.

    Args:
        run: The configuration.
        prepared: The data, read and checked.
    """

    run: Run
    prepared: Prepared


def plan(
    recipe_name: str,
    *,
    data: str | None = None,
    target: str | None = None,
    drop: Sequence[str] = (),
    settings: Mapping[str, Any] | None = None,
    seed: int = 0,
    skip_bad: bool = False,
    fold: tuple[int, int] | None = None,
    on_progress: Progress = silent,
) -> Plan:
    """Resolve options and task, read the data and check all of it; see `train` for the arguments.

    Raises:
        OptionError: If a name is unknown, a value out of range, or recipe, task and data don't go together.
        DataError: If the data can't be trained on; lists every offender.
    """
    from zoo.training import check_optimizer

    declared = recipe(recipe_name)
    data = data or declared.data
    if data is None:
        raise OptionError(f"{recipe_name} needs data: --data folder:PATH, one folder per class")
    if not 0 <= seed <= MAX_SEED:
        raise OptionError(f"seed must be 0 to {MAX_SEED}, got {seed}")
    own, training_settings = divide(settings or {}, declared.options, Training)
    options = apply(declared.options(), own, f"options of {recipe_name}")
    training = apply(declared.training, training_settings, "training options")
    check_optimizer(training)
    dataset = load(data, seed, target, fold, drop)
    name = choose(training.task, dataset.target)
    known = task(name)
    dataset = known.convert(dataset, training)
    problems = known.lacks(dataset) if not isinstance(dataset.content, Images) else []
    if problems:
        raise DataError(f"{dataset.name}: {'; '.join(problems)}")
    taken = declared.input(options, dataset)
    _check_training(training, taken, name)
    prepared = prepare(dataset, taken, skip_bad, on_progress, known.lacks)
    try:
        spec = ModelSpec(f"{recipe_name}-{dataset.name}", taken, known.output(prepared.dataset, taken, training))
    except ValueError as problem:
        raise DataError(f"{dataset.name}: {problem}") from None
    run = Run(
        format=RUN_FORMAT,
        recipe=recipe_name,
        data=data,
        target=target,
        drop=tuple(drop),
        seed=seed,
        skip_bad=skip_bad,
        fold=fold,
        options=_as_json(options),
        training=training,
        model=spec,
        origin=prepared.dataset.origin(),
        weights=None,
        versions=versions(),
    )
    return Plan(run, prepared)


def load(data: str, seed: int, target: str | None, fold: tuple[int, int] | None, drop: Sequence[str] = ()) -> Dataset:
    """Load a data set, and split it anew where a fold is asked for; see `train`."""
    dataset = load_dataset(data, seed, target, drop)
    return dataset if fold is None else fold_apart(dataset, fold[1], fold[0], seed)


def _check_training(training: Training, taken: Input, name: str) -> None:
    """Refuse options that this input or task has no use for: who sets one expects an effect."""
    if training.augment and not getattr(taken, "preprocess", ()):  # the steps that read images
        raise OptionError(f"augment changes images; the recipe takes a {taken.kind} here: leave it out")
    if (training.mixup or training.cutmix) and (name != "classification" or not isinstance(taken, ImageInput)):
        raise OptionError(f"mixup and cutmix need images and task=classification, got {taken.kind}s and task={name}")
    if training.loss != "auto" and name not in ("regression", "forecasting"):
        raise OptionError(f"loss={training.loss} is for values; task={name} has one loss: leave it out")


def train(
    recipe_name: str,
    *,
    data: str | None = None,
    target: str | None = None,
    drop: Sequence[str] = (),
    out: str | os.PathLike[str] | None = None,
    settings: Mapping[str, Any] | None = None,
    seed: int = 0,
    skip_bad: bool = False,
    hardware: Hardware | None = None,
    resume: bool = False,
    overwrite: bool = False,
    logger: str = "none",
    watchers: Sequence[Any] = (),
    fold: tuple[int, int] | None = None,
    on_progress: Progress = silent,
) -> Path:
    """Train a recipe and leave a run folder with configuration, weights, metrics and pictures.

    Args:
        recipe_name: A recipe.
        data: ``name`` or ``name:path``; the recipe's own by default.
        target: The column, or columns with commas between them, to tell from the others, of data with columns.
        drop: Columns to leave out, of data with columns; each text names one, or several with commas between them.
        out: The run folder; `run_folder` by default.
        settings: Options of the recipe and of `zoo.recipes.Training`, by name.
        seed: Decides split, weights, order and augmentation.
        skip_bad: Leave out unreadable files instead of refusing the data.
        hardware: Where to train.
        resume: Continue the run in `out` from its last complete checkpoint; a finished one stays as it is.
        overwrite: Replace a run that is in `out`.
        logger: Of `zoo.preflight.LOGGERS`, where the figures of each step go to besides.
        watchers: Lightning callbacks.
        fold: ``(i, k)``: validate with the i-th of k parts, counted from 0, and train with the others.
        on_progress: Called with what is being done, how much is done, and how much there is.

    Returns:
        The run folder.

    Raises:
        OptionError: If a name is unknown or a value out of range, or `resume` asks for another configuration.
        DataError: If the data can't be trained on; lists every offender.
        OutputError: If `out` holds a run already.
        TrainingError: If training can't go on.
        DeviceError: If the device is not there.
    """
    import torch

    from zoo.checkpoint import save_weights
    from zoo.recipes._layers import initialise
    from zoo.training import Hardware, choose_device, fit, open_logger

    declared = recipe(recipe_name)
    choose_device((hardware or Hardware()).device)
    folder = Path(out) if out else run_folder(recipe_name, data or declared.data or "")
    open_logger(logger, folder)  # an unknown or absent one is told now, not after the data was read
    first = is_first_process()
    if first:
        check_run(folder, resume, overwrite)
    ready = plan(
        recipe_name, data=data, target=target, drop=drop, settings=settings, seed=seed, skip_bad=skip_bad, fold=fold,
        on_progress=on_progress,
    )  # fmt: skip
    run, prepared = ready.run, ready.prepared
    torch.manual_seed(seed)
    network, module = run.network()
    initialise(network, run.training.init)
    with locked_run(folder) if first else nullcontext():
        if first:
            check_run(folder, resume, overwrite)  # another training may have ended here meanwhile
        if first and not resume:
            clear_run(folder)
        finished = resume and (folder / METRICS).exists()
        resumes = finished or (resume and (folder / CHECKPOINTS / "last.ckpt").exists())
        weights = None if resumes else declared.pretrain(run.resolved, network)
        if resumes:
            weights = _same(Run.read(folder), run, folder).weights
            if finished:
                return folder
        run = replace(run, weights=weights)
        if first:
            run.write(folder)
        history = fit(
            module, declared.groups(run.resolved, network), run.training, run.model.output, prepared, seed, folder,
            hardware or Hardware(), resume, logger, watchers, on_progress,
        )  # fmt: skip
        if first:
            save_weights(folder / WEIGHTS, module)
            _report(folder, run, module, prepared, history, on_progress)
    return folder


def _same(old: Run, new: Run, folder: Path) -> Run:
    """Refuse to resume a run under another configuration: the result would be neither."""
    for name in ("recipe", "data", "target", "drop", "seed", "skip_bad", "fold", "options", "training", "origin"):
        was, wanted = getattr(old, name), getattr(new, name)
        if was != wanted:
            if name in ("options", "training"):
                was, wanted = (value if isinstance(value, dict) else value.__dict__ for value in (was, wanted))
                name = next(key for key in was if was[key] != wanted.get(key))
                was, wanted = was[name], wanted.get(name)
            if name == "origin":
                raise DataError(f"{folder}: the data has changed since this run began; restore it or start anew")
            raise OptionError(
                f"{folder}: the run was started with {name} = {was}, not {wanted}; resume with the same settings or "
                "name another folder with --out"
            )
    return old


def _as_json(options: Any) -> dict[str, Any]:
    values: dict[str, Any] = json.loads(json.dumps(options.__dict__))
    return values


def _report(
    folder: Path, run: Run, module: Any, prepared: Prepared, history: list[dict[str, float]], on_progress: Progress
) -> None:
    """Measure the trained network, draw pictures, and leave metrics.json, which marks the run as finished."""
    import torch

    from zoo import plots
    from zoo.evaluate import evaluate, outputs

    output = run.model.output
    known = task(output.task)
    train_targets = prepared.targets("train")
    if hasattr(known, "finish"):
        on_progress("evaluate on train", 0, 1)
        output = known.finish(output, outputs(module, prepared.inputs["train"]))
        replace(run, model=replace(run.model, output=output)).write(folder)
    metrics: dict[str, Any] = {}
    loss = known.loss(output, run.training, train_targets)
    pictures: dict[str, bytes] = {CURVES: plots.curves(history, output)}
    for split in ("validation", "test"):
        if len(prepared.inputs.get(split, ())):
            on_progress(f"evaluate on {split}", 0, 1)
            raw, targets = outputs(module, prepared.inputs[split]), prepared.targets(split)
            metrics[split] = evaluate(output, raw, targets, train_targets)
            metrics[split]["metrics"]["loss"] = float(loss(torch.from_numpy(raw), torch.from_numpy(targets)))
            measured = figure(output.metric, metrics[split]["metrics"][output.metric])
            title = (
                f"{run.model.name}, {split}: {output.metric.replace('_', ' ')} {measured} on {len(targets):,} samples"
            )
            pictures |= known.draw(output, raw, targets, title)
            answers = Answers(
                replace(run.model, output=output), prepared.dataset.splits[split], prepared.inputs[split], raw, targets
            )
            pictures |= drawn(worst(answers), answers, f"{run.model.name}, {split}")
    metrics |= {
        "history": history,
        "skipped": list(prepared.skipped),
        "pictures": list(pictures),
        "over_fitting": over_fitting(history),
    }
    for name, picture in pictures.items():
        write_file(folder / name, picture)
    write_file(folder / METRICS, (json.dumps(metrics, indent=1, allow_nan=False) + "\n").encode())


def read_metrics(folder: Path) -> dict[str, Any]:
    """Return the metrics of a finished run: ``validation``, perhaps ``test``, ``history`` and ``skipped``.

    Raises:
        TrainingError: If the run is not finished, or the file is damaged.
    """
    file = folder / METRICS
    if not os.path.lexists(file):
        raise TrainingError(f"{folder}: training has not finished; continue it with --resume")
    metrics: dict[str, Any] = parse_json(read_part(file, MAX_TEXT), str(file), TrainingError)
    build(Metrics, metrics, str(file), TrainingError)
    return metrics


def export_run(
    folder: str | os.PathLike[str],
    formats: Sequence[str] = ("onnx", "tflite"),
    *,
    precisions: Sequence[str] = (),
    out: str | os.PathLike[str] | None = None,
    data: str | None = None,
    calibration_samples: int = 200,
    calibration_method: Method = "min-max",
    golden: Wanted = None,
    allow_drift: bool = False,
    overwrite: bool = False,
    on_progress: Progress = silent,
) -> Bundle:
    """Export a finished run to a bundle, proved on its whole validation set.

    Args:
        folder: The run folder.
        formats: Names of formats.
        precisions: Names of `runtime.spec.Precision`; ``auto`` is fp32, where the formats have it,
            and the smaller one that suits the recipe.
        out: The bundle's folder; ``bundles/`` and the run's name by default.
        data: Where the data set is now, if it has moved: ``name:path``.
        calibration_samples: How many training samples tell the ranges of activations.
        calibration_method: How; see `export.Calibration`.
        golden: What the golden pack holds; see `export.export`.
        allow_drift: Write files of smaller precisions that lose the answer all the same.
        overwrite: Replace a bundle that is in `out`.
        on_progress: Called with what is being done, how much is done, and how much there is.

    Raises:
        TrainingError: If the folder holds no finished run.
        DataError: If the data is gone or has changed since training.
        ExportError: If a format can't be written or fails parity.
        OutputError: If `out` holds a bundle already, or something else, or can't be written.
    """
    place = Path(out or bundle_folder(folder))
    check_place(place, overwrite)
    trained = finished(folder, data, calibration_samples, calibration_method, on_progress)
    small = trained.run.declared.precision
    auto = ("fp32", small) if set(formats) <= set(formats_in("fp32")) else (small,)
    return export(
        trained.module,
        trained.run.model,
        trained.held.items,
        formats,
        precisions=[each for name in precisions for each in (auto if name == "auto" else (name,))],
        out=place,
        targets=trained.held.targets,
        calibration=trained.calibration,
        golden=resolve_samples(golden, trained.run.model.input),
        allow_drift=allow_drift,
        overwrite=overwrite,
        card=trained.card,
        pictures=trained.pictures,
        on_progress=on_progress,
    )


@dataclass(frozen=True)
class Finished:
    """A finished run with what its export needs.

    Args:
        run: The configuration.
        module: The trained network, which takes raw inputs.
        held: The validation split, which proves the files.
        calibration: Training samples.
        card: What a person needs to trust the model.
        pictures: PNG files by name.
    """

    run: Run
    module: Any
    held: Split
    calibration: Calibration
    card: Card
    pictures: dict[str, bytes]


def finished(
    folder: str | os.PathLike[str],
    data: str | None = None,
    calibration_samples: int = 200,
    calibration_method: Method = "min-max",
    on_progress: Progress = silent,
) -> Finished:
    """Open a finished run; see `export_run`."""
    from zoo.checkpoint import load_weights

    place = Path(folder)
    run = Run.read(place)
    metrics = read_metrics(place)
    _, module = run.network()
    load_weights(place / WEIGHTS, module)
    dataset = load(data or run.data, run.seed, run.target, run.fold, run.drop)
    dataset = task(run.model.output.task).convert(dataset, run.training)
    if run.skip_bad:
        dataset = prepare(dataset, run.model.input, skip_bad=True, on_progress=on_progress).dataset
    _check_unchanged(dataset, run)
    known = dataset.splits["train"]
    return Finished(
        run,
        module,
        dataset.splits["validation"],
        Calibration(known.items, known.targets, calibration_samples, calibration_method),
        _card(run, metrics),
        {name: read_part(place / name, MAX_PICTURE) for name in metrics["pictures"] if os.path.lexists(place / name)},
    )


def _check_unchanged(dataset: Dataset, run: Run) -> None:
    origin = dataset.origin()
    if origin.fingerprint != run.origin.fingerprint:
        raise DataError(
            f"{run.data}: not the data that the run was trained on ({origin.samples} now, {run.origin.samples} then): "
            "what was validation may have been trained on; restore it, or name its place with --data"
        )


def _without_folders(data: str) -> str:
    """Return ``name:path`` with the last part of the path alone: the others are nobody's business."""
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
        "training": _as_json(run.training),
        "versions": run.versions,
    }
    summary = f"{run.model.output.task.capitalize()} on {run.origin.name}; recipe `{run.recipe}`."
    return Card(summary, run.origin, run.weights, measured, training)
