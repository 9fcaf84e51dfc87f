"""The main job as two functions: data to a trained run, a run to a proven bundle. The command line calls these."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from export import Card, Progress, export
from export.atomic import write_file
from export.parity import silent
from runtime.errors import DataError, OptionError, OutputError, TrainingError
from runtime.schema import build, parse_json
from zoo.dataset import Dataset, load_dataset
from zoo.options import apply, divide
from zoo.prepare import prepare
from zoo.recipe import Training, recipe
from zoo.run import CHECKPOINTS, CONFUSION, CURVES, METRICS, RUN, WEIGHTS, Metrics, Run, model_spec, versions

if TYPE_CHECKING:
    from runtime import Bundle
    from zoo.training import Hardware

MAX_SEED = 2**32 - 1


def run_folder(recipe_name: str, data: str) -> Path:
    """Return the folder that a run goes to unless told otherwise, such as ``runs/cnn-digits``."""
    name, _, path = data.partition(":")
    return Path("runs") / f"{recipe_name}-{Path(path).resolve().name if name == 'folder' and path else name}"


def train(
    recipe_name: str,
    *,
    data: str | None = None,
    out: str | os.PathLike[str] | None = None,
    settings: Mapping[str, Any] | None = None,
    seed: int = 0,
    skip_bad: bool = False,
    hardware: Hardware | None = None,
    resume: bool = False,
    overwrite: bool = False,
    on_progress: Progress = silent,
) -> Path:
    """Train a recipe and leave a run folder with configuration, weights, metrics and pictures.

    Args:
        recipe_name: A recipe.
        data: ``name`` or ``name:path``; the recipe's own by default.
        out: The run folder; `run_folder` by default.
        settings: Options of the recipe and of `zoo.recipe.Training`, by name.
        seed: Decides split, weights, order and augmentation.
        skip_bad: Leave out unreadable files instead of refusing the data.
        hardware: Where to train.
        resume: Continue the run in `out` from its last complete checkpoint; a finished one stays as it is.
        overwrite: Replace a run that is in `out`.
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
    from zoo.training import Hardware, check_optimizer, choose_device, fit

    declared = recipe(recipe_name)
    data = data or declared.data
    if data is None:
        raise OptionError(f"{recipe_name} needs data: --data folder:PATH, one folder per class")
    if not 0 <= seed <= MAX_SEED:
        raise OptionError(f"seed must be 0 to {MAX_SEED}, got {seed}")
    own, training_settings = divide(settings or {}, declared.options, Training)
    options = apply(declared.options(), own, f"options of {recipe_name}")
    training = apply(declared.training, training_settings, "training options")
    choose_device((hardware or Hardware()).device)
    check_optimizer(training.optimizer)
    folder = Path(out) if out else run_folder(recipe_name, data)
    first = is_first_process()
    if first:
        _claim(folder, resume, overwrite)

    dataset = load_dataset(data, seed)
    steps = declared.geometry(options, dataset)
    prepared = prepare(dataset, steps, skip_bad, on_progress)
    torch.manual_seed(seed)
    run = Run(
        format=1,
        recipe=recipe_name,
        data=data,
        seed=seed,
        skip_bad=skip_bad,
        options=_as_json(options),
        training=training,
        model=model_spec(f"{recipe_name}-{dataset.name}", dataset, steps),
        origin=prepared.dataset.origin(),
        weights=None,
        versions=versions(),
    )
    network = run.network()
    finished = resume and (folder / METRICS).exists()
    resumes = finished or (resume and (folder / CHECKPOINTS / "last.safetensors").exists())
    weights = None if resumes else declared.pretrain(options, network)
    if resumes:
        weights = _same(Run.read(folder), run, folder).weights
        if finished:
            return folder
    run = replace(run, weights=weights)
    if first:
        run.write(folder)
    history = fit(
        network,
        declared.groups(options, network),
        training,
        prepared,
        seed,
        folder,
        hardware or Hardware(),
        resume,
        on_progress,
    )
    if first:
        save_weights(folder / WEIGHTS, network)
        _report(folder, run, network, prepared, history, on_progress)
    return folder


def is_first_process() -> bool:
    """Tell whether this process speaks for a distributed run; Lightning numbers the others."""
    return int(os.environ.get("LOCAL_RANK", "0")) == 0 == int(os.environ.get("NODE_RANK", "0"))


