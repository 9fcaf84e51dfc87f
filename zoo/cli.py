"""The command line: each command parses, calls one function and shows what it returns.

Nothing heavy is imported before a command needs it. `zoo predict` parses for itself; see `zoo.predict`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, cast

import typer

from runtime.errors import OptionError
from zoo.interrupts import INTERRUPTED
from zoo.names import resolve
from zoo.terminal import complain

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["--help", "-h"]},
)

cache = typer.Typer(help="The models that were pulled.", no_args_is_help=True)
app.add_typer(cache, name="cache")

Golden = Annotated[
    str | None,
    typer.Option(
        metavar="FOLDER|made-up|none",
        help="Whose samples others can replay and see: of a folder, made-up ones or none; by default the data's.",
    ),
]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Replace what an earlier command has left there; nothing else is replaced.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]
Threads = Annotated[int | None, typer.Option(help="CPU threads; by default one for a small model, else all.")]
Data = Annotated[str | None, typer.Option(help="Data set, NAME or NAME:PATH; the recipe's own by default.")]
Target = Annotated[
    str | None, typer.Option(help="Column to tell from the others, or several with commas; for csv: and series:.")
]
Drop = Annotated[
    list[str] | None,
    typer.Option(
        metavar="COLUMN", help="Leave a column out, or several with commas, such as ids; for csv: and series:."
    ),
]
SkipBad = Annotated[bool, typer.Option("--skip-bad", help="Leave out unreadable files and report them.")]
Settings = Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Set an option.")]
Trusted = Annotated[
    bool, typer.Option("--trusted", help="Don't try new model files in a child process first: you know who made them.")
]
BundlePath = Annotated[
    Path, typer.Argument(metavar="BUNDLE", help="A bundle's folder, or a model's name.", parser=resolve)
]
BundlePaths = Annotated[
    list[Path], typer.Argument(metavar="BUNDLE...", help="Bundles' folders, or models' names.", parser=resolve)
]


def run_app() -> int:
    """Run the command that the command line names; return its exit status.

    Raises:
        OptionError: If the command line makes no sense.
        KeyboardInterrupt: If the user interrupts the command, of which typer gives the exit status alone.
    """
    try:
        status = int(app(standalone_mode=False) or 0)
        if status == INTERRUPTED:
            raise KeyboardInterrupt
        return status
    except typer.Abort:
        raise KeyboardInterrupt from None
    except Exception as problem:
        if not hasattr(problem, "format_message"):  # typer's own complaints have it
            raise
        command = getattr(getattr(problem, "ctx", None), "command_path", "zoo")
        message = problem.format_message().rstrip(".") or "say what to do"
        raise OptionError(f"{message} (see {command} --help)") from None


@app.callback(invoke_without_command=True)
def main(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Show the version; `zoo doctor` shows engines.")] = False,
) -> None:
    """From data to a bundle that can be trusted: train, export to ONNX and TFLite, prove parity, predict."""
    if version:
        import platform
        from importlib.metadata import version as version_of

        typer.echo(f"edgezoo {version_of('edgezoo')}, Python {platform.python_version()}, {platform.platform()}")
    elif context.invoked_subcommand is None:
        typer.echo(context.get_help())


@app.command("list")
def list_(
    models: Annotated[bool, typer.Option("--models", help="Show the models that are ready to use instead.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show recipes, data sets, formats and engines, and what they are for."""
    from zoo import show, show_models

    (show_models.models if models else show.catalogue)(as_json)


