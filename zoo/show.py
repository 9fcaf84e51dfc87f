"""What people see: tables with units, one closing line. `--json` prints the same for scripts."""

from __future__ import annotations

import json
import math
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.markup import escape
from rich.table import Table

from export.published import published_by
from runtime.figures import ABSENT, difference, figure, kilobytes, measured, milliseconds, number, percent
from runtime.inputs import ImageInput, SequenceInput, TableInput
from runtime.tasks import CTC, Anomaly, Forecasting, Regression
from zoo.metrics import beats
from zoo.names import display_name
from zoo.pictures import save
from zoo.screen import as_json, console, say, table
from zoo.tasks._classes import MEAN_RECALL, is_unbalanced

if TYPE_CHECKING:
    from export.diagnosis import Layer
    from runtime import Bundle
    from runtime.bundle import ModelFile
    from runtime.inputs import Input
    from runtime.spec import FileSpec
    from runtime.tasks import Output
    from runtime.verify import InputReplay, Replay
    from zoo.assess import Assessment
    from zoo.bench import Bench
    from zoo.budget import Found as Budget
    from zoo.compare import Comparison
    from zoo.data import Dataset
    from zoo.diagnose import Found as Diagnosed
    from zoo.folds import CrossValidation
    from zoo.importing import Imported
    from zoo.summary import Summary
    from zoo.tune import Search

WORST_LAYERS = 10
MOST_COLUMNS = 40

UNPROVED = "imported without an original to compare with; its golden pack holds its own answers"


def catalogue(json_wanted: bool) -> None:
    """Show recipes, data sets, formats and engines."""
    from runtime.engines import engine_module, engine_names
    from zoo.modules import descriptions

    engines = {
        name: {
            "format": engine_module(name).FORMAT,
            "installed": not engine_module(name).missing(),
            "install": f"pip install 'edgezoo[{engine_module(name).EXTRA}]'",
        }
        for name in engine_names()
    }
    recipes, data = descriptions("zoo.recipes"), descriptions("zoo.data")
    formats, tasks = descriptions("export.formats"), descriptions("zoo.tasks")
    if json_wanted:
        as_json({"recipes": recipes, "data": data, "tasks": tasks, "formats": formats, "engines": engines})
        return
    console.print(table("Recipes", "recipe", "what it is for", rows=recipes.items()))
    console.print(table("Data sets", "data", "what it is", rows=data.items()))
    console.print(table("Tasks", "task", "what the answer is, and how it is learnt", rows=tasks.items()))
    console.print(table("Formats", "format", "what it is", rows=formats.items()))
    state = [
        (name, f".{engine['format']}", "yes" if engine["installed"] else f"no: {engine['install']}")
        for name, engine in engines.items()
    ]
    console.print(table("Engines", "engine", "runs", "installed", rows=state))


def recipe_options(name: str) -> None:
    """Show a recipe's options and the training options with the recipe's defaults."""
    from zoo.options import options_of
    from zoo.recipes import Training, recipe

    declared = recipe(name)
    for title, cls, defaults in (
        (f"Options of {name}: --set KEY=VALUE", declared.options, declared.options()),
        ("Training options: --set KEY=VALUE", Training, declared.training),
    ):
        rows = [(o.name, _value(getattr(defaults, o.name)), o.kind, o.help) for o in options_of(cls)]
        console.print(table(title, "key", "default", "type", "what it does", rows=rows))


def run(folder: Path, json_wanted: bool) -> None:
    """Show a finished run: figures, what to be wary of, pictures, what comes next."""
    from zoo.pipeline import read_metrics
    from zoo.run import Run

    metrics, info = read_metrics(folder), Run.read(folder)
    if json_wanted:
        as_json({"run": str(folder), **{key: metrics[key] for key in metrics if key != "history"}})
        return
    splits = {split: metrics[split] for split in ("validation", "test") if metrics.get(split)}
    held = list(splits)[-1]
    evaluation(info.model.name, info.model.output, splits)
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


