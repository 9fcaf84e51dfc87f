"""The house rules that the linters don't hold: no circles of imports, no long files, no long lists of parameters."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("runtime", "export", "zoo")
MAX_LINES = 400
MAX_PARAMETERS = 8
COMMANDS = "zoo/cli/"
"""The parameters of a command are its options."""

SOURCES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
TREES = {path.relative_to(ROOT).as_posix(): ast.parse(path.read_text("utf-8")) for path in SOURCES}


def module(path: str) -> str:
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


MODULES = {module(path): tree for path, tree in TREES.items()}


def imports(tree: ast.Module) -> set[str]:
    """Return the modules of ours that a module imports: in functions and for annotations, too."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0 and node.module
            full = {alias.name: f"{node.module}.{alias.name}" for alias in node.names}
            names |= {name if name in MODULES else node.module for name in full.values()}
    return names & MODULES.keys()


def circles(graph: dict[str, set[str]]) -> list[set[str]]:
    """Return the largest sets of modules of which each imports each other, if by way of others."""
    reached = {}
    for start in graph:
        seen: set[str] = set()
        rest = [start]
        while rest:
            new = graph[rest.pop()] - seen
            seen |= new
            rest += new
        reached[start] = seen
    sets = {
        frozenset(other for other in reached[name] if name in reached[other]) for name in graph if name in reached[name]
    }
    return [set(names) for names in sets]


def test_circles_are_seen():
    graph = {"a": {"b"}, "b": {"c"}, "c": {"b", "d"}, "d": set()}
    assert circles(graph) == [{"b", "c"}]
    assert circles({"a": {"b"}, "b": {"c"}, "c": set()}) == []


@pytest.mark.parametrize("package", PACKAGES)
def test_no_module_imports_itself_by_way_of_others(package):
    graph = {name: imports(tree) - {name} for name, tree in MODULES.items() if name.split(".")[0] == package}
    assert len(graph) > 20
    graph = {name: others & graph.keys() for name, others in graph.items()}
    assert circles(graph) == []


def bound(tree: ast.Module, package: str) -> set[str]:
    """Return the names that a package's `__init__` binds to anything but its own modules and what they define."""
    names = set()
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign):
            names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.ImportFrom) and node.module != package:
            own = {alias.name for alias in node.names if node.module == f"{package}.{alias.name}"}
            names |= {alias.asname or alias.name for alias in node.names} - own
    return names


def test_no_module_hides_a_name_of_its_package():
    """The import of a module binds its name in its package, over whatever had that name."""
    hidden = []
    for path, tree in TREES.items():
        package = module(path)
        if path.endswith("/__init__.py"):
            hidden += [f"{package}.{name}" for name in bound(tree, package) if f"{package}.{name}" in MODULES]
    assert hidden == []


def test_no_file_is_long():
    scripts = [path for folder in ("src", "package/src") for path in (ROOT / "mobile_demo" / folder).rglob("*.ts")]
    files = [*SOURCES, *scripts]
    lengths = {path.relative_to(ROOT).as_posix(): len(path.read_text("utf-8").splitlines()) for path in files}
    assert {name: length for name, length in lengths.items() if length > MAX_LINES} == {}


def test_no_function_has_many_parameters():
    long = {}
    for path, tree in TREES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not path.startswith(COMMANDS):
                arguments = node.args
                names = [each.arg for each in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]
                count = len([name for name in names if name not in ("self", "cls")])
                if count > MAX_PARAMETERS:
                    long[f"{path}: {node.name}"] = count
    assert long == {}