@app.command()
def pull(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME", help="A model of `zoo list --models`, timm:NAME of any network of timm, or hf:USER/NAME."
        ),
    ],
    formats: Annotated[
        list[str] | None, typer.Option("--format", help="onnx, tflite or tflm; by default the model's own.")
    ] = None,
    precisions: Annotated[
        list[str] | None, typer.Option("--precision", help="As for zoo export; by default the model's own.")
    ] = None,
    random_weights: Annotated[
        bool, typer.Option("--random-weights", help="Untrained, for a trial of the export: NAME+random from then on.")
    ] = False,
    out: Annotated[Path | None, typer.Option(help="The bundle's folder; in the cache folder by default.")] = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Get a model that is ready to use: made here, every file proved against PyTorch, and kept in the cache folder."""
    from zoo import screen, show
    from zoo.pull import pull

    with screen.progress() as on_progress:
        bundle = pull(
            name, formats or (), precisions or (), random_weights=random_weights, out=out, overwrite=overwrite,
            on_progress=on_progress,
        )  # fmt: skip
    show.bundle(bundle, as_json)


@cache.command("list")
def cache_list(as_json: AsJson = False) -> None:
    """Show the models that were pulled."""
    from zoo import show_models
    from zoo.pull import cached

    show_models.cached(cached(), as_json)


@cache.command("clean")
def cache_clean(
    names: Annotated[list[str] | None, typer.Argument(metavar="[NAME...]", help="Models; all by default.")] = None,
    as_json: AsJson = False,
) -> None:
    """Remove models that were pulled."""
    from zoo import show_models
    from zoo.pull import clean

    show_models.cleaned(clean(names or ()), as_json)


@app.command(add_help_option=False)
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
    from zoo import screen, show

    if help_ or recipe is None:
        typer.echo(context.get_help())
        if recipe is not None:
            show.recipe_options(recipe)
        return
    from zoo.options import parse_settings, read_toml

    values: dict[str, Any] = read_toml(config) if config else {}
    values |= parse_settings(settings or [])
    values |= {} if epochs is None else {"epochs": epochs}
    given: dict[str, Any] = {
        "data": data, "target": target, "drop": tuple(drop or ()), "seed": seed, "skip_bad": skip_bad, "logger": logger
    }  # fmt: skip
    if sum(bool(each) for each in (folds, trials, devices * num_nodes > 1)) > 1:
        raise OptionError("--folds, --tune and several devices don't go together: choose one")
    from zoo.data import load_dataset
    from zoo.folders import is_first_process
    from zoo.preflight import Place, Wish, check_training

    check_training(Wish(recipe, data, target, values, device, logger, folds, trials), Place(out, resume, overwrite))
    with screen.progress() as on_progress:
        on_progress("load PyTorch", 0, 1)
        from zoo import pipeline
        from zoo.training import Hardware

        given |= {"hardware": Hardware(device, devices, num_nodes), "on_progress": on_progress}
        search = None
        if folds is not None:
            from zoo.folds import cross_validate

            found = cross_validate(recipe, folds, out=out, settings=values, resume=resume, overwrite=overwrite, **given)
        elif trials is not None:
            from zoo.tune import tune

            search = tune(recipe, trials, out=out, settings=values, overwrite=overwrite, **given)
            values |= search.best.settings
        if folds is None:
            folder = pipeline.train(recipe, out=out, settings=values, resume=resume, overwrite=overwrite, **given)
    if data is not None and data.startswith("csv:") and not as_json and devices * num_nodes == 1:
        show.table_columns(load_dataset(data, seed, target, drop or ()))
    if folds is not None:
        show.folds(found, as_json)
    elif is_first_process():
        if search is not None and not as_json:
            from zoo.folders import tuning_folder

            show.search(search, tuning_folder(folder))
        show.run(folder, as_json)


@app.command()
def export(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a finished run.")],
    formats: Annotated[
        list[str] | None, typer.Option("--format", help="onnx, tflite or tflm; the first two by default.")
    ] = None,
    precisions: Annotated[
        list[str] | None,
        typer.Option(
            "--precision",
            help="fp32 (default), fp16, int8, int8-dynamic, int8-weights, int16x8 or int4-weights; auto is fp32 "
            "and the smaller one that suits the recipe.",
        ),
    ] = None,
    calibration_samples: Annotated[
        int, typer.Option(help="Training samples, balanced over classes, that tell the ranges of int8 and int16x8.")
    ] = 200,
    calibration_method: Annotated[
        str, typer.Option(help="How: min-max, moving-average, percentile or entropy.")
    ] = "min-max",
    budget: Annotated[
        str | None,
        typer.Option(
            help="Search formats and precisions for the fastest file inside limits, such as 'drop<=0.5% size<=1.5MB'; "
            "also agreement>=, latency<=. Exits 1 if there is none."
        ),
    ] = None,
    golden: Golden = None,
    allow_drift: Annotated[
        bool, typer.Option("--allow-drift", help="Write smaller precisions that lose the answer; they say so.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option(help="The bundle's folder; bundles/ and the run's name by default.")
    ] = None,
    data: Annotated[str | None, typer.Option(help="Where the data set is now, if it has moved.")] = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Export a run: every file is proved against PyTorch on the whole validation set, or not written."""
    from runtime.errors import ParityError
    from zoo import screen, show
    from zoo.notes import heard
    from zoo.preflight import check_export, default_formats

    check_export(
        run, formats or default_formats(), precisions or (), method=calibration_method, data=data, golden=golden,
        budget=budget, out=out, overwrite=overwrite,
    )  # fmt: skip
    if budget is not None:
        if allow_drift or calibration_method != "min-max":
            raise OptionError("--budget tries all calibration methods itself and writes no file that loses the answer")
        with heard(), screen.progress() as on_progress:
            on_progress("load PyTorch", 0, 1)
            from zoo.budget import search

            found = search(
                run, budget, formats, precisions=precisions or (), out=out, data=data,
                calibration_samples=calibration_samples, golden=golden, overwrite=overwrite,
                on_progress=on_progress,
            )  # fmt: skip
        show.budget(found, as_json)
        if found.winner is None:
            raise typer.Exit(1)
        return
    with heard(), screen.progress() as on_progress:
        on_progress("load PyTorch", 0, 1)
        from zoo.pipeline import export_run

        try:
            bundle = export_run(
                run, formats or default_formats(), precisions=precisions or (), out=out, data=data,
                calibration_samples=calibration_samples, calibration_method=cast(Any, calibration_method),
                golden=golden, allow_drift=allow_drift, overwrite=overwrite,
                on_progress=on_progress,
            )  # fmt: skip
        except ParityError as problem:
            bundle, failed = None, str(problem)
    if bundle is None:
        complain(str(failed))
        raise typer.Exit(1)
    show.bundle(bundle, as_json, yours=True)


