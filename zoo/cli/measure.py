"""Commands that measure: evaluate, compare, bench, diagnose."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from zoo.cli.arguments import (
    AsJson,
    BundlePath,
    BundlePaths,
    Engine,
    Overwrite,
    Picture,
    SkipBad,
    Target,
    Threads,
    Trusted,
)
from zoo.resolve import resolve


def evaluate(
    model: Annotated[
        Path,
        typer.Argument(
            metavar="BUNDLE", help="A bundle's folder, one model file of it, or a model's name.", parser=resolve
        ),
    ],
    recordings: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[RECORDING]...",
            help="Long recordings to listen to, each with the CSV file of its words beside it: time (or start and end) "
            "in seconds, and label.",
        ),
    ] = None,
    data: Annotated[str | None, typer.Option(help="Data set, NAME or NAME:PATH.")] = None,
    annotations: Annotated[
        Path | None, typer.Option(help="The words of the recording, where they are not in the CSV file beside it.")
    ] = None,
    target: Target = None,
    split: Annotated[
        str, typer.Option(help="train, validation, test or all; auto takes what it wasn't trained on.")
    ] = ("auto"),
    engine: Engine = "auto",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda and so on.")] = "auto",
    out: Annotated[
        Path | None, typer.Option(help="Folder for metrics and pictures; evaluations/MODEL-on-DATA by default.")
    ] = None,
    skip_bad: SkipBad = False,
    overwrite: Overwrite = False,
    trusted: Trusted = False,
    as_json: AsJson = False,
) -> None:
    """Measure an exported model on a data set: metrics, confusion matrix, the worst mistakes as a picture.

    Models that listen are measured on long RECORDINGs too: words found and missed, and false alarms per hour.
    """
    from runtime import OptionError
    from zoo.cli.views import measures as views
    from zoo.terminal import say_json
    from zoo.terminal.progress import progress
    from zoo.train.folders import check_report, report_folder

    folder = out

    def check(name: str, dataset: str) -> None:
        nonlocal folder
        folder = out or report_folder(name, dataset)
        check_report(folder, overwrite)

    if (data is None) == (not recordings):
        raise OptionError("name either a data set with --data, or RECORDINGs; see zoo evaluate --help")
    if recordings and (target or split != "auto" or skip_bad):
        raise OptionError("--target, --split and --skip-bad are for data sets, not for RECORDINGs")
    if data and annotations:
        raise OptionError("--annotations is for a RECORDING, not for --data")
    with progress() as on_progress:
        on_progress("load the model", 0, 1)
        from zoo.measure.evaluate import Evaluation, evaluate
        from zoo.measure.evaluate_listening import ListeningEvaluation, evaluate_listening

        evaluation: Evaluation | ListeningEvaluation
        if data is not None:
            evaluation = evaluate(
                model, data, target=target, split=split, engine=engine, device=device, trusted=trusted,
                skip_bad=skip_bad, on_loaded=check, on_progress=on_progress,
            )  # fmt: skip
        else:
            evaluation = evaluate_listening(
                model, recordings or [], annotations, engine=engine, device=device, trusted=trusted,
                on_loaded=check, on_progress=on_progress,
            )  # fmt: skip
    written = evaluation.write(folder or Path())
    if as_json:
        say_json({**evaluation.report(), "folder": str(folder)})
    elif isinstance(evaluation, ListeningEvaluation):
        views.listening(evaluation, written)
    else:
        views.evaluation(evaluation, written)


def compare(
    bundles: BundlePaths,
    data: Annotated[str | None, typer.Option(help="Measure all on this data set; each on its own by default.")] = None,
    target: Target = None,
    out: Picture = Path("comparison.png"),
    overwrite: Overwrite = False,
    trusted: Trusted = False,
    as_json: AsJson = False,
) -> None:
    """Put bundles side by side: accuracy, size and latency of every file, as a table and a picture."""
    from runtime.atomic import check_file
    from zoo.cli.views import measures as views
    from zoo.terminal.progress import progress

    check_file(out, overwrite)
    with progress() as on_progress:
        on_progress("open the bundles", 0, 1)
        from zoo.measure.compare import compare, picture

        comparison = compare(bundles, data, target, on_progress, trusted=trusted)
    _show(asdict(comparison), partial(views.comparison, comparison), out, partial(picture, comparison), as_json)


def bench(
    bundle: BundlePath,
    data: Annotated[str | None, typer.Option(help="Measure quality on this data set; by default as exported.")] = None,
    target: Target = None,
    engine: Engine = "auto",
    threads: Threads = None,
    out: Picture = Path("bench.png"),
    overwrite: Overwrite = False,
    trusted: Trusted = False,
    as_json: AsJson = False,
) -> None:
    """Measure each file here: quality, size, latency, throughput, load time and memory, and which one to take."""
    from runtime.atomic import check_file
    from zoo.cli.views import measures as views
    from zoo.terminal.progress import progress

    check_file(out, overwrite)
    with progress() as on_progress:
        on_progress("open the bundle", 0, 1)
        from zoo.measure.bench import bench, picture

        measures = bench(
            bundle, data=data, target=target, engine=engine, threads=threads, trusted=trusted, on_progress=on_progress
        )
    draw = partial(picture, measures) if any(row.latency is not None for row in measures.rows) else None
    _show(asdict(measures), partial(views.bench, measures), out, draw, as_json)


def diagnose(
    bundle: BundlePath,
    file: Annotated[str | None, typer.Option(help="A model file of the bundle; the least faithful by default.")] = None,
    run: Annotated[
        Path | None,
        typer.Option(help="The run that it was exported from; runs/ and the bundle's name by default."),
    ] = None,
    out: Picture = Path("diagnosis.png"),
    overwrite: Overwrite = False,
    trusted: Trusted = False,
    as_json: AsJson = False,
) -> None:
    """Find the layer where a file departs from PyTorch, on the golden pack's samples: a table and a picture."""
    from runtime.atomic import check_file
    from zoo.cli.views import diagnosis as views
    from zoo.terminal.progress import progress

    check_file(out, overwrite)
    with progress() as on_progress:
        on_progress("load PyTorch", 0, 1)
        from zoo.exporting.diagnose import diagnose, picture

        diagnosis = diagnose(bundle, file, run=run, trusted=trusted, on_progress=on_progress)
    _show(views.plain(diagnosis), partial(views.diagnosis, diagnosis), out, partial(picture, diagnosis), as_json)


def _show(
    plain: dict[str, Any], show: Callable[[], None], out: Path, draw: Callable[[], bytes] | None, as_json: bool
) -> None:
    """Show results and write their picture: people see the results before it is tried.

    Args:
        plain: The results for JSON.
        show: Prints them for people.
        out: The picture's file.
        draw: Draws it; None where there is nothing to draw.
        as_json: Whether to print JSON.
    """
    from zoo.cli.views.cells import picture_line
    from zoo.report.pictures import save
    from zoo.terminal import say_json

    if as_json:
        written = draw is not None and not save(out, draw)
        say_json({**plain, "picture": str(out) if written else None})
        return
    show()
    if draw is not None:
        picture_line(out, save(out, draw))
