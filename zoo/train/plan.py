"""Everything about a run that is known before its first epoch: options, task, data, network."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runtime.errors import DataError, OptionError
from runtime.inputs import AudioInput, ImageInput, Input
from runtime.progress import Progress, silent
from runtime.spec import ModelSpec
from zoo.data import Dataset, Images
from zoo.data import fold as fold_apart
from zoo.data._groups import check_group, split_by_group
from zoo.recipes import Training
from zoo.tasks import Task, choose, task
from zoo.train.augment_audio import check_audio
from zoo.train.augment_boxes import check_augmentation
from zoo.train.config import ResolvedConfig
from zoo.train.prepare import Prepared, prepare
from zoo.train.run import RUN_FORMAT, Run, versions

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Plan:
    """Everything about a run that is known before its first epoch.

    Args:
        config: The configuration, with every name looked up.
        task: The task.
        run: The configuration as it is written into the run folder.
        prepared: The data, read and checked.
    """

    config: ResolvedConfig
    task: Task
    run: Run
    prepared: Prepared

    def network(self) -> tuple[nn.Module, nn.Module]:
        """Build the network with random weights; see `zoo.train.network.build`."""
        from zoo.train.network import build

        return build(self.config.recipe, self.config.options, self.run.model)


def plan(config: ResolvedConfig, on_progress: Progress = silent) -> Plan:
    """Choose the task, read the data and check all of it.

    Args:
        config: The training.
        on_progress: Called with what is being done, how much is done, and how much there is.

    Raises:
        OptionError: If recipe, task and data don't go together.
        DataError: If the data can't be trained on; lists every offender.
    """
    from zoo.train.optimizers import check_optimizer

    asked, training = config.asked, config.training
    check_optimizer(training)
    dataset = config.source.dataset
    if training.group:
        check_group(dataset, training.group)
    dataset = refold(dataset, training.group, asked.fold, asked.seed)
    name = choose(training.task, dataset.target)
    known = task(name)
    dataset = known.convert(dataset, training)
    problems = known.problems(dataset) if not isinstance(dataset.content, Images) else []
    if problems:
        raise DataError(f"{dataset.name}: {'; '.join(problems)}")
    input_spec = config.recipe.input(config.options, dataset)
    _check_training(training, input_spec, name)
    prepared = prepare(dataset, input_spec, asked.skip_bad, on_progress, known.problems)
    try:
        output_spec = known.output(prepared.dataset, input_spec, training)
        listening = config.recipe.listening(config.options, prepared.dataset, input_spec, output_spec)
        spec = ModelSpec(f"{asked.recipe}-{dataset.name}", input_spec, output_spec, listening)
    except ValueError as problem:
        raise DataError(f"{dataset.name}: {problem}") from None
    run = Run(
        format=RUN_FORMAT,
        recipe=asked.recipe,
        data=config.data,
        target=asked.target,
        drop=tuple(asked.drop),
        seed=asked.seed,
        skip_bad=asked.skip_bad,
        fold=asked.fold,
        options=as_json(config.options),
        training=training,
        model=spec,
        origin=prepared.dataset.origin(),
        weights=None,
        versions=versions(),
    )
    return Plan(config, known, run, prepared)


def refold(dataset: Dataset, group: str, fold: tuple[int, int] | None, seed: int) -> Dataset:
    """Return the data set, split anew where a fold or a group is asked for.

    Args:
        dataset: The data set.
        group: See `zoo.recipes.Training`.
        fold: See `zoo.train.config.TrainConfig`.
        seed: Decides the split.
    """
    if group:
        return split_by_group(dataset, seed, fold)
    return dataset if fold is None else fold_apart(dataset, fold[1], fold[0], seed)


def _check_training(training: Training, input_spec: Input, name: str) -> None:
    """Refuse options that this input or task has no use for: who sets one expects an effect."""
    if isinstance(input_spec, AudioInput):
        check_audio(training.augment, training.background)
    elif training.augment and not getattr(input_spec, "preprocess", ()):  # the steps that read images
        raise OptionError(f"augment changes images; the recipe takes a {input_spec.kind} here: leave it out")
    elif training.augment:
        check_augmentation(training.augment, boxes=name == "detection")
    if training.outliers and not (isinstance(input_spec, AudioInput) and name in ("classification", "binary")):
        raise OptionError(
            f"outliers are for recordings and classes, got inputs of kind {input_spec.kind!r} and task={name}: set "
            "outliers=0"
        )
    if training.background and not isinstance(input_spec, AudioInput):
        raise OptionError(
            f"background is noise for recordings; the recipe takes a {input_spec.kind} here: leave it out"
        )
    if (training.mixup or training.cutmix) and (name != "classification" or not isinstance(input_spec, ImageInput)):
        raise OptionError(
            f"mixup and cutmix need images and task=classification, got {input_spec.kind}s and task={name}"
        )
    if training.loss != "auto" and name not in ("regression", "forecasting"):
        raise OptionError(f"loss={training.loss} is for values; task={name} has one loss: leave it out")


def as_json(options: Any) -> dict[str, Any]:
    """Return options as JSON gives them back: lists for tuples."""
    values: dict[str, Any] = json.loads(json.dumps(options.__dict__))
    return values
