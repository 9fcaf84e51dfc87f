"""The words that pages, help, messages and docstrings avoid, and those that names avoid; `make check` runs it.

`python docs/site/words.py` prints each with its file and line, and exits with 1 if there are any.
"""

from __future__ import annotations

import ast
import json
import re
import sys
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = (
    "README.md", "CONTRIBUTING.md", "mobile_demo/README.md", "mobile_demo/package/README.md", "docs/*.md",
    "docs/guides/*.md", "docs/notebooks/*.ipynb",
)  # fmt: skip
PACKAGES = ("runtime", "export", "zoo")
NOT_CHECKED = ("docs/log.md", "docs/coverage.md")
"""Records of experiments, in the words of their day."""
OPENING = r"(?:What|Whatever|Whoever|Those that|That which)\b"
AVOIDED = {
    rf"^{OPENING}(?!.*\?$)": "name the subject with the field's noun",
    r"\b(?:travel|travels|traveled|wear|wears|vouch|vouches)\b": "files do not act; say what a person or program does",
    r"\bthe very\b": "leave it out, or say 'the same'",
    r"\b(?:[Nn]obody|[Nn]o one)\b": "say who or what does not",
    r"\b(?:[Cc]olour|[Qq]uantis(?!ation:)|[Oo]ptimis|[Nn]ormalis|[Bb]ehaviour|[Gg]rey)": "US spelling",
}
"""The manifest's field `quantisation` keeps its name."""
VAGUE = re.compile(r"_*(?:found|given|place|taken|told)")
"""Names of variables and parameters that say neither what a value is nor its type."""
BRITISH = re.compile(r"(?i)colour|quantis|optimis|normalis|recognis|behaviour|grey|centre|licence|neighbour")
KEPT_NAMES = {"found", "licence", "quantisation"}
"""Fields of the manifest and of reports, and parameters that become such fields."""
SENTENCE = re.compile(r"(?<=[.:;?])\s+|\n\n+")
PHRASE = re.compile(rf"(\A\s*|:\s+){OPENING}")
"""The start of a phrase that describes a value in code, as in `name: What it holds.`, and is no sentence."""
HEADING = re.compile(r"^#.*$", re.MULTILINE)
CODE = re.compile(r"```.*?```|`[^`]*`|<!--.*?-->", re.DOTALL)


def main() -> int:
    """Print what is to be changed; return the exit status."""
    problems = dict.fromkeys((*_of_pages(), *_of_docstrings(), *_of_strings(), *_of_names()))
    for problem in problems:
        sys.stdout.write(f"{problem}\n")
    return 1 if problems else 0


def _of_pages() -> Iterator[str]:
    for path in sorted(path for pattern in PAGES for path in ROOT.glob(pattern)):
        name = path.relative_to(ROOT).as_posix()
        if name not in NOT_CHECKED:
            yield from _problems(name, 1, _prose(path))


def _prose(path: Path) -> str:
    """Return a page's text; of a notebook the cells that are no code."""
    text = path.read_text("utf-8")
    if path.suffix != ".ipynb":
        return text
    cells = [cell for cell in json.loads(text)["cells"] if cell["cell_type"] == "markdown"]
    return "\n\n".join("".join(cell["source"]) for cell in cells)


def _of_docstrings() -> Iterator[str]:
    """Check the docstrings of commands, which are their help, and of the packages' modules."""
    for path, tree in _modules():
        commands = tree.body if path.startswith("zoo/cli/") else []
        for node in (tree, *commands):
            if isinstance(node, ast.Module | ast.FunctionDef) and (text := ast.get_docstring(node)):
                yield from _problems(path, node.body[0].lineno, text)


def _of_strings() -> Iterator[str]:
    """Check the packages' other docstrings, help and messages: all strings of several words."""
    for path, tree in _modules():
        yield from _in_strings(path, tree)


def _in_strings(path: str, tree: ast.Module) -> Iterator[str]:
    for line, text in _strings(tree):
        if " " in text:
            yield from _problems(path, line, PHRASE.sub(r"\1x", text))


def _of_names() -> Iterator[str]:
    """Check the names that the packages, benchmarks and tests define."""
    for path, tree in _modules((*PACKAGES, "benchmarks", "tests")):
        yield from _in_names(path, tree)


def _in_names(path: str, tree: ast.Module) -> Iterator[str]:
    parts = [part for node in ast.walk(tree) for part in ast.iter_child_nodes(node) if isinstance(node, ast.ClassDef)]
    kept = {id(part.target) for part in parts if isinstance(part, ast.AnnAssign)}
    kept |= {id(node) for node in ast.walk(tree) if isinstance(node, ast.arg) and not VAGUE.fullmatch(node.arg)}
    for node in ast.walk(tree):
        name = _defined(node)
        if name in KEPT_NAMES and id(node) in kept:
            continue
        if VAGUE.fullmatch(name):
            yield f"{path}:{node.lineno}: {name!r}: name the value after what it is"
        elif BRITISH.search(name):
            yield f"{path}:{node.lineno}: {name!r}: US spelling"


def _defined(node: ast.AST) -> str:
    """Return the name that a node defines; an empty text if it defines none."""
    match node:
        case ast.Name(id=name, ctx=ast.Store()) | ast.arg(arg=name) | ast.Attribute(attr=name, ctx=ast.Store()):
            return name
        case ast.FunctionDef(name=name) | ast.ClassDef(name=name) | ast.AsyncFunctionDef(name=name):
            return name
    return ""


def _modules(packages: Sequence[str] = PACKAGES) -> Iterator[tuple[str, ast.Module]]:
    for package in packages:
        for path in sorted((ROOT / package).rglob("*.py")):
            yield path.relative_to(ROOT).as_posix(), _parsed(path)


@cache
def _parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


def _strings(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield the strings below a node with their first lines; the values in an f-string are left out."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value
        elif isinstance(node, ast.JoinedStr):
            yield node.lineno, "".join(part.value if isinstance(part, ast.Constant) else "x" for part in node.values)
        else:
            yield from _strings(node)


def _problems(name: str, first: int, text: str) -> Iterator[str]:
    prose = CODE.sub(lambda match: "\n" * match[0].count("\n") + "x", text)
    prose = HEADING.sub("", prose)
    at = 0
    for sentence in SENTENCE.split(prose):
        at = prose.index(sentence, at)
        for pattern, advice in AVOIDED.items():
            if match := re.search(pattern, sentence.lstrip("-*#|> \n")):
                line = first + prose.count("\n", 0, at)
                yield f"{name}:{line}: {match[0]!r} in {' '.join(sentence.split())[:100]!r}: {advice}"


if __name__ == "__main__":
    sys.exit(main())
