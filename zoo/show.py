"""What people see: tables with units, progress bars, one closing line. `--json` prints the same for scripts."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

if TYPE_CHECKING:
    from export.parity import Progress as OnProgress
    from runtime import Bundle
    from runtime.verify import PixelReplay, Replay

console = Console(highlight=False)
stderr = Console(stderr=True, highlight=False)


def as_json(value: Any) -> None:
    """Print a value as JSON on stdout."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=1) + "\n")


@contextmanager
def progress() -> Iterator[OnProgress]:
    """Give a function that shows progress: a bar on a terminal, a line for each new step elsewhere."""
    if not stderr.is_terminal:
        last = ""

        def line(what: str, done: int, total: int) -> None:
            nonlocal last
            if what != last:
                stderr.print(f"{what} …", markup=False)
            last = what

        yield line
        return
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=stderr, transient=True) as bar:
        current = bar.add_task("")

        def step(what: str, done: int, total: int) -> None:
            known = total if total > 1 else None  # a single step has no parts to show
            if bar.tasks[0].total != known:
                bar.reset(current, total=known)
            bar.update(current, description=escape(what), completed=done)

        yield step


def table(title: str, *columns: str, rows: Iterable[Iterable[str]], right: Iterable[int] = ()) -> Table:
    """Return a table; `right` lists the columns of numbers."""
    made = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    for i, column in enumerate(columns):
        made.add_column(
            column, justify="right" if i in set(right) else "left", overflow="fold", no_wrap=i == 0 or i in set(right)
        )
    for row in rows:
        made.add_row(*(escape(cell) for cell in row))
    return made


def catalogue(json_wanted: bool) -> None:
    """Show recipes, data sets, formats and engines."""
    from runtime.engines import engine_module, engine_names
    from zoo.recipe import descriptions

    engines = {
        name: {
            "format": engine_module(name).FORMAT,
            "installed": not engine_module(name).missing(),
            "install": f"pip install 'edgezoo[{engine_module(name).EXTRA}]'",
        }
        for name in engine_names()
    }
    recipes, data = descriptions("zoo.recipes"), descriptions("zoo.data")
    formats = descriptions("export.formats")
    if json_wanted:
        as_json({"recipes": recipes, "data": data, "formats": formats, "engines": engines})
        return
    console.print(table("Recipes", "recipe", "what it is for", rows=recipes.items()))
    console.print(table("Data sets", "data", "what it is", rows=data.items()))
    console.print(table("Formats", "format", "what it is", rows=formats.items()))
    state = [
        (name, f".{engine['format']}", "yes" if engine["installed"] else f"no: {engine['install']}")
        for name, engine in engines.items()
    ]
    console.print(table("Engines", "engine", "runs", "installed", rows=state))


def recipe_options(name: str) -> None:
    """Show a recipe's options and the training options with the recipe's defaults."""
    from zoo.options import options_of
    from zoo.recipe import Training, recipe

    declared = recipe(name)
    for title, cls, defaults in (
        (f"Options of {name}: --set KEY=VALUE", declared.options, declared.options()),
        ("Training options: --set KEY=VALUE", Training, declared.training),
    ):
        rows = [(o.name, _value(getattr(defaults, o.name)), o.kind, o.help) for o in options_of(cls)]
        console.print(table(title, "key", "default", "type", "what it does", rows=rows))


def run(folder: Path, json_wanted: bool) -> None:
    """Show a finished run: figures per class, pictures, what comes next."""
    from zoo.pipeline import read_metrics
    from zoo.run import Run

    metrics, info = read_metrics(folder), Run.read(folder)
    if json_wanted:
        as_json({"run": str(folder), **{key: metrics[key] for key in metrics if key != "history"}})
        return
    held = "test" if "test" in metrics else "validation"
    rows = [
        (label, _share(row["precision"]), _share(row["recall"]), str(row["samples"]))
        for label, row in metrics[held]["classes"].items()
    ]
    console.print(
        table(
            f"{info.model.name} on {held}",
            "class",
            "precision",
            "recall",
            "samples",
            rows=rows,
            right=(1, 2, 3),
        )
    )
    for split in ("validation", "test"):
        if split in metrics:
            console.print(f"{split} accuracy {metrics[split]['accuracy']:.2%} of {metrics[split]['samples']} samples")
    for reason in metrics["skipped"]:
        console.print(f"skipped: {reason}", markup=False, soft_wrap=True)
    console.print(f"run      {folder} (model.safetensors, metrics.json, curves.png, confusion.png)", soft_wrap=True)
    console.print(f"next     zoo export {folder}", soft_wrap=True)


