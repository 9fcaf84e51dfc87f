"""Every code block of README and guides runs as printed, in order, for a reader who begins with an empty folder."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import pytest

from tests.docs.pages import PAGES, README, ROOT, Block, blocks, predecessor, prepare, read_page
from tests.nightly import nightly_but
from tests.once import Once

QUICK = (README, "docs/guides/desktop.md", "docs/guides/raspberry-pi.md", "docs/guides/app.md", "docs/guides/phone.md")
"""Pages that take seconds; the others train."""
RUN = ("sh", "console", "python")
ELSEWHERE = ("html", "js", "ts")
"""Languages of the npm package, whose examples `tests/mobile_demo/test_package.py` runs."""


def folder_of(page: str, once: Once) -> Path:
    """Return the folder of a reader who has read a page, and before it the pages that it continues."""

    def read(folder: Path) -> None:
        before = predecessor(page)
        if before is None:
            folder.mkdir()
            prepare(folder)
        else:
            shutil.copytree(folder_of(before, once), folder, symlinks=True)
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(folder)
            read_page(page, folder)

    return once(f"pages/{Path(page).stem}", read)


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("page", nightly_but(QUICK.__contains__, PAGES))
def test_a_page_runs_as_printed(page, once):
    folder_of(page, once)


def test_blocks_that_are_not_run_say_why_and_are_few():
    every = [block for page in PAGES for block in blocks(page) if block.language in RUN]
    left_out = [block for block in every if block.reason]
    for block in left_out:
        print(f"{block.page}:{block.line}: {block.reason}")  # noqa: T201 - shown by pytest -s
    print(f"{len(every) - len(left_out)} blocks run, {len(left_out)} do not")  # noqa: T201
    assert len(left_out) <= LEFT_OUT
    counts = Counter(block.page for block in every if not block.reason)
    assert counts[README] >= 6


LEFT_OUT = 20
"""Blocks that no machine of ours can run: a new one is a deliberate decision."""


def test_readme_is_short_and_begins_with_the_two_commands_and_an_answer():
    lines = (ROOT / README).read_text("utf-8").splitlines()
    assert len(lines) <= 150
    first = [line for line in lines[:10] if line.startswith(("make demo", "make test", "zoo predict"))]
    assert [line.split()[0] for line in first] == ["make", "make", "zoo"]


@pytest.mark.parametrize("page", PAGES)
def test_code_has_a_language(page):
    assert [block.line for block in blocks(page) if block.language not in (*RUN, *ELSEWHERE)] == []


def test_a_console_block_is_its_commands():
    block = Block("page.md", 1, "console", "$ zoo list\na table\n$ zoo doctor\n")
    assert block.script == "zoo list\nzoo doctor"
