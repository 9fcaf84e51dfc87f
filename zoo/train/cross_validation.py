"""Cross-validation: a recipe trained k times, each time validated with another part of the data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Unpack

import numpy as np

from runtime.progress import Progress, prefixed, silent
from zoo.report.metrics import selected_by
from zoo.train.config import ResolvedConfig, TrainConfig, TrainOptions, resolve
from zoo.train.folders import check_run, fold_folder, folds_folder
from zoo.train.pipeline import read_metrics, run_training
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
        return {name: (float(measured.mean()), float(measured.std())) for name, measured in values.items()}


def cross_validate(
    recipe_name: str, k: int, *, on_progress: Progress = silent, **options: Unpack[TrainOptions]
) -> CrossValidation:
    """Train a recipe `k` times, each time validated with another k-th of the data.

    Args:
        recipe_name: A recipe.
        k: How many parts; each class is spread evenly over them.
        on_progress: Called with what is being done, how much is done, and how much there is.
        options: See `zoo.train.config.TrainConfig`, of which ``out`` is the folder for the runs.

    Raises:
        OptionError: If `k` is below 2, or the data can't be split so.
        OutputError: If the folder of a run is taken.
    """
    check_folds(k)
    return run_folds(resolve(TrainConfig(recipe_name, **options)), k, on_progress)


def run_folds(config: ResolvedConfig, k: int, on_progress: Progress = silent) -> CrossValidation:
    """Cross-validate a training whose names have been looked up; see `cross_validate`."""
    asked = config.asked
    folder = Path(asked.out) if asked.out else folds_folder(asked.recipe, config.data)
    outs = [fold_folder(folder, number) for number in range(1, k + 1)]
    for out in outs:
        check_run(out, asked.resume, asked.overwrite)
    runs = [
        run_training(
            config.vary(out=out, fold=(i, k)), on_progress=prefixed(f"fold {i + 1}/{k}: ", on_progress)
        )
        for i, out in enumerate(outs)
    ]  # fmt: skip
    metrics = [read_metrics(run) for run in runs]
    metric = selected_by(metrics[0]["history"], Run.read(runs[0]).model.output.metric)
    return CrossValidation(folder, metric, tuple(each["validation"]["metrics"] for each in metrics))