def evaluation(name: str, output: Output, splits: Mapping[str, Mapping[str, Any]]) -> None:
    """Show the metrics of splits side by side, and of the last split the figures of each class."""
    held, last = list(splits.items())[-1]
    if last.get("classes"):
        classes = [
            (label, _share(row["precision"]), _share(row["recall"]), _share(row["f1"]), str(row["samples"]))
            for label, row in last["classes"].items()
        ]
        columns = ("class", "precision", "recall", "F1", "samples")
        console.print(table(f"{name} on {held}", *columns, rows=classes, right=(1, 2, 3, 4)))
    unit = getattr(output, "unit", "")
    rows: list[tuple[str, ...]] = []
    for metric in last["metrics"]:
        shown = metric.replace("_", " ") + (f", {unit}" if unit and metric in ("mae", "rmse") else "")
        rows.append((shown, *(figure(metric, found["metrics"][metric]) if metric in found["metrics"] else ""
                              for found in splits.values())))  # fmt: skip
    rows.append((f"{output.metric.replace('_', ' ')} of a guess that ignores the input",
                 *(figure(output.metric, found["baseline"]) for found in splits.values())))  # fmt: skip
    rows.append(("samples", *(f"{found['samples']:,}" for found in splits.values())))
    title = name if last.get("classes") else f"{name} on {held}"
    console.print(table(title, "metric", *splits, rows=rows, right=range(1, 1 + len(splits))))


def worth(output: Output, found: Mapping[str, Any]) -> str | None:
    """Return a warning if the metric is no better than that of a guess that ignores the input."""
    metric, baseline, advice = output.metric, found["baseline"], ""
    counts = np.array([row["samples"] for row in found.get("classes", {}).values() if row["samples"]])
    if MEAN_RECALL in found["metrics"] and len(counts) > 1 and metric == "accuracy" and is_unbalanced(counts):
        metric, baseline = MEAN_RECALL, 1 / len(counts)
        advice = f"; its classes have {counts.min()} to {counts.max()} samples: get more of the rare ones"
    value = found["metrics"][metric]
    if beats(output.better, value, baseline):
        return None
    return (
        f"this model beats nothing: {metric.replace('_', ' ')} {figure(metric, value)}, and always giving the same "
        f"answer {figure(metric, baseline)}{advice or '; train longer'}, try another learning rate, check the labels"
    )


def folds(found: CrossValidation, json_wanted: bool) -> None:
    """Show a cross-validation: each fold, mean and deviation."""
    summary = found.summary()
    if json_wanted:
        spread = {name: {"mean": mean, "std": std} for name, (mean, std) in summary.items()}
        as_json({"folder": str(found.folder), "metric": found.metric, "folds": found.folds, "summary": spread})
        return
    rows = [(str(i), *(figure(name, fold[name]) for name in summary)) for i, fold in enumerate(found.folds, 1)]
    rows.append(("mean", *(figure(name, mean) for name, (mean, _) in summary.items())))
    rows.append(("deviation", *(figure(name, std) for name, (_, std) in summary.items())))
    names = [name.replace("_", " ") for name in summary]
    console.print(table("Cross-validation", "fold", *names, rows=rows, right=range(1, 1 + len(names))))
    console.print(f"runs     {escape(str(found.folder))}", soft_wrap=True)


def search(found: Search, folder: Path) -> None:
    """Show the trials of a search, the best first."""
    sign = -1 if found.better == "max" else 1
    ranked = sorted(found.trials, key=lambda trial: (trial.value is None, sign * (trial.value or 0)))
    names = list(found.best.settings)
    rows = [
        (
            str(trial.number),
            "" if trial.value is None else figure(found.metric, trial.value),
            *(number(value) if isinstance(value, float) else _value(value) for value in trial.settings.values()),
            trial.outcome,
        )
        for trial in ranked
    ]
    metric = f"validation {found.metric.replace('_', ' ')}"
    console.print(table("Trials, best first", "trial", metric, *names, "outcome", rows=rows, right=(0, 1)))
    console.print(f"search   {escape(str(folder))} (trials.json, trials.png)", soft_wrap=True)


