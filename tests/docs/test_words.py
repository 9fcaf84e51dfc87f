"""The words that pages and docstrings avoid are found, by their lines, and code is not prose."""

from __future__ import annotations

import ast
import importlib.util

from tests.docs.pages import ROOT

spec = importlib.util.spec_from_file_location("words", ROOT / "docs" / "site" / "words.py")
assert spec is not None and spec.loader is not None
words = importlib.util.module_from_spec(spec)
spec.loader.exec_module(words)


def test_each_fault_is_named_with_its_line():
    text = (
        "# What a page holds\n\nFiles are checked. What fails is\nrefused: nobody sees it.\n\n"
        "The colour `What` is the very same.\n"
    )
    problems = list(words._problems("page.md", 1, text))
    assert [problem.split(":")[:2] for problem in problems] == [["page.md", line] for line in ("3", "4", "6", "6")]
    assert problems[0] == ("page.md:3: 'What' in 'What fails is refused:': name the subject with the field's noun")


def test_questions_and_code_pass():
    assert not list(words._problems("page.md", 1, "What does it cost?\n\n```sh\nWhat nobody runs\n```\n"))


def test_strings_of_code_are_checked_and_may_begin_with_a_phrase():
    code = (
        'def load(path):\n    """Load.\n\n    Args:\n        path: What to read. What fails is refused.\n    """\n'
        '    raise ValueError(f"{path}: nobody reads colour")\n\n\nKEY = "colour"\n"""What it holds."""\n'
    )
    problems = list(words._in_strings("load.py", ast.parse(code)))
    assert [problem.split(" in ")[0] for problem in problems] == [
        "load.py:5: 'What'", "load.py:7: 'nobody'", "load.py:7: 'colour'",
    ]  # fmt: skip


def test_names_that_say_nothing_are_named_and_fields_of_the_manifest_pass():
    code = (
        "class Card:\n    licence: str = ''\n\n    def colour_of(self, taken):\n        self._place = found = taken\n"
        "        return [path for path in found]\n\n\ndef card(licence):\n    quantisation = licence\n"
    )
    problems = list(words._in_names("card.py", ast.parse(code)))
    names = {tuple(problem.split(": ")[:2]) for problem in problems}
    assert names == {
        ("card.py:4", "'colour_of'"), ("card.py:4", "'taken'"), ("card.py:5", "'_place'"), ("card.py:5", "'found'"),
        ("card.py:10", "'quantisation'"),
    }  # fmt: skip
