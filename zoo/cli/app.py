"""The commands by their names.

Nothing heavy is imported before a command needs it. `zoo predict` parses for itself; see `zoo.cli.predict`.
"""

from __future__ import annotations

from typing import Annotated

import typer

from runtime.errors import OptionError
from zoo.cli import bundles, export, machine, measure, serve, train
from zoo.terminal.interrupts import INTERRUPTED

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["--help", "-h"]},
)
cache = typer.Typer(help="The models that were pulled.", no_args_is_help=True)


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


def predict(context: typer.Context) -> None:
    """Predict image files on the best engine here, or on one you name."""
    from zoo.cli.predict import run

    raise typer.Exit(run(context.args))


app.command("list")(bundles.list_)
app.command()(bundles.pull)
app.add_typer(cache, name="cache")
cache.command("list")(bundles.cache_list)
cache.command("clean")(bundles.cache_clean)
app.command(add_help_option=False)(train.train)
app.command()(export.export)
app.command("import")(export.import_)
app.command()(export.triton)
app.command()(bundles.info)
app.command()(bundles.verify)
app.command()(bundles.card)
app.command()(bundles.sign)
app.command()(bundles.push)
app.command()(machine.doctor)
app.command("data")(train.data_)
app.command()(train.summary)
app.command()(measure.evaluate)
app.command()(measure.compare)
app.command()(measure.bench)
app.command()(measure.diagnose)
app.command()(machine.demo)
app.command()(serve.serve)
app.command(add_help_option=False, context_settings={"ignore_unknown_options": True, "allow_extra_args": True})(predict)