def table_columns(found: Dataset) -> None:
    """Show how the columns of a user's table were read; of very many, those with a remark and the first."""
    if not found.columns:
        return
    remarked = [column for column in found.columns if column.remark]
    shown = found.columns if len(found.columns) <= MOST_COLUMNS else tuple(remarked or found.columns)[:MOST_COLUMNS]
    rows = [
        (column.name, column.kind, column.holds, f"{column.missing:.0%}" if column.missing else "", column.remark)
        for column in shown
    ]
    console.print(table("Columns as read", "column", "read as", "holds", "empty", "remark", rows=rows, right=[3]))
    if len(shown) < len(found.columns):
        console.print(f"{len(found.columns) - len(shown)} more columns")
    if remarked:
        names = ",".join(column.name for column in remarked[:MOST_COLUMNS])
        say(f"to leave these out: --drop {shlex.quote(names)}", "yellow")


def dataset(found: Dataset, json_wanted: bool) -> None:
    """Show a data set: sizes, balance of the classes, fingerprint."""
    from zoo.recipes._inputs import NAMES

    origin, balance = found.origin(), found.balance()
    if json_wanted:
        columns = [asdict(column) for column in found.columns]
        as_json(asdict(origin) | ({"columns": columns} if columns else {}))
        return
    splits = list(origin.samples)
    rows = [(label, *(f"{balance[split][label]:,}" for split in splits)) for label in balance.get("train", {})]
    rows.append(("all", *(f"{origin.samples[split]:,}" for split in splits)))
    what = "label" if balance else "items"
    kind = NAMES[type(found.content)]
    console.print(table(f"{found.name}: {kind}", what, *splits, rows=rows, right=range(1, 1 + len(splits))))
    table_columns(found)
    say(f"source       {found.source}; licence {found.licence}")
    console.print(f"fingerprint  {origin.fingerprint}", soft_wrap=True)


def summary(found: Summary, json_wanted: bool) -> None:
    """Show a network's layers."""
    if json_wanted:
        as_json(asdict(found))
        return
    rows = [
        (layer.name, layer.kind, "×".join(map(str, layer.output)), f"{layer.parameters:,}", f"{layer.macs:,}")
        for layer in found.layers
    ]
    shape = "×".join(map(str, found.input))
    title = f"{found.recipe}: input {shape}, {found.outputs} outputs"
    console.print(table(title, "layer", "kind", "output", "parameters", "MACs", rows=rows, right=(2, 3, 4)))
    console.print(
        f"{found.parameters:,} parameters ({kilobytes(found.parameters * 4)} kB in float32), {found.macs:,} MACs"
    )


def assessment(found: Assessment, folder: Path, json_wanted: bool) -> None:
    """Show what a model is worth on data, and write metrics and pictures."""
    from runtime.atomic import write_file

    model, output = found.model, found.model.spec.output
    report = {
        "model": model.spec.name,
        "file": model.file.name,
        "engine": model.engine.version,
        "data": found.data,
        "split": found.split,
        **found.found,
        "mistakes": [asdict(mistake) for mistake in found.mistakes],
        "skipped": list(found.skipped),
    }
    folder.mkdir(parents=True, exist_ok=True)
    write_file(folder / "metrics.json", (json.dumps(report, ensure_ascii=False, indent=1) + "\n").encode())
    for name, picture in found.pictures.items():
        write_file(folder / name, picture)
    if json_wanted:
        as_json({**report, "folder": str(folder)})
        return
    title = f"{model.spec.name} ({model.file.name} on {model.engine.version}), {found.data}"
    evaluation(title, output, {found.split: found.found})
    if found.mistakes:
        rows = [(mistake.item, mistake.target, mistake.answer) for mistake in found.mistakes]
        console.print(table("The worst mistakes", "item", "right", "answer", rows=rows))
    if found.skipped:
        console.print(f"skipped  {len(found.skipped)} that could not be read, which the figures leave out:")
        for reason in found.skipped:
            console.print(f"  {reason}", markup=False, soft_wrap=True)
    note = worth(output, found.found)
    if note:
        say(note, "yellow")
    if found.note:
        say(found.note, "yellow")
    say(f"written  {folder} ({', '.join(('metrics.json', *found.pictures))})")


