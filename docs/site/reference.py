"""The pages of the reference, as Markdown: commands from their declarations, Python from its docstrings."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import typer

GROUPS = {
    "Load and predict": ("load", "Model", "Bundle", "Waveform"),
    "Predictions": ("Prediction", "Box"),
    "Export": ("export", "Calibration", "Card", "Origin", "DataOrigin", "Progress"),
    "Networks": ("NormalizePixels", "NormalizeFeatures", "DenormalizeTargets", "FullPrecision", "Streamable"),
    "Inputs": ("ModelSpec", "image_steps", "NumericColumn", "CategoricalColumn", "Resampling", "TensorSpec"),
    "Tasks": (),
}
"""The names that open each part of the page about Python; the others follow by their kind."""
OTHERS = {"Prediction": "Predictions", "Input": "Inputs"}
"""The part of a name by its last word; the other names are tasks."""


@dataclass(frozen=True)
class Parameter:
    """An argument or option of a command.

    Args:
        names: As the command line has them: ``BUNDLE``, ``--out`` or ``--help, -h``.
        kind: What its value is; empty for a flag.
        default: Its default, or an empty text.
        help: What it does.
    """

    names: str
    kind: str
    default: str
    help: str


@dataclass(frozen=True)
class Command:
    """A command with its parameters.

    Args:
        name: All its words, such as ``zoo cache list``.
        help: What it does.
        usage: Its line of usage.
        parameters: Its arguments, then its options.
    """

    name: str
    help: str
    usage: str
    parameters: tuple[Parameter, ...]


def pages() -> dict[str, str]:
    """Return the Markdown of each page by its path in the site."""
    return {
        "reference/commands.md": _commands_page(commands()),
        "reference/recipes.md": _recipes_page(),
        "reference/python.md": _python_page(),
        "reference/errors.md": _errors_page(),
        "reference/manifest.md": _manifest_page(),
    }


def commands() -> list[Command]:
    """Return every command, in the order in which `zoo --help` lists them."""
    from zoo.cli.app import app
    from zoo.cli.predict import parser

    root = typer.main.get_command(app)
    context: Any = typer.Context(root, info_name="zoo")
    return [_of_argparse(parser()) if each.name == "zoo predict" else each for each in _walk(root, context)]


def _walk(command: Any, context: Any) -> Iterator[Command]:
    usage = command.get_usage(context).removeprefix("Usage:")
    parameters = tuple(_parameter(each, context) for each in command.get_params(context))
    yield Command(context.command_path, command.help or "", " ".join(usage.split()), parameters)
    for name, child in getattr(command, "commands", {}).items():
        yield from _walk(child, typer.Context(child, info_name=name, parent=context))


def _parameter(parameter: Any, context: Any) -> Parameter:
    if parameter.param_type_name == "argument":
        names = parameter.make_metavar(context).strip("[]{}")
        return Parameter(names, "", "required" if parameter.required else "", getattr(parameter, "help", None) or "")
    kind = "" if parameter.is_flag else parameter.make_metavar(context).strip("<>[]")
    default = parameter.default
    shown = "" if default is None or parameter.is_flag or callable(default) else str(default)
    return Parameter(", ".join((*parameter.opts, *parameter.secondary_opts)), kind, shown, parameter.help or "")


def _of_argparse(parser: argparse.ArgumentParser) -> Command:
    parameters = []
    for action in parser._actions:  # argparse has no public list
        kind = "" if action.nargs == 0 or not action.option_strings else str(action.metavar or action.dest).upper()
        if action.choices:
            kind = " or ".join(map(str, action.choices))
        default = "" if action.default in (None, False, [], argparse.SUPPRESS) else str(action.default)
        if not action.option_strings and action.nargs != "*":
            default = "required"
        names = ", ".join(action.option_strings) or str(action.metavar)
        parameters.append(Parameter(names, kind, default, " ".join((action.help or "").split())))
    usage = " ".join(parser.format_usage().removeprefix("usage:").split())
    return Command(parser.prog, " ".join((parser.description or "").split()), usage, tuple(parameters))


def _commands_page(every: Sequence[Command]) -> str:
    parts = ["# Commands", "Every command answers `--help`. An error is one line on stderr, and exit status 2."]
    for command in every:
        rows = [[f"`{p.names}`", _cell(p.kind), _cell(p.default), _cell(p.help)] for p in command.parameters]
        parts += [f"## {command.name}", command.help.replace("\n", " "), f"```text\n{command.usage}\n```"]
        parts.append(_table(["name", "value", "default", "what it does"], rows))
    return "\n\n".join(parts) + "\n"


def _recipes_page() -> str:
    from zoo.options import options_of
    from zoo.recipes import Training, recipe
    from zoo.registry import descriptions

    parts = [
        "# Options of recipes",
        "`zoo train RECIPE --set KEY=VALUE` sets an option, and `--config` reads a TOML file of them.",
    ]
    tables = [(name, recipe(name).options, recipe(name).options()) for name in descriptions("zoo.recipes")]
    for title, cls, defaults in [*tables, ("Training options of every recipe", Training, Training())]:
        rows = [
            [f"`{each.name}`", _cell(each.kind), _cell(str(getattr(defaults, each.name))), _cell(each.help)]
            for each in options_of(cls)
        ]
        parts += [f"## {title}", _table(["key", "type", "default", "what it does"], rows)]
    return "\n\n".join(parts) + "\n"


def python_names() -> dict[str, list[str]]:
    """Return the public names of `zoo` that are no errors, by the part of the page that has them."""
    import zoo

    parts = {part: list(names) for part, names in GROUPS.items()}
    known = {name for names in parts.values() for name in names} | set(error_names())
    for name in zoo.__all__:
        if name not in known:
            parts[next((part for ending, part in OTHERS.items() if name.endswith(ending)), "Tasks")].append(name)
    return parts


def error_names() -> list[str]:
    """Return the public errors and warnings, each after those that it is a kind of."""
    import runtime

    classes = [each for name in runtime.__all__ if isinstance(each := getattr(runtime, name), type)]
    raised = [each for each in classes if issubclass(each, BaseException)]
    return [each.__name__ for each in sorted(raised, key=lambda each: [base.__name__ for base in each.__mro__[::-1]])]


def _python_page() -> str:
    parts = [
        "# Python",
        "`import zoo` is all that a program needs. `runtime` has the names of programs that only predict, and `export`"
        " those of programs that export. Each name is imported when it is first used: `zoo.load` needs no PyTorch.",
    ]
    for part, names in python_names().items():
        parts += [f"## {part}", *(_members(f"zoo.{name}") for name in names)]
    parts += ["## Of the other packages", _members("runtime.load")]
    parts += ["## Clusters", _members("zoo.cluster.predict"), _members("zoo.spark.predictor")]
    return "\n\n".join(parts) + "\n"


def _errors_page() -> str:
    text = "Every error is a `zoo.ZooError`; it names the thing, the value and what to do. Warnings are `zoo.Note`."
    return "\n\n".join(["# Errors and warnings", text, *(_members(f"zoo.{name}") for name in error_names())]) + "\n"


def _manifest_page() -> str:
    text = (
        "`manifest.json` holds these records. A reader refuses fields that it doesn't know, and values of other types. "
        "Their [JSON Schema](manifest.schema.json) has names and types; `zoo verify` checks the rest."
    )
    names = (
        "Manifest",
        "FileEntry",
        "ModelFile",
        "Parity",
        "Quantization",
        "Card",
        "Origin",
        "DataOrigin",
        "GoldenSource",
    )
    records = [_members(f"runtime.bundle.manifest.{name}") for name in names]
    return "\n\n".join(["# The manifest", text, *records]) + "\n"


def _members(identifier: str) -> str:
    return f"::: {identifier}"


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")
