"""Recipes and their runs: options, metrics, folds, trials, layers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.markup import escape

from runtime.humanize import figure, kilobytes, number
from zoo.cli.views.cells import share, value
from zoo.report.metrics import beats
from zoo.tasks._classes import MEAN_RECALL, is_unbalanced
from zoo.terminal import say_json
from zoo.terminal.console import console, say
from zoo.terminal.tables import table

if TYPE_CHECKING:
    from runtime.tasks import Output
    from zoo.train.cross_validation import CrossValidation
    from zoo.train.summary import Summary
    from zoo.train.tune import Search


def recipe_options(name: str) -> None:
    """Show a recipe's options and the training options with the recipe's defaults."""
    from zoo.options import options_of
    from zoo.recipes import Training, recipe

    declared = recipe(name)
    for title, cls, defaults in (
        (f"Options of {name}: --set KEY=VALUE", declared.options, declared.options()),
        ("Training options: --set KEY=VALUE", Training, declared.training),
    ):
        rows = [(o.name, value(getattr(defaults, o.name)), o.kind, o.help) for o in options_of(cls)]
        console.print(table(title, "key", "default", "type", "what it does", rows=rows))


def run(folder: Path, json_wanted: bool) -> None:
    """Show a finished run: figures, what to be wary of, pictures, what comes next."""
    from zoo.measure.listening import summarize_rules
    from zoo.train.pipeline import read_metrics
    from zoo.train.run import Run

    metrics, info = read_metrics(folder), Run.read(folder)
    if json_wanted:
        say_json({"run": str(folder), **{key: metrics[key] for key in metrics if key != "history"}})
        return
    splits = {split: metrics[split] for split in ("validation", "test") if metrics.get(split)}
    held = list(splits)[-1]
    show_scores(info.model.name, info.model.output, splits)
    rules, heard = info.model.listening, metrics.get("listening")
    if rules and heard:
        say(summarize_rules(rules, heard, "recordings composed of the validation split"))
    if metrics["over_fitting"]:
        say(metrics["over_fitting"], "yellow")
    for reason in metrics["skipped"]:
        say(f"skipped: {reason}")
    output = info.model.output
    note = worth(output, splits[held])
    if note:
        say(note, "yellow")
    console.print(
        f"run      {escape(str(folder))} (model.safetensors, metrics.json, {', '.join(metrics['pictures'])})",
        soft_wrap=True,
    )
    console.print(f"next     zoo export {escape(str(folder))}", soft_wrap=True)


def show_scores(name: str, output: Output, splits: Mapping[str, Mapping[str, Any]]) -> None:
    """Show the metrics of splits side by side, and of the last split the figures of each class."""
    held, last = list(splits.items())[-1]
    if last.get("classes"):
        shares = {"precision": "precision", "recall": "recall", "f1": "F1", "ap50": "AP50", "ap": "AP"}
        keys = [key for key in shares if key in next(iter(last["classes"].values()))]
        classes = [
            (label, *(share(row[key]) for key in keys), str(row["samples"])) for label, row in last["classes"].items()
        ]
        columns = ("class", *(shares[key] for key in keys), "samples")
        console.print(table(f"{name} on {held}", *columns, rows=classes, right=range(1, len(columns))))
    unit = getattr(output, "unit", "")
    rows: list[tuple[str, ...]] = []
    for metric in last["metrics"]:
        shown = metric.replace("_", " ") + (f", {unit}" if unit and metric in ("mae", "rmse") else "")
        rows.append((shown, *(figure(metric, scores["metrics"][metric]) if metric in scores["metrics"] else ""
                              for scores in splits.values())))  # fmt: skip
    rows.append((f"{output.metric.replace('_', ' ')} of a guess that ignores the input",
                 *(figure(output.metric, scores["baseline"]) for scores in splits.values())))  # fmt: skip
    rows.append(("samples", *(f"{scores['samples']:,}" for scores in splits.values())))
    title = name if last.get("classes") else f"{name} on {held}"
    console.print(table(title, "metric", *splits, rows=rows, right=range(1, 1 + len(splits))))


def worth(output: Output, scores: Mapping[str, Any]) -> str | None:
    """Return a warning if the metric is no better than that of a guess that ignores the input."""
    metric, baseline, advice = output.metric, scores["baseline"], ""
    counts = np.array([row["samples"] for row in scores.get("classes", {}).values() if row["samples"]])
    if MEAN_RECALL in scores["metrics"] and len(counts) > 1 and metric == "accuracy" and is_unbalanced(counts):
        metric, baseline = MEAN_RECALL, 1 / len(counts)
        advice = f"; its classes have {counts.min()} to {counts.max()} samples: get more of the rare ones"
    value = scores["metrics"][metric]
    if beats(output.better, value, baseline):
        return None
    return (
        f"this model beats nothing: {metric.replace('_', ' ')} {figure(metric, value)}, and always giving the same "
        f"answer {figure(metric, baseline)}{advice or '; train longer'}, try another learning rate, check the labels"
    )


def folds(validation: CrossValidation, json_wanted: bool) -> None:
    """Show a cross-validation: each fold, mean and deviation."""
    summary = validation.summary()
    if json_wanted:
        spread = {name: {"mean": mean, "std": std} for name, (mean, std) in summary.items()}
        say_json(
            {
                "folder": str(validation.folder),
                "metric": validation.metric,
                "folds": validation.folds,
                "summary": spread,
            }
        )
        return
    rows = [(str(i), *(figure(name, fold[name]) for name in summary)) for i, fold in enumerate(validation.folds, 1)]
    rows.append(("mean", *(figure(name, mean) for name, (mean, _) in summary.items())))
    rows.append(("deviation", *(figure(name, std) for name, (_, std) in summary.items())))
    names = [name.replace("_", " ") for name in summary]
    console.print(table("Cross-validation", "fold", *names, rows=rows, right=range(1, 1 + len(names))))
    console.print(f"runs     {escape(str(validation.folder))}", soft_wrap=True)


def search(result: Search, folder: Path) -> None:
    """Show the trials of a search, the best first."""
    sign = -1 if result.better == "max" else 1
    ranked = sorted(result.trials, key=lambda trial: (trial.value is None, sign * (trial.value or 0)))
    names = list(result.best.settings)
    rows = [
        (
            str(trial.number),
            "" if trial.value is None else figure(result.metric, trial.value),
            *(number(each) if isinstance(each, float) else value(each) for each in trial.settings.values()),
            trial.outcome,
        )
        for trial in ranked
    ]
    metric = f"validation {result.metric.replace('_', ' ')}"
    console.print(table("Trials, best first", "trial", metric, *names, "outcome", rows=rows, right=(0, 1)))
    console.print(f"search   {escape(str(folder))} (trials.json, trials.png)", soft_wrap=True)


def summary(network: Summary, json_wanted: bool) -> None:
    """Show a network's layers."""
    if json_wanted:
        say_json(asdict(network))
        return
    rows = [
        (layer.name, layer.kind, "×".join(map(str, layer.output)), f"{layer.parameters:,}", f"{layer.macs:,}")
        for layer in network.layers
    ]
    shape = "×".join(map(str, network.input))
    title = f"{network.recipe}: input {shape}, {network.outputs} outputs"
    console.print(table(title, "layer", "kind", "output", "parameters", "MACs", rows=rows, right=(2, 3, 4)))
    console.print(
        f"{network.parameters:,} parameters ({kilobytes(network.parameters * 4)} kB in float32), {network.macs:,} MACs"
    )