def comparison(found: Comparison, out: Path, json_wanted: bool) -> None:
    """Show model files side by side, and write the picture."""
    from zoo.compare import picture

    if json_wanted:
        reason = save(out, lambda: picture(found))
        as_json({**asdict(found), "picture": None if reason else str(out)})
        return
    sign = -1 if found.better == "max" else 1
    rows = [
        (
            row.bundle,
            row.file,
            ABSENT if row.quality is None else figure(found.metric, row.quality),
            ABSENT if row.quality is None else f"{row.samples:,}",
            kilobytes(row.size),
            _thousandth(row.latency),
            row.engine,
            row.note,
        )
        for row in sorted(
            found.rows, key=lambda row: (row.latency is None, sign * (row.quality or 0), row.latency or math.inf)
        )
    ]
    columns = ("bundle", "file", found.metric.replace("_", " "), "samples", "kB", "ms a sample", "engine", "note")
    console.print(table("Best first", *columns, rows=rows, right=(2, 3, 4, 5)))
    for note in found.notes:
        say(note, "yellow")
    _say_picture(out, save(out, lambda: picture(found)))


def budget(found: Budget, json_wanted: bool) -> None:
    """Show what a search tried and what it chose."""
    if json_wanted:
        as_json(_finite(asdict(found) | {"bundle": None if found.bundle is None else str(found.bundle)}))
        return
    rows = [
        (
            each.file,
            each.variant,
            ABSENT if each.metric is None else figure(found.metric, each.metric),
            ABSENT if each.drop is None else f"{each.drop:.2f}",
            _share(each.agreement),
            ABSENT if each.size is None else kilobytes(each.size),
            _thousandth(each.latency),
            each.rejected or "winner",
        )
        for each in found.tried
    ]
    columns = ("file", "options", found.metric.replace("_", " "), "drop %", "agreement", "kB", "ms", "why not")
    console.print(table("Tried, from cheap to dear", *columns, rows=rows, right=range(2, 7)))
    say(found.reason)
    if found.bundle is not None:
        console.print(f"[bold]bundle[/bold]  {escape(str(found.bundle))}", soft_wrap=True)


def bench(found: Bench, out: Path, json_wanted: bool) -> None:
    """Show what each file of a bundle costs here and what it is worth, and write the picture."""
    from zoo.bench import picture

    timed = [row for row in found.rows if row.latency is not None]
    if json_wanted:
        reason = save(out, lambda: picture(found)) if timed else "nothing was measured"
        as_json({**asdict(found), "picture": None if reason else str(out)})
        return
    rows = [
        (
            row.file,
            ABSENT if row.quality is None else figure(found.metric, row.quality),
            _share(row.agreement),
            kilobytes(row.size),
            _thousandth(row.load),
            ABSENT if row.memory is None else number(row.memory / 1e6, 3),
        )
        for row in found.rows
    ]
    metric = found.metric.replace("_", " ")
    columns = ("file", metric, "agreement", "kB", "load ms", "MB")
    on = f" on {found.data}" if found.data else ""
    console.print(table(f"What each file is worth{on}, and what it takes", *columns, rows=rows, right=range(1, 6)))
    speed = [
        (
            row.file,
            _thousandth(row.latency),
            _thousandth(row.p95),
            *(ABSENT if value is None else number(value, 3) for value in (row.throughput, row.throughput_8)),
            "recommended" if row.file == found.recommended else "slower than fp32" if row.slower else "",
        )
        for row in timed
    ]
    columns = ("file", "ms", "p95 ms", "a second", "in 8s", "here")
    console.print(
        table(
            "Median time of one sample; samples a second, one by one and in batches of 8",
            *columns,
            rows=speed,
            right=range(1, 5),
        )
    )
    for row in found.rows:
        for note in filter(None, (row.note, row.drift)):
            say(f"{row.file}: {note}", "yellow")
    for note in found.notes:
        say(note, "yellow")
    console.print(f"on       {', '.join(dict.fromkeys(row.engine for row in found.rows))}, CPU", soft_wrap=True)
    if timed:
        _say_picture(out, save(out, lambda: picture(found)))


