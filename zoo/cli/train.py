"""Commands of training: train, data, summary."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from runtime.errors import OptionError
from zoo.cli.arguments import AsJson, Data, Drop, Overwrite, Settings, SkipBad, Target


def train(
    context: typer.Context,
    recipe: Annotated[str | None, typer.Argument(metavar="RECIPE", help="A recipe of `zoo list`.")] = None,
    data: Data = None,
    target: Target = None,
    drop: Drop = None,
    out: Annotated[Path | None, typer.Option(help="Run folder; runs/RECIPE-DATA by default.")] = None,
    epochs: Annotated[int | None, typer.Option(help="The same as --set epochs=N.")] = None,
    settings: Settings = None,
    config: Annotated[Path | None, typer.Option(help="TOML file with options; --set has the last word.")] = None,
    seed: Annotated[int, typer.Option(help="Decides split, weights, order and augmentation.")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    devices: Annotated[int, typer.Option(min=1, help="How many devices on each node: distributed data parallel.")] = 1,
    num_nodes: Annotated[int, typer.Option(min=1, help="How many machines.")] = 1,
    on: Annotated[
        Literal["ray"] | None, typer.Option(help="Start the processes on a Ray cluster, one for each of --num-nodes.")
    ] = None,
    address: Annotated[
        str | None, typer.Option(help="With --on: of a running cluster; by default one of this machine alone.")
    ] = None,
    folds: Annotated[int | None, typer.Option(help="Cross-validate with so many parts instead.")] = None,
    trials: Annotated[int | None, typer.Option("--tune", help="First search options with so many trials.")] = None,
    logger: Annotated[str, typer.Option(help="none, csv, tensorboard or wandb: figures of every step.")] = "none",
    skip_bad: SkipBad = False,
    resume: Annotated[bool, typer.Option("--resume", help="Continue from the last complete checkpoint.")] = False,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
    help_: Annotated[bool, typer.Option("--help", "-h", help="Show this, and the options of RECIPE.")] = False,
) -> None:
    """Train a recipe: from data to a run folder. `zoo train RECIPE --help` shows the recipe's options."""
    from zoo.cli.views import data as data_view
    from zoo.cli.views import training as training_view
    from zoo.terminal.progress import progress

    if help_ or recipe is None:
        typer.echo(context.get_help())
        if recipe is not None:
            training_view.recipe_options(recipe)
        return
    from zoo.options import parse_settings, read_toml

    values: dict[str, Any] = read_toml(config) if config else {}
    values |= parse_settings(settings or [])
    values |= {} if epochs is None else {"epochs": epochs}
    if sum(bool(each) for each in (folds, trials, devices * num_nodes > 1 or on)) > 1:
        raise OptionError("--folds, --tune and several devices don't go together: choose one")
    if address and not on:
        raise OptionError("--address is of a cluster: add --on ray")
    from zoo.train.config import Hardware, TrainConfig
    from zoo.train.distributed import is_first_process
    from zoo.train.folders import tuning_folder
    from zoo.train.preflight import check_training

    asked = TrainConfig(
        recipe, data, target, tuple(drop or ()), values, seed, skip_bad, out=out, resume=resume, overwrite=overwrite,
        hardware=Hardware(device, devices, num_nodes), logger=logger,
    )  # fmt: skip
    if on:
        from zoo.cluster.training import train as train_on_cluster

        with progress() as on_progress:
            folder = train_on_cluster(asked, address, on_progress)
        training_view.run(folder, as_json)
        return
    resolved = check_training(asked, folds, trials)
    with progress() as on_progress:
        on_progress("load PyTorch", 0, 1)
        from zoo.train.pipeline import run_training

        search = None
        if folds is not None:
            from zoo.train.cross_validation import run_folds

            validation = run_folds(resolved, folds, on_progress)
        elif trials is not None:
            from zoo.train.tune import run_search

            search = run_search(resolved, trials, on_progress)
            resolved = resolved.vary(settings={**values, **search.best.settings})
        if folds is None:
            folder = run_training(resolved, on_progress=on_progress)
    if data is not None and data.startswith("csv:") and not as_json and devices * num_nodes == 1:
        data_view.table_columns(resolved.source.dataset)
    if folds is not None:
        training_view.folds(validation, as_json)
    elif is_first_process():
        if search is not None and not as_json:
            training_view.search(search, tuning_folder(folder))
        training_view.run(folder, as_json)


def data_(
    data: Annotated[str, typer.Argument(metavar="DATA", help="Data set, NAME or NAME:PATH.")],
    target: Target = None,
    drop: Drop = None,
    seed: Annotated[int, typer.Option(help="Decides the split.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Show a data set: sizes, balance of the classes, how columns were read, fingerprint."""
    from zoo.cli.views import data as views
    from zoo.data import load_dataset
    from zoo.terminal.progress import progress

    with progress() as on_progress:
        on_progress(f"read {data}", 0, 1)
        dataset = load_dataset(data, seed, target, drop or ())
    views.dataset(dataset, as_json)


def summary(
    recipe: Annotated[str, typer.Argument(metavar="RECIPE", help="A recipe of `zoo list`.")],
    shape: Annotated[
        str | None, typer.Option(help="HEIGHTxWIDTHxCHANNELS, TIMExFEATURES or FEATURES; the recipe's data by default.")
    ] = None,
    outputs: Annotated[int, typer.Option(min=0, help="Values that the last layer gives; 0 as the data needs.")] = 0,
    settings: Settings = None,
    depth: Annotated[int, typer.Option(min=1, help="How far to look into blocks.")] = 3,
    as_json: AsJson = False,
) -> None:
    """Show a recipe's layers: output shape, parameters and multiply-accumulate operations of each."""
    from zoo.cli.views import training as views
    from zoo.options import parse_settings
    from zoo.terminal.progress import progress

    with progress() as on_progress:
        on_progress("load PyTorch", 0, 1)
        from zoo.train.summary import summarize

        layers = summarize(recipe, shape, outputs, parse_settings(settings or []), depth)
    views.summary(layers, as_json)