@app.command("import")
def import_(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="A .onnx or .tflite file of another project.")],
    labels: Annotated[
        Path | None, typer.Option(help="Text file with one label a line, in the order of outputs.")
    ] = None,
    resize: Annotated[str | None, typer.Option(help="SIDE or HEIGHTxWIDTH of its images, where it takes any.")] = None,
    mean: Annotated[str | None, typer.Option(help="What is subtracted: one number, or one for each channel.")] = None,
    std: Annotated[str | None, typer.Option(help="What it is divided by then.")] = None,
    white: Annotated[
        int | None, typer.Option("--range", help="255 if mean and std are of pixels 0-255, 1 if of 0-1; by their size.")
    ] = None,
    layout: Annotated[str | None, typer.Option(help="NCHW or NHWC.")] = None,
    order: Annotated[str | None, typer.Option(help="RGB or BGR.")] = None,
    fit: Annotated[str | None, typer.Option(help="crop, stretch or pad: how images get its shape.")] = None,
    share: Annotated[float | None, typer.Option(help="The share of the sides that crop keeps, such as 0.875.")] = None,
    interpolation: Annotated[str | None, typer.Option(help="nearest, box, bilinear, bicubic or lanczos.")] = None,
    task: Annotated[str | None, typer.Option(help="classification, binary, multilabel or regression.")] = None,
    output: Annotated[str | None, typer.Option(help="The output that is the answer, where there are several.")] = None,
    gives: Annotated[
        str | None, typer.Option(help="What it holds: values (logits), or probabilities of a softmax or sigmoid.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="What the model is called.")] = None,
    golden: Annotated[
        str,
        typer.Option(
            "--golden",
            "--samples",
            metavar="FOLDER|made-up|none",
            help="What others can replay and see: a folder's images, made-up ones (default), or none.",
        ),
    ] = "made-up",
    out: Annotated[Path | None, typer.Option(help="The bundle's folder; bundles/ and MODEL's name by default.")] = None,
    overwrite: Overwrite = False,
    trusted: Trusted = False,
    as_json: AsJson = False,
) -> None:
    """Make a bundle of a file that another project made; its metadata and files beside it tell what isn't given."""
    from zoo import screen, show
    from zoo.imports.given import given

    told = given(
        labels=labels, size=resize, mean=mean, std=std, white=white, layout=layout, order=order, fit=fit, share=share,
        interpolation=interpolation, task=task, output=output, gives=gives, name=name,
    )  # fmt: skip
    with screen.progress() as on_progress:
        from zoo.importing import import_file

        found = import_file(
            model, told, samples=golden, out=out, overwrite=overwrite, trusted=trusted, on_progress=on_progress
        )
    show.imported(found, as_json)


@app.command()
def info(bundle: BundlePath, as_json: AsJson = False) -> None:
    """Show what is inside a bundle: input, labels, files, sizes, parity, metrics, origins."""
    from runtime import Bundle
    from zoo import show

    show.bundle(Bundle.read(bundle), as_json)


@app.command()
def verify(
    bundle: BundlePath,
    public_key: Annotated[Path | None, typer.Option(help="First check the signature of this key's owner.")] = None,
    threads: Threads = None,
    trusted: Trusted = False,
    as_json: AsJson = False,
) -> None:
    """Replay a bundle's golden pack on every engine here; needs no torch. Exits 1 if an answer differs."""
    if public_key is not None:
        from zoo.signing import check_signature

        check_signature(bundle, public_key)
    from runtime.quiet import quiet
    from zoo import screen, show

    with screen.progress() as on_progress, quiet():
        from runtime.verify import verify as replay

        found = list(replay(bundle, threads=threads, trusted=trusted, on_progress=on_progress))
    if not show.verification(found, as_json):
        raise typer.Exit(1)


@app.command()
def card(
    bundle: BundlePath,
    measure: Annotated[bool, typer.Option("--speed/--no-speed", help="Measure each file's latency here.")] = True,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Drop a signature, which must be renewed.")] = False,
    trusted: Trusted = False,
    as_json: AsJson = False,
) -> None:
    """Write a bundle's model card anew, with the speed of each file on this machine."""
    from zoo import screen, show

    with screen.progress() as on_progress:
        from zoo.cards import renew

        found = renew(bundle, measure=measure, overwrite=overwrite, trusted=trusted, on_progress=on_progress)
    show.bundle(found, as_json)


@app.command()
def sign(
    bundle: BundlePath,
    key: Annotated[Path, typer.Option(help="Private key in PEM, on the curve P-256, P-384 or P-521.")],
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a signature that is there.")] = False,
    as_json: AsJson = False,
) -> None:
    """Sign a bundle's files, so that `zoo verify --public-key` refuses any other; needs no network."""
    from zoo import show
    from zoo.signing import sign as put_signature

    show.signed(put_signature(bundle, key, overwrite), as_json)


@app.command()
def push(
    bundle: BundlePath,
    name: Annotated[str, typer.Argument(metavar="NAME", help="hf:USER/NAME, made if need be.")],
    public: Annotated[
        bool, typer.Option("--public/--private", help="Whether everybody sees a repository that is made, or you alone.")
    ] = False,
    trusted: Trusted = False,
    as_json: AsJson = False,
) -> None:
    """Put a bundle that passes `zoo verify` onto the model hub, in one commit; private unless you say --public."""
    from runtime import Bundle
    from runtime.quiet import quiet
    from zoo import screen, show
    from zoo.hub import is_public
    from zoo.hub import push as put

    with screen.progress() as on_progress, quiet():
        where = put(bundle, name, public=public, trusted=trusted, on_progress=on_progress)
        everybody = is_public(name)
    show.pushed(where, Bundle.read(bundle), everybody, as_json)


@app.command()
def doctor(as_json: AsJson = False) -> None:
    """Show what this machine can run models on, and why not on what. Exits 1 if it is nothing."""
    from zoo import screen, show_machine

    with screen.progress() as on_progress:
        from zoo.doctor import diagnose

        found = diagnose(on_progress)
    show_machine.doctor(found, as_json)
    if found.choice is None:
        raise typer.Exit(1)


@app.command("data")
def data_(
    data: Annotated[str, typer.Argument(metavar="DATA", help="Data set, NAME or NAME:PATH.")],
    target: Target = None,
    drop: Drop = None,
    seed: Annotated[int, typer.Option(help="Decides the split.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Show a data set: sizes, balance of the classes, how columns were read, fingerprint."""
    from zoo import screen, show
    from zoo.data import load_dataset

    with screen.progress() as on_progress:
        on_progress(f"read {data}", 0, 1)
        found = load_dataset(data, seed, target, drop or ())
    show.dataset(found, as_json)


@app.command()
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
    from zoo import screen, show
    from zoo.options import parse_settings

    with screen.progress() as on_progress:
        on_progress("load PyTorch", 0, 1)
        from zoo.summary import summarise

        found = summarise(recipe, shape, outputs, parse_settings(settings or []), depth)
    show.summary(found, as_json)


@app.command()
def evaluate(
    model: Annotated[
        Path,
        typer.Argument(
            metavar="BUNDLE", help="A bundle's folder, one model file of it, or a model's name.", parser=resolve
        ),
    ],
    data: Annotated[str, typer.Option(help="Data set, NAME or NAME:PATH.")],
    target: Target = None,
    split: Annotated[
        str, typer.Option(help="train, validation, test or all; auto takes what it wasn't trained on.")
    ] = ("auto"),
    engine: Annotated[str, typer.Option(help="auto, onnxruntime, litert, openvino or tflm.")] = "auto",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda and so on.")] = "auto",
    out: Annotated[
        Path | None, typer.Option(help="Folder for metrics and pictures; evaluations/MODEL-on-DATA by default.")
    ] = None,
    skip_bad: SkipBad = False,
    overwrite: Overwrite = False,
    trusted: Trusted = False,
    as_json: AsJson = False,
) -> None:
    """Measure an exported model on a data set: metrics, confusion matrix, the worst mistakes as a picture."""
    from zoo import screen, show
    from zoo.folders import check_report, report_folder

    folder = out

    def check(name: str, dataset: str) -> None:
        nonlocal folder
        folder = out or report_folder(name, dataset)
        check_report(folder, overwrite)

    with screen.progress() as on_progress:
        on_progress("load the model", 0, 1)
        from zoo.assess import assess

        found = assess(
            model, data, target=target, split=split, engine=engine, device=device, trusted=trusted, skip_bad=skip_bad,
            on_loaded=check, on_progress=on_progress,
        )  # fmt: skip
    show.assessment(found, folder or Path(), as_json)


@app.command()
def compare(
    bundles: BundlePaths,
    data: Annotated[str | None, typer.Option(help="Measure all on this data set; each on its own by default.")] = None,
    target: Target = None,
    out: Annotated[Path, typer.Option(help="The picture's file.")] = Path("comparison.png"),
    overwrite: Overwrite = False,
    trusted: Trusted = False,
    as_json: AsJson = False,
) -> None:
    """Put bundles side by side: accuracy, size and latency of every file, as a table and a picture."""
    from runtime.atomic import check_file
    from zoo import screen, show

    check_file(out, overwrite)
    with screen.progress() as on_progress:
        on_progress("open the bundles", 0, 1)
        from zoo.compare import compare

        found = compare(bundles, data, target, on_progress, trusted=trusted)
    show.comparison(found, out, as_json)


@app.command()
def bench(
    bundle: BundlePath,
    data: Annotated[str | None, typer.Option(help="Measure quality on this data set; by default as exported.")] = None,
    target: Target = None,
    engine: Annotated[str, typer.Option(help="auto, onnxruntime, litert, openvino or tflm.")] = "auto",
    threads: Threads = None,
    out: Annotated[Path, typer.Option(help="The picture's file.")] = Path("bench.png"),
    overwrite: Overwrite = False,
    trusted: Trusted = False,
    as_json: AsJson = False,
) -> None:
    """Measure each file here: quality, size, latency, throughput, load time and memory, and which one to take."""
    from runtime.atomic import check_file
    from zoo import screen, show

    check_file(out, overwrite)
    with screen.progress() as on_progress:
        on_progress("open the bundle", 0, 1)
        from zoo.bench import bench

        found = bench(
            bundle, data=data, target=target, engine=engine, threads=threads, trusted=trusted, on_progress=on_progress
        )
    show.bench(found, out, as_json)


@app.command()
def diagnose(
    bundle: BundlePath,
    file: Annotated[str | None, typer.Option(help="A model file of the bundle; the least faithful by default.")] = None,
    run: Annotated[
        Path | None,
        typer.Option(help="The run that it was exported from; runs/ and the bundle's name by default."),
    ] = None,
    out: Annotated[Path, typer.Option(help="The picture's file.")] = Path("diagnosis.png"),
    overwrite: Overwrite = False,
    trusted: Trusted = False,
    as_json: AsJson = False,
) -> None:
    """Find the layer where a file departs from PyTorch, on the golden pack's samples: a table and a picture."""
    from runtime.atomic import check_file
    from zoo import screen, show

    check_file(out, overwrite)
    with screen.progress() as on_progress:
        on_progress("load PyTorch", 0, 1)
        from zoo.diagnose import diagnose

        found = diagnose(bundle, file, run=run, trusted=trusted, on_progress=on_progress)
    show.diagnosis(found, out, as_json)


@app.command()
def demo(
    bundles: BundlePaths,
    out: Annotated[
        Path | None, typer.Option(help="Write a folder for any web host instead of serving it here.")
    ] = None,
    host: Annotated[
        str, typer.Option(help="What to listen on: 0.0.0.0 is every network that this machine is in.")
    ] = "localhost",
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Its port; by default the first free one from 8000.")
    ] = None,
    https: Annotated[bool, typer.Option("--https", help="Encrypt, with a local certificate: phones need it.")] = False,
    browser: Annotated[bool, typer.Option("--open/--no-open", help="Open it in this machine's browser.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a site that is in --out.")] = False,
    as_json: AsJson = False,
) -> None:
    """Serve the web app with bundles, for a phone or a browser here, or write it as a folder for any web host."""
    from zoo import demo, screen
    from zoo.web.site import check_site

    with screen.progress() as on_progress:
        if out is not None:
            check_site(out, overwrite)
        site = demo.prepare(bundles, on_progress)
    if not as_json:
        demo.say_published(bundles)
    if out is not None:
        demo.write(site, out, overwrite, as_json)
    else:
        demo.run(site, host, port, https, browser, as_json)


@app.command(add_help_option=False, context_settings={"ignore_unknown_options": True, "allow_extra_args": True})
def predict(context: typer.Context) -> None:
    """Predict image files on the best engine here, or on one you name."""
    from zoo.predict import run

    raise typer.Exit(run(context.args))