def _thousandth(seconds: float | None) -> str:
    return ABSENT if seconds is None else milliseconds(seconds)


def diagnosis(found: Diagnosed, out: Path, json_wanted: bool) -> None:
    """Show where a file departs from PyTorch, and write the picture."""
    result, first = found.diagnosis, found.diagnosis.first

    def draw() -> bytes:
        from zoo import plots

        return plots.depths(result, f"{display_name(found.bundle)}/{found.file} against PyTorch")

    if json_wanted:
        reason = save(out, draw)
        rows = [asdict(layer) | {"snr": layer.snr, "jumps": layer.jumps} for layer in result.layers]
        as_json({
            "file": found.file,
            "run": str(found.run),
            "samples": result.samples,
            "first": None if first is None else first.path,
            "layers": _finite(rows),
            "notes": found.notes,
            "picture": None if reason else str(out),
        })  # fmt: skip
        return
    last = result.layers[-1]
    if first is None:
        verdict = f"no layer adds more error than its arithmetic explains; at the output {_decibels(last)}"
    else:
        verdict = (
            f"the error jumps at [bold]{escape(_path(first))}[/bold]: it adds {first.own:.2g} of its signal by itself, "
            f"where {first.limit:.1g} could be explained"
        )
    layers = [
        (
            _path(layer) + (" ←" if layer is first else ""),
            _operators(layer),
            "×".join(map(str, layer.shape)),
            _range(layer.wanted),
            _range(layer.found),
            difference(layer.own),
            _decibels(layer),
        )
        for layer in result.worst(WORST_LAYERS)
    ]
    columns = ("layer", "operators", "shape", "PyTorch's range", "its range", "own error", "SNR")
    console.print(f"{escape(found.file)}: {verdict}", soft_wrap=True)
    console.print()
    title = f"The worst of {len(result.layers)} layers, on {result.samples} samples"
    console.print(table(title, *columns, rows=layers, right=(3, 4, 5, 6)))
    for note in found.notes:
        say(note, "yellow")
    _say_picture(out, save(out, draw))


def _say_picture(out: Path, reason: str) -> None:
    if reason:
        say(reason, "yellow")
    else:
        console.print(f"picture  {escape(str(out))}", soft_wrap=True)


def _path(layer: Layer) -> str:
    return layer.path or "the module itself"


def _operators(layer: Layer) -> str:
    kinds = list(dict.fromkeys(layer.operators))
    several = f" … ({len(layer.operators)})" if len(layer.operators) > len(kinds) or len(kinds) > 3 else ""
    return "+".join(kinds[:3]) + several


def _range(ends: tuple[float, float]) -> str:
    return f"{number(ends[0])} … {number(ends[1])}"


def _decibels(layer: Layer) -> str:
    return "exact" if layer.error == 0 else f"{layer.snr:.1f} dB"


