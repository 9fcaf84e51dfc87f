"""A search for the options that validate best, with Optuna: bad trials are cut short by the median of the others."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from runtime.atomic import write_file
from runtime.errors import OptionError, TrainingError
from runtime.humanize import figure
from runtime.progress import Progress, prefixed, silent
from zoo.recipes import Recipe
from zoo.report.metrics import selected_by
from zoo.train.config import ResolvedConfig, TrainConfig, TrainOptions, resolve
from zoo.train.folders import TRIALS, TRIALS_PICTURE, check_run, check_search, tuning_folder
from zoo.train.pipeline import read_metrics, run_training
from zoo.train.preflight import check_search_library

if TYPE_CHECKING:
    import optuna


STARTUP, WARMUP = 4, 2
"""Trials that are never cut short, to have a median; and epochs that every trial gets."""


@dataclass(frozen=True)
class Trial:
    """One training run of a search.

    Args:
        number: Counted from 1.
        settings: What was tried.
        value: The task's metric on the validation split; None where it was cut short or failed.
        outcome: ``finished``, ``cut short`` or why it failed.
    """

    number: int
    settings: dict[str, Any]
    value: float | None
    outcome: str


@dataclass(frozen=True)
class Search:
    """All trials, the metric, whether ``max`` or ``min`` of it is better, and the best trial."""

    trials: tuple[Trial, ...]
    metric: str
    better: str
    best: Trial


def tune(recipe_name: str, trials: int, *, on_progress: Progress = silent, **options: Unpack[TrainOptions]) -> Search:
    """Try options of a recipe's own `search`, and leave ``trials.json`` and ``trials.png`` beside the run's folder.

    Args:
        recipe_name: A recipe.
        trials: How many to try.
        on_progress: Called with what is being done, how much is done, and how much there is.
        options: See `zoo.train.config.TrainConfig`, of which ``settings`` are fixed options, ``seed`` decides the
            search and every trial, ``out`` is the run folder of the training that follows (the search goes to the
            folder ``OUT-tuning``), and ``overwrite`` replaces an earlier search and lets an earlier run be in ``out``.

    Raises:
        OptionError: If there is nothing to search, or `trials` is below 1.
        TrainingError: If no trial finished.
        MissingExtraError: If Optuna is not installed.
        OutputError: If the folder of the run or of the search is taken.
    """
    return run_search(resolve(TrainConfig(recipe_name, **options)), trials, on_progress)


def run_search(config: ResolvedConfig, trials: int, on_progress: Progress = silent) -> Search:
    """Search the options of a training whose names have been looked up; see `tune`."""
    check_search_library()
    import optuna

    declared, fixed = config.recipe, config.asked.settings or {}
    space = {name: values for name, values in declared.search.items() if name not in fixed}
    if trials < 1 or not space:
        raise OptionError(f"nothing to tune: {trials} trials of {', '.join(space) or 'no options'}")
    check_run(config.folder, overwrite=config.asked.overwrite)
    folder = tuning_folder(config.folder)
    check_search(folder, config.asked.overwrite)
    shutil.rmtree(folder, ignore_errors=True)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(
        direction="maximize",
        sampler=optuna.samplers.TPESampler(seed=config.asked.seed),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=STARTUP, n_warmup_steps=WARMUP),
    )
    done: list[Trial] = []
    measure: dict[str, str] = {}
    for number in range(1, trials + 1):
        trial = study.ask()
        chosen = {name: _suggest(trial, declared, name, values) for name, values in space.items()}
        what = f"trial {number}/{trials}: " + ", ".join(f"{name}={_short(value)}" for name, value in chosen.items())
        pruning = _pruning_callback(trial)
        try:
            varied = config.vary(settings={**fixed, **chosen}, out=folder / f"trial-{number}", overwrite=False)
            run = run_training(varied, [pruning], prefixed(f"{what}; ", on_progress))
        except (optuna.TrialPruned, TrainingError) as problem:
            cut = isinstance(problem, optuna.TrialPruned)
            study.tell(trial, state=optuna.trial.TrialState.PRUNED if cut else optuna.trial.TrialState.FAIL)
            done.append(Trial(number, chosen, None, "cut short" if cut else str(problem)))
            if "interrupted" in str(problem):
                raise
        else:
            study.tell(trial, pruning.best)
            measure = _metric_of(run)
            value = read_metrics(run)["validation"]["metrics"][measure["metric"]]
            done.append(Trial(number, chosen, value, "finished"))
        shutil.rmtree(folder / f"trial-{number}", ignore_errors=True)
        if measure:
            _write(folder, done, **measure)
    finished = [trial for trial in done if trial.value is not None]
    if not finished:
        raise TrainingError(f"none of {trials} trials finished; the last one: {done[-1].outcome}")
    best = (max if measure["better"] == "max" else min)(finished, key=lambda trial: trial.value or 0.0)
    return Search(tuple(done), measure["metric"], measure["better"], best)


def _metric_of(folder: Path) -> dict[str, str]:
    from zoo.train.run import Run

    output = Run.read(folder).model.output
    return {"metric": selected_by(read_metrics(folder)["history"], output.metric), "better": output.better}


def _suggest(trial: optuna.Trial, declared: Recipe, name: str, values: Any) -> Any:
    """Return a value to try: of a list one of them, between two ends of a tuple anything."""
    if isinstance(values, tuple):
        low, high = values
        if isinstance(low, int) and isinstance(high, int):
            return trial.suggest_int(name, low, high)
        return trial.suggest_float(name, low, high, log=low > 0)
    index: int = trial.suggest_categorical(name, list(range(len(values))))
    return values[index]


def _pruning_callback(trial: optuna.Trial) -> Any:
    """Return a Lightning callback that tells Optuna of every epoch, and stops a trial that falls behind."""
    import optuna
    from lightning.pytorch.callbacks import Callback

    class Pruning(Callback):
        best = float("-inf")

        def on_train_epoch_end(self, trainer: Any, learner: Any) -> None:
            """Report the validation of this epoch."""
            value = float(trainer.callback_metrics["selection"])
            self.best = max(self.best, value)
            trial.report(self.best, trainer.current_epoch)
            if trial.should_prune():
                raise optuna.TrialPruned

    return Pruning()


def _write(folder: Path, done: list[Trial], metric: str, better: str) -> None:
    from zoo.report import plots

    folder.mkdir(parents=True, exist_ok=True)
    report = {"metric": metric, "better": better, "trials": [asdict(trial) for trial in done]}
    write_file(folder / TRIALS, (json.dumps(report, indent=1) + "\n").encode())
    tried = {name: [trial.settings[name] for trial in done] for name in done[0].settings}
    write_file(folder / TRIALS_PICTURE, plots.trials([trial.value for trial in done], metric, better, tried))


def _short(value: Any) -> str:
    return figure("", value) if isinstance(value, float) else str(value)