def bundle(found: Bundle, json_wanted: bool) -> None:
    """Show what is inside a bundle."""
    manifest = found.manifest
    if json_wanted:
        as_json(asdict(manifest))
        return
    spec, card = manifest.model, manifest.card
    height, width, channels = spec.input.shape
    labels = spec.output.labels
    shown = ", ".join(labels[:12]) + (f" … ({len(labels)} in all)" if len(labels) > 12 else "")
    facts = [
        ("model", spec.name + (f": {card.summary}" if card.summary else "")),
        ("input", f"{width}×{height} {'grey' if channels == 1 else 'RGB'} from any image: "
                  + " → ".join(step.step for step in spec.input.preprocess)),
        ("labels", f"{len(labels)}: {shown}" if len(labels) <= 12 else shown),
        *((name, _metric(name, value)) for name, value in card.metrics.items()),
    ]  # fmt: skip
    if card.data:
        counts = ", ".join(f"{count} {split}" for split, count in card.data.samples.items())
        facts.append(("data", f"{card.data.name} ({counts}); {card.data.source}; licence {card.data.licence}"))
    if card.weights:
        facts.append(("weights", f"{card.weights.name}; {card.weights.source}; licence {card.weights.licence}"))
    facts += [("proved on", f"{model.parity.engine}: {name}") for name, model in manifest.models.items()]
    facts.append(("made by", f"{manifest.generator}, {manifest.created}"))
    grid = Table.grid(padding=(0, 2))
    for name, text in facts:
        grid.add_row(f"[bold]{escape(name)}", escape(text))
    console.print(grid)
    rows = [
        (
            name,
            f"{manifest.files[name].size / 1000:,.0f}",
            model.spec.precision,
            "any" if model.spec.batch is None else str(model.spec.batch),
            f"{model.parity.max_difference:.1e}",
            f"{model.parity.agreement:.2%}",
            _share(model.parity.exported),
        )
        for name, model in manifest.models.items()
    ]
    samples = next(iter(manifest.models.values())).parity.samples
    title = f"Files, proved against PyTorch on {samples:,} samples"
    columns = ("file", "kB", "precision", "batch", "max diff", "agreement", "accuracy")
    console.print()
    console.print(table(title, *columns, rows=rows, right=(1, 3, 4, 5, 6)))
    console.print(f"[bold]bundle[/bold]  {escape(str(found.path))}", soft_wrap=True)


def verification(found: Sequence[PixelReplay | Replay], json_wanted: bool) -> bool:
    """Show replays; return whether all passed and at least one engine ran."""
    from runtime.verify import Replay

    engines = [result for result in found if isinstance(result, Replay)]
    good = all(result.passed is not False for result in found) and any(result.passed for result in engines)
    if json_wanted:
        as_json({"passed": good, "replays": [asdict(result) for result in found]})
        return good
    rows = []
    for result in found:
        if isinstance(result, Replay):
            gap = "" if result.max_difference is None else f"{result.max_difference:.1e}"
            agreement = "" if result.agreement is None else f"{result.agreement:.0%}"
            rows.append((result.file, _outcome(result.passed), gap, agreement, result.engine, result.note))
        else:
            gap = f"{result.max_difference} of 255"
            rows.append(("preprocessing", _outcome(result.passed), gap, "", "Pillow", result.note))
    columns = ("what", "outcome", "max diff", "agreement", "on", "note")
    console.print(table("Golden pack replayed on this machine", *columns, rows=rows, right=(2, 3)))
    console.print("verified: this machine gives PyTorch's answers" if good else "NOT verified")
    return good


def _metric(name: str, value: float) -> str:
    return f"{value:.2%}" if name.endswith("accuracy") else f"{value:.4g}"


def _outcome(passed: bool | None) -> str:
    return {True: "passed", False: "FAILED", None: "not installed"}[passed]


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.2%}"


def _value(value: Any) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(map(str, value))}]"
    return str(value).lower() if isinstance(value, bool) else str(value)
