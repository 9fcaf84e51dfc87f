"""Cross-validation: a recipe trained k times, each time validated with another part of the data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from runtime.progress import Progress, prefixed, silent
from zoo.folders import check_run, fold_folder, folds_folder
from zoo.measure.metrics import selected_by
from zoo.recipes import recipe
from zoo.train.pipeline import read_metrics, train
from zoo.train.preflight import check_folds
from zoo.train.run import Run


@dataclass(frozen=True)
class CrossValidation:
    """The metrics of each fold.

    Args:
        folder: Holds a run folder for each fold.
        metric: The task's metric.
        folds: Of each fold, name to value on the part that it was not trained on.
    """

    folder: Path
    metric: str
    folds: tuple[dict[str, float], ...]

    def summary(self) -> dict[str, tuple[float, float]]:
        """Return mean and standard deviation over the folds of each metric."""
        names = [name for name in self.folds[0] if all(name in fold for fold in self.folds)]
        values = {name: np.array([fold[name] for fold in self.folds]) for name in names}
        return {name: (float(found.mean()), float(found.std())) for name, found in values.items()}


def cross_validate(
    recipe_name: str,
    k: int,
    *,
    data: str | None = None,
    out: Path | None = None,
    resume: bool = False,
    overwrite: bool = False,
    on_progress: Progress = silent,
    **rest: Any,
) -> CrossValidation:
    """Train a recipe `k` times, each time validated with another k-th of the data.

    Args:
        recipe_name: A recipe.
        k: How many parts; each class is spread evenly over them.
        data: ``name`` or ``name:path``; the recipe's own by default.
        out: The folder for the runs.
        resume: Continue the runs that are there.
        overwrite: Replace the runs that are there.
        on_progress: Called with what is being done, how much is done, and how much there is.
        rest: Further arguments of `zoo.train.pipeline.train`.

    Raises:
        OptionError: If `k` is below 2, or the data can't be split so.
        OutputError: If the folder of a run is taken.
    """
    check_folds(k)
    folder = out or folds_folder(recipe_name, data or recipe(recipe_name).data or "")
    places = [fold_folder(folder, number) for number in range(1, k + 1)]
    for place in places:
        check_run(place, resume, overwrite)
    runs = [
        train(
            recipe_name, data=data, out=place, resume=resume, overwrite=overwrite, fold=(i, k),
            on_progress=prefixed(f"fold {i + 1}/{k}: ", on_progress), **rest,
        )
        for i, place in enumerate(places)
    ]  # fmt: skip
    metrics = [read_metrics(run) for run in runs]
    metric = selected_by(metrics[0]["history"], Run.read(runs[0]).model.output.metric)
    return CrossValidation(folder, metric, tuple(each["validation"]["metrics"] for each in metrics))
