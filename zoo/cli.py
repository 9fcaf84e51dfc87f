"""The command line: each command parses, calls one function and shows what it returns.

Nothing heavy is imported before a command needs it. `zoo predict` parses for itself; see `zoo.predict`.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from runtime.errors import OptionError

app = typer.Typer(
    help="From data to a bundle that can be trusted: train, export to ONNX and TFLite, prove parity, predict.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["--help", "-h"]},
)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]
Threads = Annotated[int | None, typer.Option(help="CPU threads; by default one for a small model, else all.")]
BundlePath = Annotated[Path, typer.Argument(metavar="BUNDLE", help="A bundle's folder.")]


def run_app() -> int:
    """Run the command that the command line names; return its exit status.

    Raises:
        OptionError: If the command line makes no sense.
    """
    try:
        return int(app(standalone_mode=False) or 0)
    except typer.Abort:
        raise KeyboardInterrupt from None
    except Exception as problem:
        if not hasattr(problem, "format_message"):  # typer's own complaints have it
            raise
        raise OptionError(f"{problem.format_message() or 'say what to do:'} see zoo --help") from None


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """Show recipes, data sets, formats and engines, and what they are for."""
    from zoo import show

    show.catalogue(as_json)


@app.command(add_help_option=False)
def train(
    context: typer.Context,
    recipe: Annotated[str | None, typer.Argument(metavar="RECIPE", help="A recipe of `zoo list`.")] = None,
    data: Annotated[str | None, typer.Option(help="Data set, NAME or NAME:PATH; the recipe's own by default.")] = None,
    out: Annotated[Path | None, typer.Option(help="Run folder; runs/RECIPE-DATA by default.")] = None,
    epochs: Annotated[int | None, typer.Option(help="The same as --set epochs=N.")] = None,
    settings: Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Set an option.")] = None,
    config: Annotated[Path | None, typer.Option(help="TOML file with options; --set has the last word.")] = None,
    seed: Annotated[int, typer.Option(help="Decides split, weights, order and augmentation.")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    devices: Annotated[int, typer.Option(min=1, help="How many devices on each node.")] = 1,
    num_nodes: Annotated[int, typer.Option(min=1, help="How many machines.")] = 1,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Leave out unreadable files and report them.")] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Continue from the last complete checkpoint.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a run that is there.")] = False,
    as_json: AsJson = False,
    help_: Annotated[bool, typer.Option("--help", "-h", help="Show this, and the options of RECIPE.")] = False,
) -> None:
    """Train a recipe: from data to a run folder. `zoo train RECIPE --help` shows the recipe's options."""
    from zoo import show

    if help_ or recipe is None:
        typer.echo(context.get_help())
        if recipe is not None:
            show.recipe_options(recipe)
        return
    from zoo.options import parse_settings, read_toml

    values: dict[str, Any] = read_toml(config) if config else {}
    values |= parse_settings(settings or [])
    values |= {} if epochs is None else {"epochs": epochs}
    with show.progress() as on_progress:
        on_progress("load PyTorch", 0, 1)
        from zoo import pipeline
        from zoo.training import Hardware

        folder = pipeline.train(
            recipe, data=data, out=out, settings=values, seed=seed, skip_bad=skip_bad,
            hardware=Hardware(device, devices, num_nodes), resume=resume, overwrite=overwrite, on_progress=on_progress,
        )  # fmt: skip
    if pipeline.is_first_process():
        show.run(folder, as_json)


@app.command()
def export(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a finished run.")],
    formats: Annotated[list[str] | None, typer.Option("--format", help="onnx or tflite; both by default.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="The bundle's folder; bundles/ and the run's name by default.")
    ] = None,
    data: Annotated[str | None, typer.Option(help="Where the data set is now, if it has moved.")] = None,
    as_json: AsJson = False,
) -> None:
    """Export a run: every file is proved against PyTorch on the whole validation set, or not written."""
    from runtime.errors import ParityError
    from zoo import show

    with show.progress() as on_progress:
        on_progress("load PyTorch", 0, 1)
        from export.formats import format_names
        from zoo.pipeline import export_run

        try:
            bundle = export_run(run, formats or format_names(), out=out, data=data, on_progress=on_progress)
        except ParityError as problem:
            bundle, failed = None, str(problem)
    if bundle is None:
        sys.stderr.write(f"zoo: {failed}\n")
        raise typer.Exit(1)
    show.bundle(bundle, as_json)


@app.command()
def info(bundle: BundlePath, as_json: AsJson = False) -> None:
    """Show what is inside a bundle: input, labels, files, sizes, parity, metrics, origins."""
    from runtime import Bundle
    from zoo import show

    show.bundle(Bundle.read(bundle), as_json)


@app.command()
def verify(bundle: BundlePath, threads: Threads = None, as_json: AsJson = False) -> None:
    """Replay a bundle's golden pack on every engine here; needs no torch. Exits 1 if an answer differs."""
    from runtime.quiet import quiet
    from runtime.verify import verify as replay
    from zoo import show

    with quiet():
        found = list(replay(bundle, threads=threads))
    if not show.verification(found, as_json):
        raise typer.Exit(1)


@app.command(add_help_option=False, context_settings={"ignore_unknown_options": True, "allow_extra_args": True})
def predict(context: typer.Context) -> None:
    """Predict image files on the best engine here, or on one you name."""
    from zoo.predict import run

    raise typer.Exit(run(context.args))