def _finite(value: Any) -> Any:
    """Return a value for JSON, which has no infinity."""
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    if isinstance(value, dict):
        return {name: _finite(each) for name, each in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value


def bundle(found: Bundle, json_wanted: bool, *, yours: bool = False) -> None:
    """Show what is inside a bundle; `yours` if it is shown to the person who has made it."""
    manifest = found.manifest
    if json_wanted:
        as_json(asdict(manifest))
        return
    spec, card = manifest.model, manifest.card
    facts = [
        ("model", spec.name + (f": {card.summary}" if card.summary else "")),
        ("input", describe_input(spec.input)),
        ("output", describe_output(spec.output)),
        *((name, measured(name, value, getattr(spec.output, "unit", ""))) for name, value in card.metrics.items()),
    ]
    if card.data:
        counts = ", ".join(f"{count} {split}" for split, count in card.data.samples.items())
        facts.append(("data", f"{card.data.name} ({counts}); {card.data.source}; licence {card.data.licence}"))
    if card.weights:
        facts.append(("weights", f"{card.weights.name}; {card.weights.source}; licence {card.weights.licence}"))
    facts += [
        ("proved on", f"{model.parity.engine}: {name}") for name, model in manifest.models.items() if model.parity
    ]
    facts += [("not proved", f"{name}: {UNPROVED}") for name, model in manifest.models.items() if not model.parity]
    facts.append(("samples", published_by(manifest, yours=yours)))
    facts.append(("made by", f"{manifest.generator}, {manifest.created}"))
    grid = Table.grid(padding=(0, 2))
    for name, text in facts:
        grid.add_row(f"[bold]{escape(name)}", escape(text))
    console.print(grid)
    rows = [
        (
            name,
            kilobytes(manifest.files[name].size),
            model.spec.precision,
            "any" if model.spec.batch is None else str(model.spec.batch),
            *(_steps(spec.input, model.spec),)[: isinstance(spec.input, SequenceInput)],
            *_proof(model, spec.output.metric),
        )
        for name, model in manifest.models.items()
    ]
    parity = next(iter(manifest.models.values())).parity
    title = f"Files, proved against PyTorch on {parity.samples:,} samples" if parity else "Files"
    steps = ("steps",) if isinstance(spec.input, SequenceInput) else ()
    columns = (
        "file",
        "kB",
        "precision",
        "batch",
        *steps,
        "max diff",
        "SNR dB",
        "agreement",
        spec.output.metric.replace("_", " "),
    )
    console.print()
    console.print(table(title, *columns, rows=rows, right=(1, *range(3, len(columns)))))
    for name, model in manifest.models.items():
        for line in quantised(model):
            say(f"{name}: {line}")
    console.print(f"[bold]bundle[/bold]  {escape(str(found.path))}", soft_wrap=True)


def _proof(model: ModelFile, metric: str) -> tuple[str, str, str, str]:
    """Return the largest difference from PyTorch, the signal-to-noise ratio, agreement and metric."""
    parity = model.parity
    if parity is None:
        return (ABSENT,) * 4
    return (
        difference(parity.max_difference),
        "" if parity.snr is None else f"{parity.snr:.0f}",
        percent(parity.agreement),
        ABSENT if parity.exported is None or model.spec.state else figure(metric, parity.exported),
    )


def imported(found: Imported, json_wanted: bool) -> None:
    """Show a bundle that was made of a third-party file: what is known of it, and from where."""
    from zoo.imports.facts import shown

    facts, origins = found.known.facts, found.known.origins
    if json_wanted:
        as_json({
            "bundle": str(found.bundle.path),
            "facts": {name: {"value": getattr(facts, name), "from": source} for name, source in origins.items()},
            "notes": found.known.notes,
            "samples": found.samples,
        })  # fmt: skip
        return
    rows = [(name, shown(getattr(facts, name)), source) for name, source in origins.items()]
    console.print(table("What is known of the file", "what", "value", "from", rows=rows))
    for note in found.known.notes:
        say(note, "yellow")
    say(published_by(found.bundle.manifest, yours=True))
    if found.bundle.golden() is not None:
        say("The pack holds what the file answers here: no proof that it is right.")
    console.print(f"[bold]bundle[/bold]  {escape(str(found.bundle.path))}", soft_wrap=True)


def quantised(model: ModelFile) -> list[str]:
    """Return what is to be known of a file's precision, in lines."""
    lines = [f"loses the answer: {model.spec.drift}"] if model.spec.drift else []
    how = model.quantisation
    if how is not None and how.samples:
        spread = sorted(how.balance.values())
        balance = f", {spread[0]} to {spread[-1]} of each class" if spread else ""
        lines.append(f"calibrated on {how.samples} training samples{balance}, {how.method}")
    if model.footprint:
        taken = " and ".join(f"{size:,} bytes of {kind}" for kind, size in model.footprint.items())
        lines.append(f"takes {taken}; the interpreter's own code comes on top")
    if how is not None and how.kept:
        lines.append(f"{len(how.kept)} layers in fp32: {', '.join(how.kept)}")
    return lines


def describe_input(taken: Input) -> str:
    """Return what a model takes, in a line."""
    if isinstance(taken, ImageInput):
        height, width, channels = taken.shape
        steps = " → ".join(step.step for step in taken.preprocess)
        return f"{width}×{height} {'grey' if channels == 1 else 'RGB'} from any image: {steps}"
    if isinstance(taken, TableInput):
        return f"a row of {len(taken.columns)} columns: {_some([column.name for column in taken.columns])}"
    source = ", or the rows of an image" if taken.preprocess else ""
    return f"a sequence of {taken.length} steps of {len(taken.features)}: {_some(taken.features)}{source}"


def describe_output(output: Output) -> str:
    """Return what a model gives, in a line."""
    if isinstance(output, Regression | Forecasting):
        steps = f", the next {output.horizon} steps" if isinstance(output, Forecasting) else ""
        return f"{output.task}: {output.target}{f' in {output.unit}' if output.unit else ''}{steps}"
    if isinstance(output, CTC):
        return f"{output.task}: text of {output.alphabet}"
    if isinstance(output, Anomaly):
        return f"{output.task}: a score, above {number(output.threshold)} an anomaly"
    inside = "" if output.activation == "none" else f"; the {output.activation} is in the graph"
    return f"{output.task}: {len(output.labels)} labels: {_some(output.labels)}{inside}"


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:12]) + (f" … ({len(names)} in all)" if len(names) > 12 else "")


