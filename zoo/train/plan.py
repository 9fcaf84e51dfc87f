"""Everything about a run that is known before its first epoch: options, task, data, network."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from runtime.errors import DataError, OptionError
from runtime.inputs import ImageInput, Input
from runtime.progress import Progress, silent
from runtime.spec import ModelSpec
from zoo.data import Dataset, Images, load_dataset
from zoo.data import fold as fold_apart
from zoo.options import apply, divide
from zoo.recipes import Training, recipe
from zoo.tasks import choose, task
from zoo.train.prepare import Prepared, prepare
from zoo.train.run import RUN_FORMAT, Run, versions

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
    from zoo.train.optimizers import check_optimizer

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
        options=as_json(options),
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


def as_json(options: Any) -> dict[str, Any]:
    """Return options as JSON gives them back: lists for tuples."""
    values: dict[str, Any] = json.loads(json.dumps(options.__dict__))
    return values
