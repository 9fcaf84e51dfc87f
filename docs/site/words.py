"""The words and openings of sentences that pages, help and module docstrings avoid; `make check` runs this script.

`python docs/site/words.py` prints each with its file and line, and exits with 1 if there are any.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = (
    "README.md", "CONTRIBUTING.md", "mobile_demo/README.md", "mobile_demo/package/README.md", "docs/*.md",
    "docs/guides/*.md",
)  # fmt: skip
NOT_CHECKED = ("docs/log.md", "docs/coverage.md")
"""Records of experiments, in the words of their day."""
AVOIDED = {
    r"^(?:What|Whatever|Whoever|Those that|That which)\b(?!.*\?$)": "name the subject with the field's noun",
    r"\b(?:travel|travels|traveled|wear|wears|vouch|vouches)\b": "files do not act; say what a person or program does",
    r"\bthe very\b": "leave it out, or say 'the same'",
    r"\b(?:[Nn]obody|[Nn]o one)\b": "say who or what does not",
    r"\b(?:[Cc]olour|[Qq]uantis|[Oo]ptimis|[Nn]ormalis|[Bb]ehaviour|[Gg]rey)": "US spelling",
}
SENTENCE = re.compile(r"(?<=[.:;?])\s+|\n\n+")
HEADING = re.compile(r"^#.*$", re.MULTILINE)
CODE = re.compile(r"```.*?```|`[^`]*`|<!--.*?-->", re.DOTALL)


def main() -> int:
    """Print what is to be changed; return the exit status."""
    problems = [*_of_pages(), *_of_docstrings()]
    for problem in problems:
        sys.stdout.write(f"{problem}\n")
    return 1 if problems else 0


def _of_pages() -> Iterator[str]:
    for path in sorted(path for pattern in PAGES for path in ROOT.glob(pattern)):
        name = path.relative_to(ROOT).as_posix()
        if name not in NOT_CHECKED:
            yield from _problems(name, 1, path.read_text("utf-8"))


def _of_docstrings() -> Iterator[str]:
    """Check the docstrings of commands, which are their help, and of the packages' modules."""
    for package in ("runtime", "export", "zoo"):
        for path in sorted((ROOT / package).rglob("*.py")):
            tree = ast.parse(path.read_text("utf-8"))
            commands = tree.body if path.is_relative_to(ROOT / "zoo" / "cli") else []
            for node in (tree, *commands):
                if isinstance(node, ast.Module | ast.FunctionDef) and (text := ast.get_docstring(node)):
                    yield from _problems(path.relative_to(ROOT).as_posix(), node.body[0].lineno, text)


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
