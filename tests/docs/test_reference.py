"""Every public name, every command and every option is in the reference."""

from __future__ import annotations

import re
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

import export
import runtime
import zoo
from docs.site.reference import commands, pages
from tests.docs.pages import PAGES, ROOT
from zoo.cli.app import app
from zoo.cli.predict import parser
from zoo.registry import descriptions

REFERENCE = pages()
OPTION = r"(?<![\w-])--[a-z][a-z-]*"
OF_OTHER_PROGRAMS = {
    "--master-addr", "--master-port", "--model-repository", "--nnodes", "--node-rank", "--nproc-per-node", "--preload",
}  # fmt: skip
"""Options of torchrun, Triton and gunicorn in the guides."""


def helps() -> dict[str, str]:
    """Return what each command prints with `--help`."""

    def walk(command: Any, words: tuple[str, ...]) -> None:
        printed = CliRunner().invoke(app, [*words, "--help"], env={"COLUMNS": "200", "TERMINAL_WIDTH": "200"})
        texts[" ".join(("zoo", *words))] = printed.output
        for name, child in getattr(command, "commands", {}).items():
            walk(child, (*words, name))

    texts: dict[str, str] = {}
    walk(typer.main.get_command(app), ())
    return texts | {"zoo predict": parser().format_help()}


HELPS = helps()


def section(page: str, title: str) -> str:
    match = re.search(rf"^## {re.escape(title)}$(.*?)(?=^## |\Z)", REFERENCE[page], re.MULTILINE | re.DOTALL)
    assert match, f"{page} has no part {title!r}"
    return match[1]


@pytest.mark.parametrize("name", sorted({*zoo.__all__, *runtime.__all__, *export.__all__}))
def test_every_public_name_is_documented_once(name):
    text = REFERENCE["reference/python.md"] + REFERENCE["reference/errors.md"]
    assert re.findall(rf"^::: zoo\.{name}$", text, re.MULTILINE) == [f"::: zoo.{name}"]


def test_the_commands_are_those_of_the_program():
    assert [command.name for command in commands()] == list(HELPS)


@pytest.mark.parametrize("command", list(HELPS))
def test_every_option_of_a_command_is_documented(command):
    page = REFERENCE["reference/commands.md"]
    text = page if command == "zoo" else section("reference/commands.md", command)  # it has all commands' first lines
    options = set(re.findall(OPTION, HELPS[command]))
    assert options
    assert {option for option in options if not re.search(rf"(?<![\w-]){option}(?![\w-])", text)} == set()


@pytest.mark.parametrize("command", commands(), ids=lambda command: command.name)
def test_every_parameter_says_what_it_does(command):
    assert [parameter.names for parameter in command.parameters if not parameter.help] == []


@pytest.mark.parametrize("recipe", sorted(descriptions("zoo.recipes")))
def test_every_option_of_a_recipe_is_documented(recipe):
    from zoo.options import options_of
    from zoo.recipes import recipe as declared

    text = section("reference/recipes.md", recipe)
    assert [option.name for option in options_of(declared(recipe).options) if f"`{option.name}`" not in text] == []


def test_every_error_is_documented_as_one():
    kinds = [name for name in zoo.__all__ if name.endswith(("Error", "Note"))]
    assert [name for name in kinds if f"::: zoo.{name}\n" not in REFERENCE["reference/errors.md"]] == []


@pytest.mark.parametrize("page", [*PAGES, "docs/guarantees.md"])
def test_a_page_names_options_and_python_names_that_exist(page):
    text = (ROOT / page).read_text("utf-8")
    known = set(re.findall(OPTION, "".join(HELPS.values())))
    assert set(re.findall(OPTION, text)) - known - OF_OTHER_PROGRAMS == set()
    packages = {"zoo": zoo, "export": export, "runtime": runtime}
    names = re.findall(r"`(zoo|export|runtime)\.((?!py\b)[A-Za-z]\w*)(?:[(`]|\.)", text)
    assert [f"{package}.{name}" for package, name in names if not hasattr(packages[package], name)] == []