def _claim(folder: Path, resume: bool, overwrite: bool) -> None:
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"{folder}: exists and is not a folder; name another with --out")
    if (folder / RUN).exists() and not resume:
        if not overwrite:
            raise OutputError(
                f"{folder}: holds a run already; continue it with --resume, replace it with --overwrite, "
                "or name another folder with --out"
            )
        for name in (METRICS, WEIGHTS, RUN, CURVES, CONFUSION):
            (folder / name).unlink(missing_ok=True)
        shutil.rmtree(folder / CHECKPOINTS, ignore_errors=True)
    elif folder.is_dir() and any(folder.iterdir()) and not (folder / RUN).exists():
        raise OutputError(f"{folder}: holds other files; name another folder with --out")


def _same(old: Run, new: Run, folder: Path) -> Run:
    """Refuse to resume a run under another configuration: the result would be neither."""
    for name in ("recipe", "data", "seed", "skip_bad", "options", "training", "model", "origin"):
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


def _report(folder: Path, run: Run, network: Any, prepared: Any, history: Any, on_progress: Progress) -> None:
    from zoo import plots
    from zoo.evaluate import evaluate

    labels = run.model.output.labels
    metrics: dict[str, Any] = {}
    for split in ("validation", "test"):
        if split in prepared.pixels:
            on_progress(f"evaluate on {split}", 0, 1)
            metrics[split] = evaluate(network, prepared.pixels[split], prepared.targets(split), labels)
    held = "test" if "test" in metrics else "validation"
    metrics |= {"history": history, "skipped": list(prepared.skipped)}
    title = f"{run.model.name}, {held}: {metrics[held]['accuracy']:.2%} of {metrics[held]['samples']}"
    write_file(folder / CURVES, plots.curves(history))
    write_file(folder / CONFUSION, plots.confusion(metrics[held], labels, title))
    write_file(folder / METRICS, (json.dumps(metrics, indent=1, allow_nan=False) + "\n").encode())


def read_metrics(folder: Path) -> dict[str, Any]:
    """Return the metrics of a finished run: ``validation``, perhaps ``test``, ``history`` and ``skipped``.

    Raises:
        TrainingError: If the run is not finished, or the file is damaged.
    """
    file = folder / METRICS
    try:
        metrics: dict[str, Any] = parse_json(file.read_bytes(), str(file), TrainingError)
    except OSError:
        raise TrainingError(f"{folder}: training has not finished; continue it with --resume") from None
    build(Metrics, metrics, str(file), TrainingError)
    return metrics


def export_run(
    folder: str | os.PathLike[str],
    formats: Sequence[str] = ("onnx", "tflite"),
    *,
    out: str | os.PathLike[str] | None = None,
    data: str | None = None,
    on_progress: Progress = silent,
) -> Bundle:
    """Export a finished run to a bundle, proved on its whole validation set.

    Args:
        folder: The run folder.
        formats: Names of formats.
        out: The bundle's folder; ``bundles/`` and the run's name by default.
        data: Where the data set is now, if it has moved: ``name:path``.
        on_progress: Called with what is being done, how much is done, and how much there is.

    Raises:
        TrainingError: If the folder holds no finished run.
        DataError: If the data is gone or has changed since training.
        ExportError: If a format can't be written or fails parity.
    """
    from zoo.checkpoint import load_weights

    place = Path(folder)
    run = Run.read(place)
    metrics = read_metrics(place)
    network = run.network()
    load_weights(place / WEIGHTS, network)
    dataset = load_dataset(data or run.data, run.seed)
    if run.skip_bad:
        dataset = prepare(dataset, run.steps, skip_bad=True, on_progress=on_progress).dataset
    _check_unchanged(dataset, run)
    held = dataset.splits["validation"]
    return export(
        network, run.model, held.items, formats,
        out=out or Path("bundles") / place.resolve().name,
        targets=held.targets,
        card=_card(run, metrics),
        pictures={name: (place / name).read_bytes() for name in (CURVES, CONFUSION) if (place / name).exists()},
        on_progress=on_progress,
    )  # fmt: skip


def _check_unchanged(dataset: Dataset, run: Run) -> None:
    origin = dataset.origin()
    if origin.fingerprint != run.origin.fingerprint:
        raise DataError(
            f"{run.data}: not the data that the run was trained on ({origin.samples} now, {run.origin.samples} then): "
            "what was validation may have been trained on; restore it, or name its place with --data"
        )


def _card(run: Run, metrics: Mapping[str, Any]) -> Card:
    measured = {
        f"{split} {name}": float(metrics[split][name])
        for split in ("validation", "test")
        if split in metrics
        for name in ("accuracy", "loss")
    }
    summary = f"Tells {len(run.model.output.labels)} classes of {run.origin.name} apart; recipe `{run.recipe}`."
    training = {
        "recipe": run.recipe,
        "seed": run.seed,
        "options": run.options,
        "training": _as_json(run.training),
        "versions": run.versions,
    }
    return Card(summary, run.origin, run.weights, measured, training)