def _steps(taken: Input, file: FileSpec) -> str:
    return "one by one" if file.state else "any" if file.steps is None else str(file.steps)


def pushed(where: str, found: Bundle, public: bool, json_wanted: bool) -> None:
    """Show the address of a commit, who sees it, and whose data is there."""
    if json_wanted:
        as_json({"commit": where, "public": public, "samples": published_by(found.manifest, yours=True)})
        return
    console.print(f"pushed {escape(where)} ({'everybody sees it' if public else 'private'})", soft_wrap=True)
    say(published_by(found.manifest, yours=True))


def signed(where: Path, json_wanted: bool) -> None:
    """Show where a signature lies."""
    if json_wanted:
        as_json({"signature": str(where)})
    else:
        console.print("signed ", escape(str(where)), sep="", soft_wrap=True)


def verification(found: Sequence[InputReplay | Replay], json_wanted: bool) -> bool:
    """Show replays; return whether all passed and at least one engine ran."""
    from runtime.verify import InputReplay, Replay

    engines = [result for result in found if isinstance(result, Replay)]
    replayed = any(isinstance(result, InputReplay) for result in found)
    good = all(result.passed is not False for result in found) and any(result.passed for result in engines)
    if json_wanted:
        as_json({"passed": good if replayed else None, "replays": [asdict(result) for result in found]})
        return good
    rows = []
    for result in found:
        if isinstance(result, Replay):
            gap = "" if result.max_difference is None else difference(result.max_difference)
            agreement = "" if result.agreement is None else percent(result.agreement)
            rows.append((result.file, _outcome(result), gap, agreement, result.engine, result.note))
        else:
            rows.append(("inputs", _outcome(result), number(result.max_difference), "", "runtime", result.note))
    columns = ("what", "outcome", "max diff", "agreement", "on", "note")
    title = "Golden pack replayed on this machine" if replayed else "Files run on this machine"
    console.print(table(title, *columns, rows=rows, right=(2, 3)))
    whose = "PyTorch's answers" if all(result.proved for result in engines) else "the answers recorded at import"
    nothing = "NOT verified: nothing to replay, for the bundle was made without a golden pack"
    verdict = f"verified: this machine gives {whose}" if good else "NOT verified" if replayed else nothing
    say(verdict)
    return good


def _outcome(result: InputReplay | Replay) -> str:
    if result.passed is None:
        return "ran" if result.samples else "not run"
    return "passed" if result.passed else "FAILED"


def _share(value: float | None) -> str:
    return ABSENT if value is None else percent(value)


def _value(value: Any) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(map(str, value))}]"
    return str(value).lower() if isinstance(value, bool) else str(value)
