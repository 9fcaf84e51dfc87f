"""From data to a trained run: what `zoo train` calls."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from runtime.atomic import write_file
from runtime.errors import DataError, OptionError, TrainingError
from runtime.humanize import figure
from runtime.progress import Progress, silent
from runtime.schema import build, parse_json
from runtime.tensors import map_tensors
from zoo.measure.answers import Answers, draw_examples
from zoo.measure.mistakes import draw_mistakes, find_mistakes
from zoo.report.metrics import over_fitting
from zoo.train.config import ResolvedConfig, TrainConfig, TrainOptions, resolve
from zoo.train.distributed import is_first_process
from zoo.train.folders import check_run, clear_run, locked_run
from zoo.train.plan import Plan, plan
from zoo.train.run import CHECKPOINTS, CURVES, MAX_TEXT, METRICS, WEIGHTS, Metrics, Run, read_part

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from runtime.tensors import Tensors


def train(
    recipe_name: str,
    *,
    callbacks: Sequence[Any] = (),
    on_progress: Progress = silent,
    **options: Unpack[TrainOptions],
) -> Path:
    """Train a recipe and leave a run folder with configuration, weights, metrics and pictures.

    Args:
        recipe_name: A recipe.
        callbacks: Lightning callbacks.
        on_progress: Called with what is being done, how much is done, and how much there is.
        options: See `zoo.train.config.TrainConfig`.

    Returns:
        The run folder.

    Raises:
        OptionError: If a name is unknown or a value out of range, or `resume` asks for another configuration.
        DataError: If the data can't be trained on; lists every offender.
        OutputError: If `out` holds a run already.
        TrainingError: If training can't go on.
        DeviceError: If the device is not there.
    """
    return run_training(resolve(TrainConfig(recipe_name, **options)), callbacks, on_progress)


def run_training(config: ResolvedConfig, callbacks: Sequence[Any] = (), on_progress: Progress = silent) -> Path:
    """Run a training whose names have been looked up; see `train`."""
    import torch

    from zoo.recipes._layers import initialize
    from zoo.train.checkpoint import save_weights
    from zoo.train.learner import FitConfig
    from zoo.train.trainer import choose_device, fit, open_logger

    asked, folder = config.asked, config.folder
    choose_device(config.hardware.device)
    open_logger(asked.logger, folder)  # an unknown or absent one is told now, not after the data was read
    first = is_first_process()
    if first:
        check_run(folder, asked.resume, asked.overwrite)
    ready = plan(config, on_progress)
    run = ready.run
    torch.manual_seed(asked.seed)
    network, module = ready.network()
    initialize(network, config.training.init)
    with locked_run(folder) if first else nullcontext():
        if first:
            check_run(folder, asked.resume, asked.overwrite)  # another training may have ended here meanwhile
        if first and not asked.resume:
            clear_run(folder)
        finished = asked.resume and (folder / METRICS).exists()
        resumes = finished or (asked.resume and (folder / CHECKPOINTS / "last.ckpt").exists())
        weights = None if resumes else config.recipe.pretrain(config.options, network)
        if resumes:
            weights = _same(Run.read(folder), run, folder).weights
            if finished:
                return folder
        run = replace(run, weights=weights)
        if first:
            run.write(folder)
        how = FitConfig(
            ready.task, run.model.output, config.training, folder, asked.seed, config.hardware, asked.resume,
            asked.logger,
        )  # fmt: skip
        groups = config.recipe.groups(config.options, network)
        history = fit(module, groups, ready.prepared, how, callbacks, on_progress)
        if first:
            save_weights(folder / WEIGHTS, module)
            _report(folder, replace(ready, run=run), module, history, on_progress)
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


def _report(folder: Path, ready: Plan, module: Any, history: list[dict[str, float]], on_progress: Progress) -> None:
    """Measure the trained network, draw pictures, and leave metrics.json, which marks the run as finished."""
    import torch

    from zoo.measure.scores import outputs, score
    from zoo.report import plots

    run, known, prepared = ready.run, ready.task, ready.prepared
    output = run.model.output
    train_targets = prepared.targets("train")

    def answers(split: str) -> tuple[Tensors, NDArray[Any]]:
        on_progress(f"evaluate on {split}", 0, 1)
        return outputs(module, prepared.inputs[split], output), prepared.targets(split)

    if hasattr(known, "finish"):
        output = known.finish(output, answers)
        run = replace(run, model=replace(run.model, output=output))
        run.write(folder)
    metrics: dict[str, Any] = {}
    if run.model.listening is not None:
        from zoo.train.listening import choose_listening

        on_progress("choose the rules of listening", 0, 1)
        if listening := choose_listening(module, run.model, prepared, run.training.false_alarms, run.seed):
            rules, heard = listening
            run = replace(run, model=replace(run.model, listening=rules))
            run.write(folder)
            metrics["listening"] = {"seconds": heard.seconds, **heard.to_dict()}
    loss = known.loss(output, run.training, train_targets)
    pictures: dict[str, bytes] = {CURVES: plots.curves(history, output)}
    for split in ("validation", "test"):
        if len(prepared.inputs.get(split, ())):
            raw, targets = answers(split)
            metrics[split] = score(known, output, raw, targets, train_targets)
            metrics[split]["metrics"]["loss"] = float(
                loss(map_tensors(torch.from_numpy, raw), torch.from_numpy(targets))
            )
            measured = figure(output.metric, metrics[split]["metrics"][output.metric])
            title = (
                f"{run.model.name}, {split}: {output.metric.replace('_', ' ')} {measured} on {len(targets):,} samples"
            )
            pictures |= known.draw(output, raw, targets, title)
            shown = Answers(run.model, prepared.dataset.splits[split], prepared.inputs[split], raw, targets)
            name = f"{run.model.name}, {split}"
            pictures |= draw_examples(shown, name) | draw_mistakes(find_mistakes(known, shown), shown, name)
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
